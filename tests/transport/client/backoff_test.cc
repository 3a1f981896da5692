#include "transport/client/backoff.h"

#include "gtest/gtest.h"

namespace culvert::client {
namespace {

using std::chrono::milliseconds;

TEST(BackoffTest, GrowsFromTheFirstWaitToTheBound) {
  Options options;
  options.initial_backoff = milliseconds(1000);
  options.backoff_multiplier = 1.6;
  options.max_backoff = milliseconds(5000);
  Backoff backoff(options);
  for (const int expected : {1000, 1600, 2560, 4096, 5000, 5000}) EXPECT_EQ(backoff.Next(0), milliseconds(expected));
}

TEST(BackoffTest, ASuccessBeginsAnew) {
  Options options;
  Backoff backoff(options);
  backoff.Next(0);
  backoff.Next(0);
  backoff.Reset();
  EXPECT_EQ(backoff.Next(0), options.initial_backoff);
}

TEST(BackoffTest, ThePartThatIsRandomDoesNotAddUp) {
  Options options;
  options.initial_backoff = milliseconds(1000);
  options.backoff_multiplier = 2;
  options.backoff_jitter = 0.2;
  Backoff backoff(options);
  EXPECT_EQ(backoff.Next(1), milliseconds(1200));
  EXPECT_EQ(backoff.Next(-1), milliseconds(1600));
  EXPECT_EQ(backoff.Next(0.5), milliseconds(4400));
}

TEST(BackoffTest, TheDefaultsAreGrpcs) {
  const Options options;
  EXPECT_EQ(options.initial_backoff, milliseconds(1000));
  EXPECT_EQ(options.backoff_multiplier, 1.6);
  EXPECT_EQ(options.backoff_jitter, 0.2);
  EXPECT_EQ(options.max_backoff, milliseconds(120000));
  EXPECT_EQ(options.connect_timeout, milliseconds(20000));
}

TEST(BackoffTest, AFirstWaitBeyondTheBoundIsTheBound) {
  Options options;
  options.initial_backoff = milliseconds(100);
  options.max_backoff = milliseconds(20);
  Backoff backoff(options);
  EXPECT_EQ(backoff.Next(0), milliseconds(20));
  EXPECT_EQ(backoff.Next(0), milliseconds(20));
}

}  // namespace
}  // namespace culvert::client
