// A channel outlives its connections: servers that start late, go away and come back.

#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "rpc/block.h"
#include "rpc/stub.h"
#include "tests/e2e/fixture.h"
#include "tests/e2e/raw_peer.h"

namespace culvert::e2e {
namespace {

using std::chrono::milliseconds;

// An address that nobody listens on, and that was free a moment ago.
std::string FreeAddress() { return RawListener().address(); }

absl::Status CallWhenReady(const std::shared_ptr<Channel>& channel) {
  ClientContext context;
  context.set_wait_for_ready(true);
  context.set_timeout(absl::ToChronoNanoseconds(kLong));
  return Stub(channel).EmptyCall(context, Empty(), kBlock).status();
}

TEST(Reconnect, AFailedAttemptIsTheCallsEnd) {
  const std::shared_ptr<Channel> channel = MustCreateChannel(FreeAddress());
  for (int i = 0; i < 5; ++i) EXPECT_CODE(CallOnce(channel), kUnavailable);
}

TEST(Reconnect, WaitForReadyWaitsForAServerThatStartsLater) {
  const std::string address = FreeAddress();
  const std::shared_ptr<Channel> channel = MustCreateChannel(address);
  EXPECT_CODE(CallOnce(channel), kUnavailable);
  absl::Status status = absl::UnknownError("has not ended");
  std::thread caller([&] { status = CallWhenReady(channel); });
  // The channel is in backoff, or tries: the call above has seen to that.
  interop::TestService service;
  const std::unique_ptr<Server> server = StartAt(address, service);
  caller.join();
  EXPECT_OK(status);
  EXPECT_OK(CallOnce(channel));
}

TEST(Reconnect, WaitForReadyEndsWithTheDeadline) {
  ClientContext context;
  context.set_wait_for_ready(true);
  context.set_timeout(milliseconds(50));
  const absl::Status status = Stub(MustCreateChannel(FreeAddress())).EmptyCall(context, Empty(), kBlock).status();
  EXPECT_CODE(status, kDeadlineExceeded);
}

TEST(Reconnect, WaitForReadyCanBeCancelled) {
  ClientContext context;
  context.set_wait_for_ready(true);
  auto call = Stub(MustCreateChannel(FreeAddress())).FullDuplexCall(context);
  context.Cancel();
  EXPECT_CODE(call.Finish(kBlock), kCancelled);
}

TEST(Reconnect, AfterTheServersRestart) {
  interop::TestService service;
  const std::string address = FreeAddress();
  const std::shared_ptr<Channel> channel = MustCreateChannel(address);
  for (int i = 0; i < 5; ++i) {
    SCOPED_TRACE(i);
    std::unique_ptr<Server> server = StartAt(address, service);
    EXPECT_OK(CallWhenReady(channel));
    EXPECT_OK(CallOnce(channel));
    server.reset();
    EXPECT_CODE(CallOnce(channel), kUnavailable);
  }
}

TEST(Reconnect, CallsUnderWayEndWithTheirConnection) {
  WaitingService service;
  interop::TestService next_service;
  const std::string address = FreeAddress();
  const std::shared_ptr<Channel> channel = MustCreateChannel(address);
  std::unique_ptr<Server> server = StartAt(address, service);
  ClientContext context;
  auto call = Stub(channel).StreamingOutputCall(context, StreamingOutputCallRequest());
  ASSERT_TRUE(Came(service.started));
  server.reset();
  server = StartAt(address, next_service);
  EXPECT_CODE(call.Finish(kBlock), kUnavailable);
  EXPECT_OK(CallWhenReady(channel));
}

// GOAWAY: what is under way ends on the old connection while new calls go over a new one.
TEST(Reconnect, NewCallsLeaveAConnectionThatIsGoingAway) {
  RawListener listener;
  const std::shared_ptr<Channel> channel = MustCreateChannel(listener.address());
  absl::Status first, second;
  std::thread first_caller([&] { first = CallOnce(channel); });
  RawSocket old_connection = AcceptClient(listener);
  ASSERT_TRUE(ReceiveFrame(old_connection, kHeaders, 1));
  old_connection.Send(Frame(kGoAway, 0, 0, std::string("\0\0\0\1\0\0\0\0", 8)));
  // A ping's answer tells that the client has read the GOAWAY before it.
  old_connection.Send(Frame(kPing, 0, 0, "12345678"));
  ASSERT_TRUE(ReceiveFrame(old_connection, kPing, 0));

  std::thread second_caller([&] { second = CallOnce(channel); });
  RawSocket new_connection = AcceptClient(listener);
  ASSERT_TRUE(ReceiveFrame(new_connection, kHeaders, 1));

  new_connection.Send(AnswerOn(1));
  second_caller.join();
  EXPECT_OK(second);
  old_connection.Send(AnswerOn(1));
  first_caller.join();
  EXPECT_OK(first);
}

// REFUSED_STREAM: the server vouches that it did nothing (RFC 9113 8.7).
TEST(Reconnect, ARefusedCallIsMadeOnceMore) {
  RawListener listener;
  const std::shared_ptr<Channel> channel = MustCreateChannel(listener.address());
  absl::Status status;
  std::thread caller([&] { status = CallOnce(channel); });
  RawSocket connection = AcceptClient(listener);
  ASSERT_TRUE(ReceiveFrame(connection, kHeaders, 1));
  connection.Send(Frame(kRstStream, 0, 1, std::string("\0\0\0\7", 4)));
  ASSERT_TRUE(ReceiveFrame(connection, kHeaders, 3));
  const std::optional<ReceivedFrame> request = ReceiveFrame(connection, kData, 3);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->payload, std::string(5, '\0'));
  connection.Send(AnswerOn(3));
  caller.join();
  EXPECT_OK(status);
}

TEST(Reconnect, ACallThatIsRefusedAgainAndAgainEnds) {
  RawListener listener;
  const std::shared_ptr<Channel> channel = MustCreateChannel(listener.address());
  absl::Status status;
  std::thread caller([&] { status = CallOnce(channel); });
  RawSocket connection = AcceptClient(listener);
  for (char id = 1; id <= 7; id += 2) {
    ASSERT_TRUE(ReceiveFrame(connection, kHeaders, static_cast<uint32_t>(id)));
    connection.Send(Frame(kRstStream, 0, static_cast<uint32_t>(id), std::string("\0\0\0\7", 4)));
  }
  caller.join();
  EXPECT_CODE(status, kUnavailable);
}

// GOAWAY with a last stream before the call's: it goes to the next connection.
TEST(Reconnect, ACallThatAGoAwayLeavesOutIsMadeElsewhere) {
  RawListener listener;
  const std::shared_ptr<Channel> channel = MustCreateChannel(listener.address());
  absl::Status status;
  std::thread caller([&] { status = CallOnce(channel); });
  RawSocket old_connection = AcceptClient(listener);
  ASSERT_TRUE(ReceiveFrame(old_connection, kHeaders, 1));
  old_connection.Send(Frame(kGoAway, 0, 0, std::string("\0\0\0\0\0\0\0\0", 8)));
  RawSocket new_connection = AcceptClient(listener);
  ASSERT_TRUE(ReceiveFrame(new_connection, kHeaders, 1));
  new_connection.Send(AnswerOn(1));
  caller.join();
  EXPECT_OK(status);
}

// A reset that is no refusal may have been after work was done: the call is not made again.
TEST(Reconnect, ACallThatWasBegunIsNotMadeAgain) {
  RawListener listener;
  const std::shared_ptr<Channel> channel = MustCreateChannel(listener.address());
  absl::Status status;
  std::thread caller([&] { status = CallOnce(channel); });
  RawSocket connection = AcceptClient(listener);
  ASSERT_TRUE(ReceiveFrame(connection, kHeaders, 1));
  connection.Send(Frame(kRstStream, 0, 1, std::string("\0\0\0\2", 4)));  // INTERNAL_ERROR
  caller.join();
  EXPECT_CODE(status, kInternal);
}

TEST(Reconnect, AChannelThatNobodyUsedIsNoConnection) {
  RawListener listener;
  MustCreateChannel(listener.address());
}

TEST(Reconnect, ManyChannelsComeAndGo) {
  interop::TestService service;
  Loopback loopback(service);
  for (int i = 0; i < 50; ++i) EXPECT_OK(CallOnce(loopback.NewChannel()));
}

}  // namespace
}  // namespace culvert::e2e
