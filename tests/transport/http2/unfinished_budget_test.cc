// What the receivers of a connection hold of messages that are not whole yet (http::Exchange::Hold), and how much that may be.

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "tests/transport/http2/session_fixture.h"

namespace culvert::http2 {
namespace {

const absl::Status kRefused = absl::ResourceExhaustedError("the connection's unfinished messages exceed 1000 bytes");

class UnfinishedBudgetTest : public SessionTest {
 protected:
  // Three requests whose bodies are about to come, and 1000 bytes for what is unfinished.
  void Serve() {
    Connect(Role::kServer, {.unfinished_budget = 1000});
    EXPECT_TRUE(Send(peer_.Headers(1, kPost).Headers(3, kPost).Headers(5, kPost)));
  }
  absl::Status Hold(RecordingReceiver& receiver, size_t n) {
    absl::Status status;
    OnLoop([&] { status = receiver.exchange->Hold(n); });
    return status;
  }
  // The session's sum, as Describe has it.
  std::string Held() {
    const std::string text = session()->Describe(), label = " unfinished=";
    const size_t begin = text.find(label) + label.size();
    return text.substr(begin, text.find(' ', begin) - begin);
  }
};

TEST_F(UnfinishedBudgetTest, IsForAllStreamsTogether) {
  Serve();
  EXPECT_EQ(Hold(request(0), 600), absl::OkStatus());
  EXPECT_EQ(Hold(request(1), 400), absl::OkStatus());
  EXPECT_EQ(limits_.Text(), "");
  EXPECT_EQ(Hold(request(2), 1), kRefused);
  EXPECT_EQ(Held(), "1001");  // it is there until its receiver lets go of it
  EXPECT_EQ(limits_.Text(), "unfinished_budget=1");
  EXPECT_EQ(Hold(request(2), 0), absl::OkStatus());
  EXPECT_EQ(Hold(request(1), 300), absl::OkStatus());
  EXPECT_EQ(Hold(request(2), 100), absl::OkStatus());
  EXPECT_EQ(Held(), "1000");
}

TEST_F(UnfinishedBudgetTest, AFigureReplacesTheOneBefore) {
  Serve();
  for (const size_t n : {600, 700, 200, 1000}) EXPECT_EQ(Hold(request(0), n), absl::OkStatus());
  EXPECT_EQ(Held(), "1000");
  EXPECT_EQ(Hold(request(0), 0), absl::OkStatus());
  EXPECT_EQ(Held(), "0");
}

// The others are not ended for it.
TEST_F(UnfinishedBudgetTest, OnlyWhoWantsMoreIsRefused) {
  Serve();
  EXPECT_EQ(Hold(request(0), 600), absl::OkStatus());
  EXPECT_EQ(Hold(request(1), 500), kRefused);
  EXPECT_EQ(Hold(request(0), 600), absl::OkStatus());
  EXPECT_EQ(Hold(request(0), 550), absl::OkStatus());
  EXPECT_EQ(Hold(request(0), 551), kRefused);
}

// Or else no message larger than the budget could be received at all, whatever rpc allows.
TEST_F(UnfinishedBudgetTest, TheOnlyOneThatHoldsAnyMayHoldMore) {
  Serve();
  EXPECT_EQ(Hold(request(0), 5000), absl::OkStatus());
  EXPECT_EQ(Hold(request(1), 1), kRefused);
  Release(request(1));
  EXPECT_EQ(Hold(request(0), 6000), absl::OkStatus());
}

TEST_F(UnfinishedBudgetTest, AReleasedStreamGivesItBack) {
  Serve();
  EXPECT_EQ(Hold(request(0), 600), absl::OkStatus());
  EXPECT_EQ(Hold(request(1), 400), absl::OkStatus());
  Release(request(0));
  EXPECT_EQ(Held(), "400");
  EXPECT_EQ(Hold(request(2), 600), absl::OkStatus());
  Release(request(1));
  Release(request(2));
  EXPECT_EQ(Held(), "0");
}

// Released while its response still goes out: the stream stays, what its receiver held does not.
TEST_F(UnfinishedBudgetTest, AStreamThatIsStillSendingGivesItBackToo) {
  Connect(Role::kServer, {.unfinished_budget = 1000}, {{SettingId::kInitialWindowSize, 0}});
  EXPECT_TRUE(Send(peer_.Headers(1, kPost)));
  EXPECT_EQ(Hold(request(0), 600), absl::OkStatus());
  SendHead(request(0));
  SendData(request(0), "waits for a window", true);
  Release(request(0));
  EXPECT_EQ(session()->stream_count(), 1u);
  EXPECT_EQ(Held(), "0");
}

// The memory is the receiver's until it lets go of it, however the stream ended.
TEST_F(UnfinishedBudgetTest, AResetStreamHoldsUntilItIsReleased) {
  Serve();
  EXPECT_EQ(Hold(request(0), 600), absl::OkStatus());
  EXPECT_EQ(Hold(request(1), 400), absl::OkStatus());
  EXPECT_TRUE(Send(peer_.RstStream(1, ErrorCode::kCancel)));
  EXPECT_TRUE(request(0).closed);
  Reset(request(1), absl::StatusCode::kCancelled);
  EXPECT_EQ(Held(), "1000");
  Release(request(0));
  Release(request(1));
  EXPECT_EQ(Held(), "0");
}

TEST_F(UnfinishedBudgetTest, SoDoTheStreamsOfAClosedConnection) {
  Serve();
  EXPECT_EQ(Hold(request(0), 600), absl::OkStatus());
  EXPECT_EQ(Hold(request(1), 400), absl::OkStatus());
  OnLoop([&] { session()->Close(absl::CancelledError("over")); });
  EXPECT_EQ(Held(), "1000");
  Release(request(0));
  EXPECT_EQ(Held(), "400");
  Release(request(1));
  EXPECT_EQ(Held(), "0");
}

TEST_F(UnfinishedBudgetTest, HoldsForAClientToo) {
  Connect(Role::kClient, {.unfinished_budget = 1000});
  RecordingReceiver& first = Open("/first");
  RecordingReceiver& second = Open("/second");
  EXPECT_EQ(Hold(first, 600), absl::OkStatus());
  EXPECT_EQ(Hold(second, 401), kRefused);
  Release(second);
  EXPECT_EQ(Hold(first, 1000), absl::OkStatus());
}

}  // namespace
}  // namespace culvert::http2
