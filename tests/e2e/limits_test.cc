// Messages at and over the limits, both ways, and more calls than a connection has streams for.

#include <algorithm>
#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <atomic>
#include <deque>
#include <string>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "gtest/gtest.h"
#include "rpc/block.h"
#include "rpc/stub.h"
#include "tests/e2e/fixture.h"

namespace culvert::e2e {
namespace {

constexpr size_t kLimit = 4 * 1024 * 1024;  // both sides' default

// Body bytes that make a serialized SimpleRequest or SimpleResponse exactly `bytes` long.
size_t BodyFor(size_t bytes) {
  SimpleResponse response;
  size_t body = bytes - 32;
  for (;; ++body) {
    response.mutable_payload()->mutable_body()->assign(body, 'x');
    if (response.ByteSizeLong() >= bytes) return body;
  }
}

absl::Status CallUnary(const std::shared_ptr<Channel>& channel, size_t request_body, size_t response_body) {
  ClientContext context;
  const absl::StatusOr<SimpleResponse> response = Stub(channel).UnaryCall(context, UnaryRequest(request_body, response_body), kBlock);
  if (response.ok()) {
    EXPECT_EQ(response->payload().body().size(), response_body);
  }
  return response.status();
}

TEST(MessageLimit, OneByteBelowTheLimitPassesBothWays) {
  interop::TestService service;
  Loopback loopback(service);
  const size_t body = BodyFor(kLimit - 1);
  EXPECT_OK(CallUnary(loopback.channel(), body, 0));
  EXPECT_OK(CallUnary(loopback.channel(), 0, body));
}

TEST(MessageLimit, TheLimitItselfPassesAndOneMoreDoesNot) {
  interop::TestService service;
  Loopback loopback(service);
  const size_t body = BodyFor(kLimit);
  EXPECT_OK(CallUnary(loopback.channel(), body, 0));
  EXPECT_OK(CallUnary(loopback.channel(), 0, body));
  EXPECT_CODE(CallUnary(loopback.channel(), body + 1, 0), kResourceExhausted);
  EXPECT_CODE(CallUnary(loopback.channel(), 0, body + 1), kResourceExhausted);
  // The connection is as good as before.
  EXPECT_OK(CallUnary(loopback.channel(), 0, body));
}

TEST(MessageLimit, FarOverTheLimitIsRefusedBothWays) {
  interop::TestService service;
  Loopback loopback(service);
  EXPECT_CODE(CallUnary(loopback.channel(), 10 * kLimit, 0), kResourceExhausted);
  EXPECT_CODE(CallUnary(loopback.channel(), 0, 10 * kLimit), kResourceExhausted);
  EXPECT_OK(CallOnce(loopback.channel()));
}

TEST(MessageLimit, TheServersReceiveLimitCanBeSet) {
  interop::TestService service;
  ServerOptions options = OneThread();
  options.calls.max_receive_bytes = 1000;
  Loopback loopback(service, options);
  EXPECT_OK(CallUnary(loopback.channel(), 900, 100000));
  EXPECT_CODE(CallUnary(loopback.channel(), 1000, 0), kResourceExhausted);
}

TEST(MessageLimit, TheServersSendLimitCanBeSet) {
  interop::TestService service;
  ServerOptions options = OneThread();
  options.calls.max_send_bytes = 1000;
  Loopback loopback(service, options);
  EXPECT_OK(CallUnary(loopback.channel(), 100000, 900));
  EXPECT_CODE(CallUnary(loopback.channel(), 0, 1000), kResourceExhausted);
}

TEST(MessageLimit, TheClientsReceiveLimitCanBeSet) {
  interop::TestService service;
  ChannelOptions options = Impatient();
  options.max_receive_bytes = 1000;
  Loopback loopback(service, OneThread(), options);
  EXPECT_OK(CallUnary(loopback.channel(), 100000, 900));
  EXPECT_CODE(CallUnary(loopback.channel(), 0, 1000), kResourceExhausted);
}

TEST(MessageLimit, TheClientsSendLimitCanBeSet) {
  interop::TestService service;
  ChannelOptions options = Impatient();
  options.max_send_bytes = 1000;
  Loopback loopback(service, OneThread(), options);
  EXPECT_OK(CallUnary(loopback.channel(), 900, 100000));
  EXPECT_CODE(CallUnary(loopback.channel(), 1000, 0), kResourceExhausted);
}

TEST(MessageLimit, AStreamEndsAtTheMessageThatIsTooLarge) {
  interop::TestService service;
  ServerOptions options = OneThread();
  options.calls.max_receive_bytes = 1000;
  ChannelOptions channel_options = Impatient();
  channel_options.max_receive_bytes = 2000;
  Loopback loopback(service, options, channel_options);
  {
    ClientContext context;
    auto call = loopback.stub().StreamingInputCall(context);
    EXPECT_TRUE(call.Write(InputRequest(900), kBlock));
    call.Write(InputRequest(1000), kBlock);
    EXPECT_CODE(call.Finish(kBlock).status(), kResourceExhausted);
  }
  {
    ClientContext context;
    StreamingOutputCallRequest request = OutputRequest(2, 1900);
    request.add_response_parameters()->set_size(2000);
    request.add_response_parameters()->set_size(1);
    auto call = loopback.stub().StreamingOutputCall(context, request);
    StreamingOutputCallResponse response;
    EXPECT_TRUE(call.Read(response, kBlock));
    EXPECT_TRUE(call.Read(response, kBlock));
    EXPECT_FALSE(call.Read(response, kBlock));
    EXPECT_CODE(call.Finish(kBlock), kResourceExhausted);
  }
  EXPECT_OK(CallOnce(loopback.channel()));
}

// Counts how many calls are with it at once.
class CrowdService : public interop::TestService {
 public:
  Unary<SimpleResponse> UnaryCall(ServerContext&, const SimpleRequest&) override {
    peak = std::max(peak.load(), ++now);
    // Back of the queue, a few times: others get in if they may.
    for (int i = 0; i < 3; ++i) co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    --now;
    co_return SimpleResponse();
  }

  std::atomic<int> now{0};
  std::atomic<int> peak{0};
};

TEST(StreamLimit, CallsBeyondItWaitTheirTurn) {
  constexpr int kCalls = 500;
  constexpr uint32_t kStreams = 7;
  CrowdService service;
  ServerOptions options = OneThread();
  options.transport.http2.max_concurrent_streams = kStreams;
  Loopback loopback(service, options);
  std::deque<ClientContext> contexts(kCalls);
  std::atomic<int> succeeded{0};
  absl::BlockingCounter left(kCalls);
  for (ClientContext& context : contexts) {
    loopback.stub().UnaryCall(context, SimpleRequest(), [&](const absl::StatusOr<SimpleResponse>& response) {
      if (response.ok()) ++succeeded;
      left.DecrementCount();
    });
  }
  left.Wait();
  EXPECT_EQ(succeeded, kCalls);
  EXPECT_LE(service.peak, static_cast<int>(kStreams));
  EXPECT_GT(service.peak, 1);
}

TEST(StreamLimit, ACallThatWaitsItsTurnCanTimeOutAndBeCancelled) {
  WaitingService service;
  ServerOptions options = OneThread();
  options.transport.http2.max_concurrent_streams = 1;
  Loopback loopback(service, options);
  ClientContext occupying;
  auto call = loopback.stub().StreamingOutputCall(occupying, StreamingOutputCallRequest());
  ASSERT_TRUE(Came(service.started));

  ClientContext late;
  late.set_timeout(std::chrono::milliseconds(20));
  EXPECT_CODE(loopback.stub().EmptyCall(late, Empty(), kBlock).status(), kDeadlineExceeded);

  ClientContext unwanted;
  auto waiting = loopback.stub().StreamingInputCall(unwanted);
  unwanted.Cancel();
  EXPECT_CODE(waiting.Finish(kBlock).status(), kCancelled);

  service.gate.Open();
  EXPECT_OK(call.Finish(kBlock));
  EXPECT_OK(CallOnce(loopback.channel()));
}

TEST(StreamLimit, AThousandStreamsAtOnceOnOneConnection) {
  constexpr int kCalls = 1000;
  interop::TestService service;
  Loopback loopback(service);
  std::deque<ClientContext> contexts(kCalls);
  using Call = decltype(loopback.stub().FullDuplexCall(contexts[0]));
  std::vector<Call> calls;
  for (ClientContext& context : contexts) calls.push_back(loopback.stub().FullDuplexCall(context));
  for (Call& call : calls) ASSERT_TRUE(call.Write(OutputRequest(1, 10), kBlock));
  for (Call& call : calls) {
    StreamingOutputCallResponse response;
    ASSERT_TRUE(call.Read(response, kBlock));
    call.WritesDone();
  }
  for (Call& call : calls) EXPECT_OK(call.Finish(kBlock));
}

}  // namespace
}  // namespace culvert::e2e
