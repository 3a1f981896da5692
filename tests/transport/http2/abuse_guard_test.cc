#include "transport/http2/abuse_guard.h"

#include <chrono>
#include <functional>

#include "gtest/gtest.h"

namespace culvert::http2 {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const AbuseGuard::Clock::time_point kStart = AbuseGuard::Clock::time_point(seconds(1000));

// How often `event` is let through, up to `most` times.
int Count(int most, const std::function<bool()>& event) {
  int n = 0;
  while (n < most && event()) ++n;
  return n;
}

void ExpectCalm(const absl::Status& status, std::string_view token) {
  const auto error = frame::GetWireError(status);
  ASSERT_TRUE(error.has_value()) << status;
  EXPECT_EQ(error->stream_id, 0u);
  EXPECT_EQ(error->code, frame::ErrorCode::kEnhanceYourCalm);
  EXPECT_EQ(error->token, token);
}

TEST(TokenBucketTest, LetsABurstThroughAndThenTheRate) {
  TokenBucket<10, 5> bucket;
  EXPECT_EQ(Count(100, [&] { return bucket.Take(kStart); }), 10);
  EXPECT_EQ(Count(100, [&] { return bucket.Take(kStart + seconds(1)); }), 5);
  EXPECT_EQ(Count(100, [&] { return bucket.Take(kStart + milliseconds(1100)); }), 0);
  EXPECT_EQ(Count(100, [&] { return bucket.Take(kStart + milliseconds(1200)); }), 1);
}

TEST(TokenBucketTest, SavesNoMoreThanTheBurst) {
  TokenBucket<10, 5> bucket;
  EXPECT_TRUE(bucket.Take(kStart));
  EXPECT_EQ(Count(100, [&] { return bucket.Take(kStart + seconds(3600)); }), 10);
}

TEST(AbuseGuardTest, RefusesAResetFlood) {
  AbuseGuard guard;
  EXPECT_EQ(Count(1000000, [&] { return guard.OnReset(kStart).ok(); }), 2000);
  ExpectCalm(guard.OnReset(kStart), "reset_flood");
}

TEST(AbuseGuardTest, LetsTwoHundredResetsASecondThroughForEver) {
  AbuseGuard guard;
  for (int i = 0; i < 200 * 600; ++i) ASSERT_TRUE(guard.OnReset(kStart + i * milliseconds(5)).ok()) << i;
}

TEST(AbuseGuardTest, RefusesAControlFlood) {
  AbuseGuard guard;
  EXPECT_EQ(Count(1000000, [&] { return guard.OnControl(kStart).ok(); }), 1000);
  ExpectCalm(guard.OnControl(kStart), "control_flood");
}

TEST(AbuseGuardTest, RefusesWindowUpdatesThatFarExceedWhatWasSent) {
  AbuseGuard guard;
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(guard.OnWindowUpdate().ok());
  guard.OnDataSent(100);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(guard.OnWindowUpdate().ok());
  guard.OnHeadSent();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(guard.OnWindowUpdate().ok());
  ExpectCalm(guard.OnWindowUpdate(), "window_update_flood");
}

TEST(AbuseGuardTest, LetsTwoWindowUpdatesPerFrameThroughForEver) {
  AbuseGuard guard;
  for (int i = 0; i < 100000; ++i) {
    guard.OnDataSent(100);
    ASSERT_TRUE(guard.OnWindowUpdate().ok());
    ASSERT_TRUE(guard.OnWindowUpdate().ok());
  }
}

TEST(AbuseGuardTest, RefusesEmptyDataAtAnyPace) {
  AbuseGuard guard;
  EXPECT_EQ(Count(1000000, [&] { return guard.OnEmptyData().ok(); }), 100);
  ExpectCalm(guard.OnEmptyData(), "empty_data_flood");
}

TEST(AbuseGuardTest, UsefulDataPaysForEmptyData) {
  AbuseGuard guard;
  for (int i = 0; i < 100000; ++i) {
    ASSERT_TRUE(guard.OnEmptyData().ok()) << i;
    guard.OnUsefulData();
  }
}

TEST(AbuseGuardTest, UsefulDataIsNotSavedUp) {
  AbuseGuard guard;
  for (int i = 0; i < 100000; ++i) guard.OnUsefulData();
  EXPECT_EQ(Count(1000000, [&] { return guard.OnEmptyData().ok(); }), 100);
}

constexpr milliseconds kFiveMinutes{300000};

TEST(AbuseGuardTest, RefusesTheThirdEarlyPing) {
  AbuseGuard guard;
  const auto ping = [&](seconds at) { return guard.OnPing(kStart + at, false, kFiveMinutes, 2); };
  EXPECT_TRUE(ping(seconds(0)).ok());
  EXPECT_TRUE(ping(seconds(1)).ok());
  EXPECT_TRUE(ping(seconds(299)).ok());
  EXPECT_TRUE(ping(seconds(300)).ok());  // five minutes after the one that was not early
  ExpectCalm(ping(seconds(599)), "too_many_pings");
  EXPECT_EQ(ping(seconds(599)).message(), "too_many_pings");  // as gRPC clients compare it
}

// Whatever the clock says: a steady clock may begin at zero with the machine.
TEST(AbuseGuardTest, TheFirstPingIsNeverEarly) {
  AbuseGuard guard;
  EXPECT_TRUE(guard.OnPing(AbuseGuard::Clock::time_point(), false, kFiveMinutes, 0).ok());
  ExpectCalm(guard.OnPing(AbuseGuard::Clock::time_point(), false, kFiveMinutes, 0), "too_many_pings");
}

TEST(AbuseGuardTest, LetsAPingEveryFiveMinutesThroughForEver) {
  AbuseGuard guard;
  for (int i = 0; i < 10000; ++i) ASSERT_TRUE(guard.OnPing(kStart + i * kFiveMinutes, false, kFiveMinutes, 2).ok()) << i;
}

TEST(AbuseGuardTest, WhileStreamsAreOpenAPingEveryTenSecondsIsLetThroughForEver) {
  AbuseGuard guard;
  for (int i = 0; i < 10000; ++i) {
    // The shortest that gRPC clients can be set to; jitter brings one up to four seconds late.
    const auto at = kStart + i * seconds(10) + seconds(i % 2 == 0 ? 4 : 0);
    ASSERT_TRUE(guard.OnPing(at, true, kFiveMinutes, 2).ok()) << i;
  }
  EXPECT_EQ(Count(1000, [&] { return guard.OnPing(kStart + seconds(100000), true, kFiveMinutes, 2).ok(); }), 3);
}

TEST(AbuseGuardTest, OpenStreamsMakeNoIntervalLonger) {
  AbuseGuard guard;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(guard.OnPing(kStart + i * seconds(1), true, seconds(1), 2).ok()) << i;
}

TEST(AbuseGuardTest, WhatWeSendForgivesPings) {
  AbuseGuard guard;
  for (int i = 0; i < 1000; ++i) {
    if (i % 2 == 0) {
      guard.OnDataSent(1);
    } else {
      guard.OnHeadSent();
    }
    for (int n = 0; n < 3; ++n) ASSERT_TRUE(guard.OnPing(kStart, false, kFiveMinutes, 2).ok()) << i;
  }
  ExpectCalm(guard.OnPing(kStart, false, kFiveMinutes, 2), "too_many_pings");
}

TEST(AbuseGuardTest, WithoutAnIntervalPingsAreFree) {
  AbuseGuard guard;
  for (int i = 0; i < 100000; ++i) ASSERT_TRUE(guard.OnPing(kStart, false, milliseconds(0), 2).ok());
}

TEST(AbuseGuardTest, OneBudgetDoesNotSpendAnother) {
  AbuseGuard guard;
  while (guard.OnReset(kStart).ok()) {
  }
  EXPECT_TRUE(guard.OnControl(kStart).ok());
  EXPECT_TRUE(guard.OnEmptyData().ok());
}

}  // namespace
}  // namespace culvert::http2
