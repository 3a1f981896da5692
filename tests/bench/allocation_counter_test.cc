#include "bench/allocation_counter/allocation_counter.h"

#include <memory>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace culvert::testing {
namespace {

// What a compiler may not optimize away.
void* volatile sink;

TEST(AllocationCounter, CountsNewOfEveryKind) {
  const AllocationCounter counter;
  auto one = std::make_unique<int>(1);
  sink = one.get();
  EXPECT_EQ(counter.Count(), 1u);
  std::vector<int> many(100);
  sink = many.data();
  EXPECT_EQ(counter.Count(), 2u);
  void* const raw = ::operator new(10, std::nothrow);
  sink = raw;
  ::operator delete(raw);
  EXPECT_EQ(counter.Count(), 3u);
}

TEST(AllocationCounter, CountsTheBytesAskedFor) {
  const AllocationCounter counter;
  auto one = std::make_unique<char[]>(1000);
  sink = one.get();
  std::vector<char> two(500);
  sink = two.data();
  EXPECT_EQ(counter.Bytes(), 1500u);
  one.reset();
  EXPECT_EQ(counter.Bytes(), 1500u);
}

TEST(AllocationCounter, StandsStillWhenNothingIsAllocated) {
  std::vector<int> many;
  many.reserve(100);
  const AllocationCounter counter;
  for (int i = 0; i < 100; ++i) many.push_back(i);
  many.clear();
  EXPECT_EQ(counter.Count(), 0u);
}

TEST(AllocationCounter, CountsOnlyItsOwnThread) {
  std::thread other([] { sink = std::make_unique<int>(1).get(); });
  other.join();
  const AllocationCounter counter;
  std::thread another;
  EXPECT_EQ(counter.Count(), 0u);
}

}  // namespace
}  // namespace culvert::testing
