#include "transport/http2/bandwidth_probe.h"

#include <chrono>

#include "gtest/gtest.h"

namespace culvert::http2 {
namespace {

using std::chrono::microseconds;

// A probe whose path is `round_trip` long.
class Path {
 public:
  explicit Path(microseconds round_trip) : round_trip_(round_trip) {}

  // False when nothing was asked; otherwise n bytes are consumed until the answer.
  bool Ask(BandwidthProbe& probe, uint32_t n) {
    if (!probe.OnData(true)) return false;
    probe.OnPing(now_);
    probe.OnConsumed(n);
    now_ += round_trip_;
    probe.OnAck(now_);
    return true;
  }

 private:
  const microseconds round_trip_;
  BandwidthProbe::Time now_;
};

constexpr microseconds kLong{100000};
constexpr BandwidthProbe::Time kNow;
constexpr uint32_t kMiB = 1024 * 1024;

TEST(BandwidthProbe, AsksOnceAWindowIsHalfUsed) {
  BandwidthProbe probe(1000, 100000);
  EXPECT_FALSE(probe.OnData(false));
  EXPECT_TRUE(probe.OnData(true));
  probe.OnPing(kNow);
  EXPECT_FALSE(probe.OnData(true)) << "one at a time";
  probe.OnAck(kNow);
  EXPECT_TRUE(probe.OnData(true));
}

TEST(BandwidthProbe, TheWindowBecomesFourTimesWhatIsConsumedInARoundTrip) {
  BandwidthProbe probe(1000, 100000);
  probe.OnConsumed(5000);  // before
  probe.OnPing(kNow);
  probe.OnConsumed(700);
  probe.OnConsumed(200);
  probe.OnAck(kNow + kLong);
  EXPECT_EQ(probe.window(), 3600u);
  probe.OnConsumed(5000);  // after
  probe.OnPing(kNow + kLong);
  probe.OnConsumed(1000);
  probe.OnAck(kNow + 2 * kLong);
  EXPECT_EQ(probe.window(), 4000u);
}

TEST(BandwidthProbe, ASlowPeerLeavesItAsItIs) {
  BandwidthProbe probe(1000, 100000);
  EXPECT_TRUE(Path(kLong).Ask(probe, 250));
  EXPECT_EQ(probe.window(), 1000u);
}

TEST(BandwidthProbe, NeverPassesItsMaximumAndThenAsksNoMore) {
  BandwidthProbe probe(1000, 1500);
  probe.OnPing(kNow);
  for (int i = 0; i < 100; ++i) probe.OnConsumed(1u << 31);
  probe.OnAck(kNow + kLong);
  EXPECT_EQ(probe.window(), 1500u);
  EXPECT_FALSE(probe.OnData(true));
}

TEST(BandwidthProbe, AMaximumBelowTheBeginningMeansNoGrowth) {
  BandwidthProbe probe(1000, 0);
  EXPECT_FALSE(probe.OnData(true));
  EXPECT_EQ(probe.window(), 1000u);
}

TEST(BandwidthProbe, AShortPathNeedsNoLargeWindow) {
  BandwidthProbe probe(kMiB / 4, 8 * kMiB);
  Path path(microseconds(50));
  while (path.Ask(probe, probe.window())) continue;
  EXPECT_EQ(probe.window(), BandwidthProbe::kShortPathWindow);
}

TEST(BandwidthProbe, ALongPathGetsAllOfIt) {
  BandwidthProbe probe(kMiB / 4, 8 * kMiB);
  Path path(microseconds(2100));
  while (path.Ask(probe, probe.window() / 2)) continue;
  EXPECT_EQ(probe.window(), 8 * kMiB);
}

TEST(BandwidthProbe, TheShortestRoundTripCounts) {
  BandwidthProbe probe(kMiB / 4, 8 * kMiB);
  EXPECT_TRUE(Path(microseconds(500)).Ask(probe, 1000));
  EXPECT_TRUE(Path(kLong).Ask(probe, 10 * kMiB)) << "what waits in the sockets' buffers made it long";
  EXPECT_EQ(probe.window(), 2'000'000u);
}

TEST(BandwidthProbe, AClockThatStandsStillDoesNoHarm) {
  BandwidthProbe probe(kMiB / 4, 8 * kMiB);
  EXPECT_TRUE(Path(microseconds(0)).Ask(probe, 10 * kMiB));
  EXPECT_EQ(probe.window(), BandwidthProbe::kShortPathWindow);
}

TEST(BandwidthProbe, AnAcknowledgementThatNobodyAskedForSaysNothing) {
  BandwidthProbe probe(1000, 100000);
  probe.OnConsumed(5000);
  probe.OnAck(kNow + kLong);
  EXPECT_EQ(probe.window(), 1000u);
}

}  // namespace
}  // namespace culvert::http2
