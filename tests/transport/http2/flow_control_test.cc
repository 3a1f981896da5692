#include "transport/http2/flow_control.h"

#include "gtest/gtest.h"

namespace culvert::http2 {
namespace {

using frame::kMaxWindow;

TEST(SendWindowTest, CountsWhatIsTaken) {
  SendWindow window(100);
  window.Take(60);
  EXPECT_EQ(window.available(), 40);
  EXPECT_TRUE(window.Expand(10));
  EXPECT_EQ(window.available(), 50);
}

// RFC 9113 6.9.2
TEST(SendWindowTest, BecomesNegativeWhenThePeerShrinksItAndCountsFromThere) {
  SendWindow window(100);
  window.Take(80);
  EXPECT_TRUE(window.Adjust(-90));
  EXPECT_EQ(window.available(), -70);
  EXPECT_TRUE(window.Expand(71));
  EXPECT_EQ(window.available(), 1);
}

// RFC 9113 6.9.1
TEST(SendWindowTest, RefusesToPassItsLargestSize) {
  SendWindow window(kMaxWindow - 1);
  EXPECT_TRUE(window.Expand(1));
  EXPECT_FALSE(window.Expand(1));
  EXPECT_EQ(window.available(), static_cast<int64_t>(kMaxWindow));
  EXPECT_FALSE(window.Adjust(1));
  window.Take(1);
  EXPECT_FALSE(window.Expand(kMaxWindow));
  EXPECT_TRUE(window.Expand(1));
}

TEST(ReceiveWindowTest, HoldsThePeerToIt) {
  ReceiveWindow window(100);
  EXPECT_TRUE(window.Receive(100));
  EXPECT_TRUE(window.Receive(0));
  EXPECT_FALSE(window.Receive(1));
}

TEST(ReceiveWindowTest, AnnouncesCreditByHalfWindows) {
  ReceiveWindow window(100);
  EXPECT_TRUE(window.Receive(100));
  EXPECT_EQ(window.Consume(49), 0u);
  EXPECT_FALSE(window.Receive(1));  // what is not announced is not given
  EXPECT_EQ(window.Consume(1), 50u);
  EXPECT_TRUE(window.Receive(50));
  EXPECT_FALSE(window.Receive(1));
  EXPECT_EQ(window.Consume(100), 100u);
}

TEST(ReceiveWindowTest, GrowsAndNeverShrinks) {
  ReceiveWindow window(100);
  EXPECT_EQ(window.GrowTo(150), 50u);
  EXPECT_EQ(window.GrowTo(120), 0u);
  EXPECT_EQ(window.size(), 150u);
  EXPECT_TRUE(window.Receive(150));
  EXPECT_EQ(window.Consume(74), 0u);
  EXPECT_EQ(window.Consume(1), 75u);
}

TEST(ReceiveWindowTest, WhatIsWithheldMakesASmallerWindow) {
  ReceiveWindow window(100000);
  EXPECT_TRUE(window.Receive(100000));
  EXPECT_EQ(window.Consume(29999, 40000), 0u);
  EXPECT_EQ(window.Consume(1, 40000), 30000u);  // half of what is not withheld
  EXPECT_EQ(window.Consume(16383, 83617), 0u);  // but not in crumbs
  EXPECT_EQ(window.Consume(1, 83616), 16384u);
}

TEST(ReceiveWindowTest, GrowsByWhatIsWithheld) {
  ReceiveWindow window(100);
  EXPECT_EQ(window.GrowWithheld(150), 50u);
  EXPECT_EQ(window.size(), 150u);
  EXPECT_TRUE(window.Receive(100));
  EXPECT_FALSE(window.Receive(1));
  EXPECT_EQ(window.Consume(50), 0u);
  EXPECT_EQ(window.Consume(100), 150u);
}

// RFC 9113 6.5.3
TEST(ReceiveWindowTest, MayBeBelievedLargerThanItIs) {
  ReceiveWindow window(1000, 65535);
  EXPECT_TRUE(window.Receive(65535));
  EXPECT_FALSE(window.Receive(1));
  EXPECT_EQ(window.Consume(500), 500u);
  EXPECT_TRUE(ReceiveWindow(100000, 65535).Receive(100000));
}

TEST(ReceiveWindowTest, OfNothingTakesNothing) {
  ReceiveWindow window(0);
  EXPECT_TRUE(window.Receive(0));
  EXPECT_FALSE(window.Receive(1));
}

}  // namespace
}  // namespace culvert::http2
