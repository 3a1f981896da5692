#include "rpc/timeout.h"

#include <limits>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace culvert::rpc {
namespace {

std::string Format(absl::Duration timeout) {
  char text[kMaxTimeoutText];
  return std::string(text, AppendTimeout(timeout, text));
}

TEST(ParseTimeout, ReadsEveryUnit) {
  EXPECT_EQ(ParseTimeout("2H").value(), absl::Hours(2));
  EXPECT_EQ(ParseTimeout("3M").value(), absl::Minutes(3));
  EXPECT_EQ(ParseTimeout("4S").value(), absl::Seconds(4));
  EXPECT_EQ(ParseTimeout("5m").value(), absl::Milliseconds(5));
  EXPECT_EQ(ParseTimeout("6u").value(), absl::Microseconds(6));
  EXPECT_EQ(ParseTimeout("7n").value(), absl::Nanoseconds(7));
}

TEST(ParseTimeout, ReadsEightDigitsOfAnyUnitWithoutOverflow) {
  EXPECT_EQ(ParseTimeout("99999999n").value(), absl::Nanoseconds(99'999'999));
  EXPECT_EQ(ParseTimeout("99999999S").value(), absl::Seconds(99'999'999));
  EXPECT_EQ(ParseTimeout("99999999H").value(), absl::Hours(99'999'999));
}

TEST(ParseTimeout, AcceptsZeroAndLeadingZeros) {
  EXPECT_EQ(ParseTimeout("0n").value(), absl::ZeroDuration());
  EXPECT_EQ(ParseTimeout("00000000H").value(), absl::ZeroDuration());
  EXPECT_EQ(ParseTimeout("00000012S").value(), absl::Seconds(12));
}

TEST(ParseTimeout, RefusesEverythingElseAsInternal) {
  for (const std::string_view bad :
       {"", "S", "1", "12", "1s", "1h", "1N", "1 S", " 1S", "1S ", "-1S", "+1S", "1.5S", "0x1S", "1SS",
        "123456789S", "999999999n", "\xff\xffS", "1\xff"}) {
    EXPECT_EQ(ParseTimeout(bad).status().code(), absl::StatusCode::kInternal) << bad;
  }
  EXPECT_FALSE(ParseTimeout(std::string_view("1\0S", 3)).ok());
  EXPECT_FALSE(ParseTimeout(std::string_view("1\0", 2)).ok());
}

TEST(AppendTimeout, TakesTheFinestUnitThatFitsInEightDigits) {
  EXPECT_EQ(Format(absl::Nanoseconds(1)), "1n");
  EXPECT_EQ(Format(absl::Nanoseconds(99'999'999)), "99999999n");
  EXPECT_EQ(Format(absl::Nanoseconds(100'000'000)), "100000u");
  EXPECT_EQ(Format(absl::Seconds(5)), "5000000u");
  EXPECT_EQ(Format(absl::Microseconds(99'999'999)), "99999999u");
  EXPECT_EQ(Format(absl::Seconds(100)), "100000m");
  EXPECT_EQ(Format(absl::Milliseconds(99'999'999)), "99999999m");
  EXPECT_EQ(Format(absl::Seconds(100'000)), "100000S");
  EXPECT_EQ(Format(absl::Seconds(100'000'000)), "1666667M");
  EXPECT_EQ(Format(absl::Minutes(100'000'000)), "1666667H");
}

TEST(AppendTimeout, RoundsUp) {
  EXPECT_EQ(Format(absl::Nanoseconds(1) / 4), "1n");
  EXPECT_EQ(Format(absl::Nanoseconds(100'000'001)), "100001u");
  EXPECT_EQ(Format(absl::Seconds(100) + absl::Nanoseconds(1)), "100001m");
}

TEST(AppendTimeout, MovesToTheNextUnitWhenRoundingUpNeedsANinthDigit) {
  EXPECT_EQ(Format(absl::Nanoseconds(99'999'999) + absl::Nanoseconds(1) / 2), "100000u");
  EXPECT_EQ(Format(absl::Microseconds(99'999'999) + absl::Nanoseconds(1)), "100000m");
}

TEST(AppendTimeout, SendsTheShortestTimeoutForOneThatHasPassed) {
  EXPECT_EQ(Format(absl::ZeroDuration()), "1n");
  EXPECT_EQ(Format(-absl::Seconds(1)), "1n");
  EXPECT_EQ(Format(-absl::InfiniteDuration()), "1n");
}

TEST(AppendTimeout, StopsAtTheLongestTimeout) {
  EXPECT_EQ(Format(absl::Hours(99'999'999)), "99999999H");
  EXPECT_EQ(Format(absl::Hours(99'999'999) + absl::Nanoseconds(1)), "99999999H");
  EXPECT_EQ(Format(absl::Seconds(std::numeric_limits<int64_t>::max())), "99999999H");
}

TEST(AppendTimeout, IsReadBackAsNeverShorterAndAtMostOneUnitLonger) {
  for (absl::Duration timeout = absl::Nanoseconds(1); timeout < absl::Hours(1'000'000);
       timeout = timeout * 1.37 + absl::Nanoseconds(1)) {
    const absl::Duration back = ParseTimeout(Format(timeout)).value();
    EXPECT_GE(back, timeout);
    EXPECT_LE(back - timeout, timeout * 1e-4 + absl::Nanoseconds(1));
  }
}

}  // namespace
}  // namespace culvert::rpc
