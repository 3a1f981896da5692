#include "transport/http2/bandwidth_probe.h"

#include "gtest/gtest.h"

namespace culvert::http2 {
namespace {

TEST(BandwidthProbe, AsksOnceAWindowIsHalfUsed) {
  BandwidthProbe probe(1000, 100000);
  EXPECT_FALSE(probe.OnData(100, false));
  EXPECT_TRUE(probe.OnData(100, true));
  EXPECT_FALSE(probe.OnData(100, true)) << "one at a time";
  probe.OnAck();
  EXPECT_TRUE(probe.OnData(100, true));
}

TEST(BandwidthProbe, TheWindowBecomesFourTimesWhatARoundTripHolds) {
  BandwidthProbe probe(1000, 100000);
  ASSERT_TRUE(probe.OnData(500, true));
  EXPECT_FALSE(probe.OnData(700, true));
  EXPECT_FALSE(probe.OnData(200, false));
  probe.OnAck();
  EXPECT_EQ(probe.window(), 3600u);
}

TEST(BandwidthProbe, ASlowPeerLeavesItAsItIs) {
  BandwidthProbe probe(1000, 100000);
  ASSERT_TRUE(probe.OnData(500, true));
  EXPECT_FALSE(probe.OnData(250, true));
  probe.OnAck();
  EXPECT_EQ(probe.window(), 1000u);
}

TEST(BandwidthProbe, NeverPassesItsMaximumAndThenAsksNoMore) {
  BandwidthProbe probe(1000, 1500);
  ASSERT_TRUE(probe.OnData(1, true));
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(probe.OnData(1u << 31, true));
  probe.OnAck();
  EXPECT_EQ(probe.window(), 1500u);
  EXPECT_FALSE(probe.OnData(1000, true));
}

TEST(BandwidthProbe, AMaximumBelowTheBeginningMeansNoGrowth) {
  BandwidthProbe probe(1000, 0);
  EXPECT_FALSE(probe.OnData(1000, true));
  EXPECT_EQ(probe.window(), 1000u);
}

TEST(BandwidthProbe, AnAcknowledgementThatNobodyAskedForSaysNothing) {
  BandwidthProbe probe(1000, 100000);
  probe.OnAck();
  EXPECT_EQ(probe.window(), 1000u);
}

}  // namespace
}  // namespace culvert::http2
