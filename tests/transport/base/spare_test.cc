#include "transport/base/spare.h"

#include <memory>
#include <thread>
#include <utility>

#include "gtest/gtest.h"

namespace culvert::base {
namespace {

struct Counted {
  Counted() { ++made; }
  ~Counted() { ++destroyed; }
  static inline int made = 0;
  static inline int destroyed = 0;
};

// A thread of its own, so that it begins with nothing kept.
template <class F>
void OnFreshThread(F f) {
  Counted::made = Counted::destroyed = 0;
  std::thread(f).join();
}

TEST(Spare, WhatWasGivenIsTakenNext) {
  OnFreshThread([] {
    auto first = Spare<Counted>::Take();
    Counted* const address = first.get();
    Spare<Counted>::Give(std::move(first));
    EXPECT_EQ(Spare<Counted>::Take().get(), address);
    EXPECT_EQ(Counted::made, 1);
    EXPECT_EQ(Counted::destroyed, 1);  // by who took it, just now
  });
}

TEST(Spare, OneIsKept) {
  OnFreshThread([] {
    auto first = Spare<Counted>::Take();
    auto second = Spare<Counted>::Take();
    EXPECT_NE(first, second);
    Spare<Counted>::Give(std::move(first));
    Spare<Counted>::Give(std::move(second));
    EXPECT_EQ(Counted::destroyed, 1);
  });
}

TEST(Spare, GoesWithItsThread) {
  OnFreshThread([] { Spare<Counted>::Give(Spare<Counted>::Take()); });
  EXPECT_EQ(Counted::made, 1);
  EXPECT_EQ(Counted::destroyed, 1);
}

// Used by the destructor of a thread's variable that is older than what is kept.
struct Late {
  ~Late() {
    Spare<Counted>::Give(Spare<Counted>::Take());
    EXPECT_EQ(Counted::made, 2);
  }
};

TEST(Spare, NothingIsKeptOnceTheThreadEnds) {
  OnFreshThread([] {
    static thread_local Late late;
    EXPECT_NE(&late, nullptr);
    Spare<Counted>::Give(Spare<Counted>::Take());
  });
  EXPECT_EQ(Counted::made, 2);
  EXPECT_EQ(Counted::destroyed, 2);
}

}  // namespace
}  // namespace culvert::base
