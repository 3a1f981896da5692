#include "transport/base/recycled.h"

#include <malloc.h>

#include <array>
#include <memory>
#include <thread>
#include <vector>

#include "bench/allocation_counter/allocation_counter.h"
#include "gtest/gtest.h"

namespace culvert::base {
namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr bool kKeeps = false;
#else
constexpr bool kKeeps = true;
#endif

template <size_t kSize>
struct Object : Recycled {
  virtual ~Object() = default;
  std::array<char, kSize> bytes;
};
struct Larger : Object<100> {
  std::array<char, 300> more;
};

TEST(Recycled, WhatWasFreedServesAgain) {
  for (int i = 0; i < 10; ++i) delete new Object<100>;
  const testing::AllocationCounter counter;
  for (int i = 0; i < 10; ++i) delete new Object<100>;
  EXPECT_EQ(counter.Count(), kKeeps ? 0u : 10u);
}

TEST(Recycled, ADerivedObjectIsFreedAsWhatItIs) {
  std::vector<std::unique_ptr<Object<100>>> objects;
  for (int i = 0; i < 10; ++i) objects.push_back(std::make_unique<Larger>());
  objects.clear();
  const testing::AllocationCounter counter;
  auto small = std::make_unique<Object<100>>();
  small->bytes.fill('x');
  auto large = std::make_unique<Larger>();
  large->more.fill('x');
  if (kKeeps) {
    EXPECT_LE(counter.Count(), 1u);
  }
}

TEST(Recycled, LargeOnesAndManyGoToTheHeap) {
  delete new Object<5000>;
  std::vector<std::unique_ptr<Object<200>>> many;
  for (int i = 0; i < 1000; ++i) many.push_back(std::make_unique<Object<200>>());
  many.clear();
  many.reserve(1000);
  const testing::AllocationCounter counter;
  for (int i = 0; i < 1000; ++i) many.push_back(std::make_unique<Object<200>>());
  EXPECT_GE(counter.Count(), 900u);
}

// What malloc gives is of such sizes.
TEST(Recycled, BlocksAreNotRoundedBeyondWhatMallocHas) {
  const auto usable = [](const auto& object, size_t size) { return kKeeps ? malloc_usable_size(object.get()) : size; };
  const auto small = std::make_unique<Object<8>>();
  EXPECT_EQ(usable(small, 24), 24u);
  const auto fits = std::make_unique<Object<144>>();
  ASSERT_EQ(sizeof(*fits), 152u);
  EXPECT_EQ(usable(fits, 152), 152u);
  const auto larger = std::make_unique<Object<145>>();
  EXPECT_EQ(usable(larger, 168), 168u);
}

TEST(Recycled, AnotherThreadMayFreeIt) {
  std::vector<std::unique_ptr<Object<100>>> objects;
  for (int i = 0; i < 100; ++i) objects.push_back(std::make_unique<Object<100>>());
  std::thread([&] { objects.clear(); }).join();
  objects.push_back(std::make_unique<Object<100>>());
}

}  // namespace
}  // namespace culvert::base
