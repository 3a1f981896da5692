#include "bench/histogram.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace culvert::bench {
namespace {

TEST(Histogram, AnswersZeroWhenNothingWasRecorded) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.max(), 0u);
  EXPECT_EQ(histogram.mean(), 0);
  EXPECT_EQ(histogram.Percentile(50), 0u);
  EXPECT_EQ(histogram.Percentile(100), 0u);
}

TEST(Histogram, IsExactBelow128) {
  Histogram histogram;
  for (uint64_t value = 1; value <= 100; ++value) histogram.Record(value);
  EXPECT_EQ(histogram.Percentile(0), 1u);
  EXPECT_EQ(histogram.Percentile(1), 1u);
  EXPECT_EQ(histogram.Percentile(50), 50u);
  EXPECT_EQ(histogram.Percentile(99), 99u);
  EXPECT_EQ(histogram.Percentile(99.9), 100u);
  EXPECT_EQ(histogram.Percentile(100), 100u);
  EXPECT_DOUBLE_EQ(histogram.mean(), 50.5);
}

TEST(Histogram, OneValueIsEveryPercentile) {
  // Powers of two and their neighbours are where a bucket computation goes wrong.
  std::vector<uint64_t> values = {0, UINT64_MAX};
  for (int bit = 0; bit < 64; ++bit) {
    for (const int64_t delta : {-1, 0, 1}) values.push_back((uint64_t{1} << bit) + static_cast<uint64_t>(delta));
  }
  for (const uint64_t value : values) {
    Histogram histogram;
    histogram.Record(value);
    EXPECT_EQ(histogram.max(), value);
    for (const double percent : {0.0, 50.0, 99.9, 100.0}) EXPECT_EQ(histogram.Percentile(percent), value);
  }
}

TEST(Histogram, IsWithinOneSixtyFourthOfTheTrueOrderStatistic) {
  std::mt19937_64 random(1);
  std::lognormal_distribution<double> latencies(11, 3);  // around 60 us, from nanoseconds to minutes
  Histogram histogram;
  std::vector<uint64_t> values;
  for (int i = 0; i < 100'000; ++i) {
    values.push_back(static_cast<uint64_t>(latencies(random)));
    histogram.Record(values.back());
  }
  std::sort(values.begin(), values.end());
  for (const double percent : {0.1, 10.0, 50.0, 90.0, 99.0, 99.9, 99.99}) {
    const auto rank = static_cast<size_t>(std::ceil(static_cast<double>(values.size()) * percent / 100));
    const uint64_t truth = values[rank - 1];
    EXPECT_GE(histogram.Percentile(percent), truth) << percent;
    EXPECT_LE(histogram.Percentile(percent), truth + truth / 64) << percent;
  }
  EXPECT_EQ(histogram.Percentile(100), values.back());
}

TEST(Histogram, MergingIsRecordingInOnePlace) {
  std::mt19937_64 random(2);
  Histogram whole, merged, parts[3];
  for (int i = 0; i < 3'000; ++i) {
    const uint64_t value = random() >> (random() % 64);
    whole.Record(value >> 10);
    parts[i % 3].Record(value >> 10);
  }
  for (const Histogram& part : parts) merged.Merge(part);
  EXPECT_EQ(merged.count(), whole.count());
  EXPECT_EQ(merged.max(), whole.max());
  EXPECT_DOUBLE_EQ(merged.mean(), whole.mean());
  for (double percent = 0; percent <= 100; percent += 0.5) {
    EXPECT_EQ(merged.Percentile(percent), whole.Percentile(percent)) << percent;
  }
}

}  // namespace
}  // namespace culvert::bench
