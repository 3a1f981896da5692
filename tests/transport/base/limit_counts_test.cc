#include "transport/base/limit_counts.h"

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace culvert::base {
namespace {

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const auto& [name, count] : LimitCounts()) names.emplace_back(name);
  return names;
}

TEST(LimitCountsTest, BeginsAtNothing) {
  EXPECT_EQ(LimitCount("never"), 0u);
  EXPECT_EQ(LimitCount(""), 0u);
}

TEST(LimitCountsTest, CountsEachNameByItself) {
  CountLimit("one");
  CountLimit("two");
  CountLimit("two");
  EXPECT_EQ(LimitCount("one"), 1u);
  EXPECT_EQ(LimitCount("two"), 2u);
  EXPECT_EQ(LimitCount("tw"), 0u);
  EXPECT_EQ(LimitCount("two "), 0u);
}

// A name is its text, wherever that lies and however long it lasts.
TEST(LimitCountsTest, KnowsANameByItsText) {
  {
    const std::string first = "same_text_and_too_long_for_a_small_string";
    CountLimit(first);
  }
  const std::string second = "same_text_and_too_long_for_a_small_string";
  CountLimit(second);
  EXPECT_EQ(LimitCount("same_text_and_too_long_for_a_small_string"), 2u);
  const std::vector<std::string> names = Names();
  EXPECT_EQ(std::count(names.begin(), names.end(), second), 1);
}

TEST(LimitCountsTest, ListsThemInTheOrderOfTheirFirstTime) {
  CountLimit("list_b");
  CountLimit("list_a");
  CountLimit("list_b");
  const auto counts = LimitCounts();
  ASSERT_GE(counts.size(), 2u);
  EXPECT_EQ(counts[counts.size() - 2], (std::pair<std::string_view, uint64_t>("list_b", 2)));
  EXPECT_EQ(counts[counts.size() - 1], (std::pair<std::string_view, uint64_t>("list_a", 1)));
  EXPECT_EQ(LimitCount("asked_for_and_not_counted"), 0u);
  EXPECT_EQ(LimitCounts().size(), counts.size());
}

TEST(LimitCountsTest, LosesNothingBetweenThreads) {
  constexpr int kThreads = 8;
  constexpr int kRounds = 2000;
  const std::vector<std::string> names = {"t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7"};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&names, t] {
      for (int i = 0; i < kRounds; ++i) {
        for (size_t n = 0; n < names.size(); ++n) {
          CountLimit(names[(n + static_cast<size_t>(t)) % names.size()]);  // each thread is the first with another name
        }
        uint64_t seen = 0;
        for (const auto& [name, count] : LimitCounts()) seen += name[0] == 't' ? count : 0;
        EXPECT_GE(seen, names.size());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::vector<std::string> listed = Names();
  for (const std::string& name : names) {
    EXPECT_EQ(LimitCount(name), uint64_t{kThreads * kRounds}) << name;
    EXPECT_EQ(std::count(listed.begin(), listed.end(), name), 1) << name;
  }
}

// The last test: it fills the table of this process.
TEST(LimitCountsTest, TooManyNamesShareOne) {
  CountLimit("settled");
  const size_t before = LimitCounts().size();
  constexpr size_t kMore = 300;
  for (size_t i = 0; i < kMore; ++i) CountLimit("filler_" + std::to_string(i));
  const size_t size = LimitCounts().size();
  EXPECT_EQ(LimitCounts().back().first, "other");
  const size_t with_room = size - before - 1;
  EXPECT_LT(with_room, kMore);
  EXPECT_EQ(LimitCount("other"), kMore - with_room);
  EXPECT_EQ(LimitCount("filler_" + std::to_string(with_room - 1)), 1u);
  EXPECT_EQ(LimitCount("filler_" + std::to_string(with_room)), 0u);
  CountLimit("settled");  // has its place
  EXPECT_EQ(LimitCount("settled"), 2u);
  CountLimit("one_more");
  EXPECT_EQ(LimitCounts().size(), size);
}

}  // namespace
}  // namespace culvert::base
