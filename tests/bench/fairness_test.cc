#include "bench/fairness.h"

#include <cstdint>
#include <vector>

#include "gtest/gtest.h"

namespace culvert::bench {
namespace {

TEST(Fairness, EqualSharesHaveIndexOne) {
  const Spread spread = SpreadOf(std::vector<uint64_t>{7, 7, 7, 7});
  EXPECT_EQ(spread.min, 7u);
  EXPECT_EQ(spread.max, 7u);
  EXPECT_DOUBLE_EQ(spread.jain, 1);
}

TEST(Fairness, OneOfFourThatDoesEverythingIsAQuarter) {
  const Spread spread = SpreadOf(std::vector<uint64_t>{0, 12, 0, 0});
  EXPECT_EQ(spread.min, 0u);
  EXPECT_EQ(spread.max, 12u);
  EXPECT_DOUBLE_EQ(spread.jain, 0.25);
}

TEST(Fairness, UnequalShares) { EXPECT_DOUBLE_EQ(SpreadOf(std::vector<uint64_t>{1, 3}).jain, 0.8); }

TEST(Fairness, NothingDoneIsNoFairness) {
  EXPECT_EQ(SpreadOf({}).jain, 0);
  EXPECT_EQ(SpreadOf(std::vector<uint64_t>{0, 0}).jain, 0);
}

TEST(Fairness, ConnectionsAreTheSumsOfTheirStreams) {
  EXPECT_EQ(SumsOfEach(2, std::vector<uint64_t>{1, 2, 10, 20, 100, 200}), (std::vector<uint64_t>{3, 30, 300}));
  EXPECT_EQ(SumsOfEach(3, std::vector<uint64_t>{1, 2, 3}), std::vector<uint64_t>{6});
  EXPECT_TRUE(SumsOfEach(3, {}).empty());
}

}  // namespace
}  // namespace culvert::bench
