#include "transport/hpack/table.h"

#include <deque>
#include <random>
#include <string>
#include <utility>

#include "bench/allocation_counter/allocation_counter.h"
#include "gtest/gtest.h"

namespace culvert::hpack {
namespace {

TEST(DynamicTable, TheNewestIsFirst) {
  DynamicTable table(4096);
  table.Insert("a", "1");
  table.Insert("b", "22");
  ASSERT_EQ(table.count(), 2u);
  EXPECT_EQ(table.At(0).name, "b");
  EXPECT_EQ(table.At(0).value, "22");
  EXPECT_EQ(table.At(1).name, "a");
  EXPECT_EQ(table.size(), 2u * 32 + 5);
}

TEST(DynamicTable, EvictsTheOldestForTheNewest) {
  DynamicTable table(100);
  table.Insert("a", "1");   // 34
  table.Insert("b", "2");   // 68
  table.Insert("c", "33");  // 103: the first must go
  ASSERT_EQ(table.count(), 2u);
  EXPECT_EQ(table.At(1).name, "b");
}

TEST(DynamicTable, OneTooLargeEmptiesIt) {
  DynamicTable table(64);
  table.Insert("a", "1");
  table.Insert("b", std::string(32, 'x'));
  EXPECT_EQ(table.count(), 0u);
  EXPECT_EQ(table.size(), 0u);
  table.Insert("c", std::string(31, 'x'));  // 64, and no more
  EXPECT_EQ(table.count(), 1u);
}

TEST(DynamicTable, AnEmptyNameAndValueCount) {
  DynamicTable table(64);
  for (int i = 0; i < 10; ++i) table.Insert("", "");
  EXPECT_EQ(table.count(), 2u);
}

TEST(DynamicTable, ALowerLimitEvicts) {
  DynamicTable table(4096);
  for (int i = 0; i < 10; ++i) table.Insert("n", std::to_string(i));
  table.SetLimit(70);
  ASSERT_EQ(table.count(), 2u);
  EXPECT_EQ(table.At(0).value, "9");
  EXPECT_EQ(table.At(1).value, "8");
  table.SetLimit(0);
  EXPECT_EQ(table.count(), 0u);
}

TEST(DynamicTable, HoldsWhatAPlainModelHolds) {
  std::mt19937 random(7);
  DynamicTable table(1000);
  std::deque<std::pair<std::string, std::string>> model;
  size_t size = 0, limit = 1000;
  for (int i = 0; i < 20000; ++i) {
    if (random() % 500 == 0) {
      limit = random() % 1500;
      table.SetLimit(static_cast<uint32_t>(limit));
    } else {
      const std::string name(random() % 20, static_cast<char>('a' + i % 26));
      const std::string value(random() % (random() % 50 == 0 ? 900 : 60), static_cast<char>('A' + i % 23));
      table.Insert(name, value);
      model.emplace_front(name, value);
      size += name.size() + value.size() + 32;
    }
    while (size > limit) {
      size -= model.back().first.size() + model.back().second.size() + 32;
      model.pop_back();
    }
    ASSERT_EQ(table.count(), model.size());
    ASSERT_EQ(table.size(), size);
    for (size_t at = 0; at < model.size(); ++at) {
      ASSERT_EQ(table.At(at).name, model[at].first);
      ASSERT_EQ(table.At(at).value, model[at].second);
    }
  }
}

TEST(DynamicTable, MovingOnAllocatesNothing) {
  DynamicTable table(4096);
  const std::string value(50, 'v');
  for (int i = 0; i < 1000; ++i) table.Insert("name", value);
  const testing::AllocationCounter counter;
  for (int i = 0; i < 1000; ++i) table.Insert("name", value);
  EXPECT_EQ(counter.Count(), 0u);
}

TEST(DynamicTable, AnEmptyOneHoldsNoMemory) {
  const testing::AllocationCounter counter;
  const DynamicTable table(4096);
  EXPECT_EQ(table.count(), 0u);
  EXPECT_EQ(counter.Count(), 0u);
}

}  // namespace
}  // namespace culvert::hpack
