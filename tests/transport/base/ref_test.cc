#include "transport/base/ref.h"

#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace culvert::base {
namespace {

class Counted final : public RefCounted {
 public:
  explicit Counted(int& destroyed) : destroyed_(destroyed) {}
  ~Counted() override { ++destroyed_; }
  Ref<Counted> Self() { return Ref<Counted>(this); }
  int value = 7;

 private:
  int& destroyed_;
};

TEST(RefTest, TheLastOwnerDestroys) {
  int destroyed = 0;
  Ref<Counted> a(new Counted(destroyed));
  Ref<Counted> b = a;
  a.reset();
  EXPECT_FALSE(a);
  EXPECT_EQ(destroyed, 0);
  EXPECT_EQ(b->value, 7);
  EXPECT_EQ((*b).value, 7);
  b.reset();
  EXPECT_EQ(destroyed, 1);
  b.reset();
  EXPECT_EQ(destroyed, 1);
}

TEST(RefTest, APlainPointerBecomesAnOwnerAgain) {
  int destroyed = 0;
  Ref<Counted> again;
  {
    const Ref<Counted> first(new Counted(destroyed));
    again = first->Self();
    EXPECT_EQ(again.get(), first.get());
  }
  EXPECT_EQ(destroyed, 0);
  again = Ref<Counted>();
  EXPECT_EQ(destroyed, 1);
}

TEST(RefTest, MovingCountsNothing) {
  int destroyed = 0;
  Ref<Counted> a(new Counted(destroyed));
  Ref<Counted> b = std::move(a);
  EXPECT_EQ(a.get(), nullptr);
  a = std::move(b);
  EXPECT_EQ(destroyed, 0);
  EXPECT_TRUE(a);
}

TEST(RefTest, AssigningToItselfKeepsTheObject) {
  int destroyed = 0;
  Ref<Counted> a(new Counted(destroyed));
  const Ref<Counted>& same = a;
  a = same;
  EXPECT_EQ(destroyed, 0);
  EXPECT_EQ(a->value, 7);
}

TEST(RefTest, EmptyOnesMayBeCopiedAndDropped) {
  const Ref<Counted> none(nullptr);
  const Ref<Counted> copy = none;
  EXPECT_FALSE(copy);
}

TEST(RefTest, OwnersOnSeveralThreads) {
  int destroyed = 0;
  {
    const Ref<Counted> shared(new Counted(destroyed));
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([shared] {
        for (int i = 0; i < 10000; ++i) Ref<Counted> copy = shared;
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(destroyed, 0);
  }
  EXPECT_EQ(destroyed, 1);
}

}  // namespace
}  // namespace culvert::base
