// Deadlines and cancellation, seen from both sides.

#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <chrono>
#include <string>
#include <string_view>
#include <thread>

#include "gtest/gtest.h"
#include "rpc/block.h"
#include "rpc/stub.h"
#include "tests/e2e/fixture.h"
#include "tests/e2e/raw_peer.h"

namespace culvert::e2e {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = ClientContext::Clock;

void ExpectCancelled(WaitingService& service) {
  ASSERT_TRUE(Came(service.ended));
  EXPECT_TRUE(service.cancelled);
  EXPECT_FALSE(service.let_through);
}

// --- deadlines ---

TEST(Deadline, EndsTheCallAndCancelsTheHandler) {
  WaitingService service;
  Loopback loopback(service);
  const Clock::time_point before = Clock::now();
  ClientContext context;
  context.set_timeout(milliseconds(50));
  auto call = loopback.stub().StreamingOutputCall(context, StreamingOutputCallRequest());
  EXPECT_CODE(call.Finish(kBlock), kDeadlineExceeded);
  EXPECT_GE(Clock::now() - before, milliseconds(50));
  // Unless the request was still on its way.
  if (service.started.HasBeenNotified()) ExpectCancelled(service);
  EXPECT_OK(CallOnce(loopback.channel()));
}

TEST(Deadline, TheHandlerKnowsIt) {
  WaitingService service;
  Loopback loopback(service);
  const Clock::time_point deadline = Clock::now() + seconds(1000);
  ClientContext context;
  context.set_deadline(deadline);
  auto call = loopback.stub().StreamingOutputCall(context, StreamingOutputCallRequest());
  ASSERT_TRUE(Came(service.started));
  // Counted from the request's arrival, in the unit that fits into eight digits.
  EXPECT_GT(service.deadline, deadline - seconds(1));
  EXPECT_LT(service.deadline, Clock::now() + seconds(1001));
  service.gate.Open();
  EXPECT_OK(call.Finish(kBlock));
  EXPECT_TRUE(service.let_through);
  EXPECT_FALSE(service.cancelled);
}

TEST(Deadline, NoneIsNone) {
  WaitingService service;
  Loopback loopback(service);
  ClientContext context;
  auto call = loopback.stub().StreamingOutputCall(context, StreamingOutputCallRequest());
  ASSERT_TRUE(Came(service.started));
  EXPECT_EQ(service.deadline, Clock::time_point::max());
  service.gate.Open();
  EXPECT_OK(call.Finish(kBlock));
}

TEST(Deadline, InThePastSendsNothing) {
  WaitingService service;
  Loopback loopback(service);
  ClientContext context;
  context.set_deadline(Clock::now() - seconds(1));
  auto call = loopback.stub().StreamingOutputCall(context, StreamingOutputCallRequest());
  EXPECT_CODE(call.Finish(kBlock), kDeadlineExceeded);
  EXPECT_OK(CallOnce(loopback.channel()));
  EXPECT_FALSE(service.started.HasBeenNotified());
}

TEST(Deadline, TheServerKeepsItWithoutTheClientsHelp) {
  using namespace std::string_view_literals;  // NOLINT(google-build-using-namespace)
  WaitingService service;
  Loopback loopback(service);
  RawSocket socket = RawSocket::Connect(loopback.address());
  socket.Send(std::string(kPreface) + Frame(kSettings, 0, 0, {}) +
              GrpcHead(1, "/grpc.testing.TestService/StreamingOutputCall", Field("grpc-timeout", "20m")) + GrpcData(1, "", true));
  const std::optional<ReceivedFrame> answer = ReceiveFrame(socket, kHeaders, 1);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->flags & kEndStream, kEndStream);
  EXPECT_EQ(FirstFields(answer->payload)["grpc-status"], "4");
  ExpectCancelled(service);
}

TEST(Deadline, TheClientKeepsItWithoutTheServersHelp) {
  RawListener listener;
  const std::shared_ptr<Channel> channel = MustCreateChannel(listener.address());
  absl::Status status;
  std::thread caller([&] {
    ClientContext context;
    context.set_timeout(milliseconds(50));
    status = Stub(channel).EmptyCall(context, Empty(), kBlock).status();
  });
  RawSocket socket = listener.Accept();
  socket.Receive(kPreface.size());
  socket.Send(Frame(kSettings, 0, 0, {}));
  // The server hears that it need not go on.
  const bool request_came = ReceiveFrame(socket, kHeaders, 1).has_value();
  EXPECT_TRUE(request_came);
  const std::optional<ReceivedFrame> reset = ReceiveFrame(socket, kRstStream, 1);
  ASSERT_TRUE(reset);
  EXPECT_EQ(reset->payload, std::string("\0\0\0\x08", 4));  // CANCEL
  caller.join();
  EXPECT_CODE(status, kDeadlineExceeded);
}

// A server that keeps the deadline itself resets the stream when it has passed, and that may be seen before our own timer.
TEST(Deadline, AServerThatWasQuickerChangesNothing) {
  RawListener listener;
  const std::shared_ptr<Channel> channel = MustCreateChannel(listener.address());
  ClientContext context;
  const Clock::time_point deadline = Clock::now() + milliseconds(200);
  context.set_deadline(deadline);
  auto call = Stub(channel).FullDuplexCall(context);
  RawSocket socket = listener.Accept();
  socket.Receive(kPreface.size());
  socket.Send(Frame(kSettings, 0, 0, {}));
  ASSERT_TRUE(ReceiveFrame(socket, kHeaders, 1));
  // The loop is busy until the deadline has passed and the reset has come: it finds both at once.
  absl::Notification busy;
  absl::Notification sent;
  channel->loop().Post([&] {
    busy.Notify();
    sent.WaitForNotification();
    while (Clock::now() <= deadline) std::this_thread::yield();
  });
  busy.WaitForNotification();
  socket.Send(Frame(kRstStream, 0, 1, std::string("\0\0\0\x08", 4)));  // CANCEL
  sent.Notify();
  EXPECT_CODE(call.Finish(kBlock), kDeadlineExceeded);
}

TEST(Deadline, HoldsWhileConnectingToo) {
  RawListener silent;  // accepts, in the kernel, and never says anything
  ClientContext context;
  context.set_timeout(milliseconds(50));
  context.set_wait_for_ready(true);
  EXPECT_CODE(Stub(MustCreateChannel(silent.address())).EmptyCall(context, Empty(), kBlock).status(), kDeadlineExceeded);
}

TEST(Deadline, OfAUnaryCallWhoseHandlerIsSlow) {
  class SlowService : public interop::TestService {
   public:
    Unary<Empty> EmptyCall(ServerContext& call, const Empty&) override {
      asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::hours(1));
      const auto [error] = co_await timer.async_wait(kTuple);
      aborted = error == asio::error::operation_aborted && call.cancelled();
      ended.Notify();
      co_return Empty();
    }
    absl::Notification ended;
    bool aborted = false;
  };
  SlowService service;
  Loopback loopback(service);
  ClientContext connecting;  // so that the timeout below is the handler's
  EXPECT_OK(loopback.stub().UnaryCall(connecting, SimpleRequest(), kBlock).status());
  ClientContext context;
  context.set_timeout(milliseconds(100));
  EXPECT_CODE(loopback.stub().EmptyCall(context, Empty(), kBlock).status(), kDeadlineExceeded);
  ASSERT_TRUE(Came(service.ended));
  EXPECT_TRUE(service.aborted);
}

// --- cancellation by the client ---

TEST(Cancellation, ByTheClientReachesTheHandler) {
  WaitingService service;
  Loopback loopback(service);
  ClientContext context;
  auto call = loopback.stub().StreamingOutputCall(context, StreamingOutputCallRequest());
  ASSERT_TRUE(Came(service.started));
  context.Cancel();
  EXPECT_CODE(call.Finish(kBlock), kCancelled);
  ExpectCancelled(service);
  EXPECT_OK(CallOnce(loopback.channel()));
}

TEST(Cancellation, BeforeTheCallStartsSendsNothing) {
  WaitingService service;
  Loopback loopback(service);
  ClientContext context;
  context.Cancel();
  auto call = loopback.stub().StreamingOutputCall(context, StreamingOutputCallRequest());
  EXPECT_CODE(call.Finish(kBlock), kCancelled);
  EXPECT_OK(CallOnce(loopback.channel()));
  EXPECT_FALSE(service.started.HasBeenNotified());
}

TEST(Cancellation, AfterTheEndChangesNothing) {
  interop::TestService service;
  Loopback loopback(service);
  ClientContext context;
  EXPECT_OK(loopback.stub().EmptyCall(context, Empty(), kBlock).status());
  context.Cancel();
  context.Cancel();
}

TEST(Cancellation, EndsAReadUnderWay) {
  WaitingService service;
  Loopback loopback(service);
  ClientContext context;
  auto call = loopback.stub().StreamingOutputCall(context, StreamingOutputCallRequest());
  StreamingOutputCallResponse response;
  absl::Notification read;
  bool got = true;
  call.Read(response, [&](bool result) {
    got = result;
    read.Notify();
  });
  ASSERT_TRUE(Came(service.started));
  EXPECT_FALSE(read.HasBeenNotified());
  context.Cancel();
  ASSERT_TRUE(Came(read));
  EXPECT_FALSE(got);
  EXPECT_CODE(call.Finish(kBlock), kCancelled);
  ExpectCancelled(service);
}

TEST(Cancellation, LettingGoOfAStreamCancelsIt) {
  WaitingService service;
  Loopback loopback(service);
  ClientContext context;
  {
    auto call = loopback.stub().StreamingOutputCall(context, StreamingOutputCallRequest());
    ASSERT_TRUE(Came(service.started));
  }
  ExpectCancelled(service);
  EXPECT_OK(CallOnce(loopback.channel()));
}

TEST(Cancellation, LettingGoOfStreamAndContextIsSafe) {
  interop::TestService service;
  Loopback loopback(service);
  for (int i = 0; i < 100; ++i) {
    ClientContext context;
    auto call = loopback.stub().FullDuplexCall(context);
    if (i % 2 == 0) {
      EXPECT_TRUE(call.Write(OutputRequest(1, 10), kBlock));
    }
  }
  EXPECT_OK(CallOnce(loopback.channel()));
}

TEST(Cancellation, FromManyThreadsAtOnce) {
  WaitingService service;
  Loopback loopback(service);
  ClientContext context;
  auto call = loopback.stub().StreamingOutputCall(context, StreamingOutputCallRequest());
  ASSERT_TRUE(Came(service.started));
  std::thread threads[4];
  for (std::thread& thread : threads) thread = std::thread([&] { context.Cancel(); });
  EXPECT_CODE(call.Finish(kBlock), kCancelled);
  for (std::thread& thread : threads) thread.join();
}

// --- cancellation by the server ---

TEST(Cancellation, ByTheHandlerIsAStatusLikeOthers) {
  class RefusingService : public interop::TestService {
   public:
    Task<absl::Status> FullDuplexCall(ServerContext&, DuplexStream& stream) override {
      StreamingOutputCallRequest request;
      co_await stream.Read(request);
      co_return absl::CancelledError("not any more");  // with requests still to come
    }
  };
  RefusingService service;
  Loopback loopback(service);
  ClientContext context;
  auto call = loopback.stub().FullDuplexCall(context);
  StreamingOutputCallResponse response;
  EXPECT_TRUE(call.Write(OutputRequest(1, 10), kBlock));
  EXPECT_FALSE(call.Read(response, kBlock));
  EXPECT_EQ(call.Finish(kBlock), absl::CancelledError("not any more"));
  EXPECT_OK(CallOnce(loopback.channel()));
}

TEST(Cancellation, ByTheServersShutdownEndsBothSides) {
  WaitingService service;
  Loopback loopback(service);
  ClientContext context;
  auto call = loopback.stub().StreamingOutputCall(context, StreamingOutputCallRequest());
  ASSERT_TRUE(Came(service.started));
  loopback.server().Shutdown(milliseconds(0));
  EXPECT_CODE(call.Finish(kBlock), kUnavailable);
  ExpectCancelled(service);
}

TEST(Cancellation, AShutdownWithGraceLetsCallsEnd) {
  WaitingService service;
  Loopback loopback(service);
  ClientContext context;
  auto call = loopback.stub().StreamingOutputCall(context, StreamingOutputCallRequest());
  ASSERT_TRUE(Came(service.started));
  std::thread stopper([&] { loopback.server().Shutdown(seconds(30)); });
  // Once nobody accepts any more, the shutdown is under way.
  while (CallOnce(loopback.NewChannel()).ok()) std::this_thread::yield();
  service.gate.Open();
  EXPECT_OK(call.Finish(kBlock));
  stopper.join();
  EXPECT_TRUE(service.let_through);
  EXPECT_FALSE(service.cancelled);
}

}  // namespace
}  // namespace culvert::e2e
