#include "transport/http2/stream_state.h"

#include "gtest/gtest.h"

namespace culvert::http2 {
namespace {

using enum StreamState;

struct Row {
  StreamState state;
  StreamState after_send_end;
  StreamState after_receive_end;
  bool can_send;
  bool can_receive;
};

constexpr Row kTable[] = {
    {kIdle, kHalfClosedLocal, kHalfClosedRemote, false, false},
    {kOpen, kHalfClosedLocal, kHalfClosedRemote, true, true},
    {kHalfClosedLocal, kHalfClosedLocal, kClosed, false, true},
    {kHalfClosedRemote, kClosed, kHalfClosedRemote, true, false},
    {kClosed, kClosed, kClosed, false, false},
};

TEST(StreamStateTest, EveryStateAndEvent) {
  for (const Row& row : kTable) {
    const int state = static_cast<int>(row.state);
    EXPECT_EQ(OnSendEnd(row.state), row.after_send_end) << state;
    EXPECT_EQ(OnReceiveEnd(row.state), row.after_receive_end) << state;
    EXPECT_EQ(CanSend(row.state), row.can_send) << state;
    EXPECT_EQ(CanReceive(row.state), row.can_receive) << state;
  }
}

TEST(StreamStateTest, BothSidesEndInEitherOrder) {
  EXPECT_EQ(OnReceiveEnd(OnSendEnd(kOpen)), kClosed);
  EXPECT_EQ(OnSendEnd(OnReceiveEnd(kOpen)), kClosed);
}

}  // namespace
}  // namespace culvert::http2
