// Backpressure from one application to the other: who does not read holds the other's writes back, at a bounded number of bytes, and nobody
// else is held back with it.

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <vector>

#include "gtest/gtest.h"
#include "rpc/block.h"
#include "rpc/stub.h"
#include "tests/e2e/fixture.h"

namespace culvert::e2e {
namespace {

constexpr size_t kMessage = 32 * 1024;
constexpr int kMessages = 1000;  // 32 MiB in all
// What may be under way to somebody who reads nothing: the stream's window (256 KiB), the connection's output (128 KiB), and a message that
// was accepted on top, on either side of it.
constexpr int kMostUnderWay = (256 + 128) * 1024 / kMessage + 4;

// Gives who writes without restraint every chance: some hundred turns of both loops.
void TurnTheLoops(const std::shared_ptr<Channel>& channel) {
  absl::Status status;
  for (int i = 0; i < 300 && status.ok(); ++i) status = CallOnce(channel);
  EXPECT_OK(status);
}

class CountingService : public interop::TestService {
 public:
  Task<absl::Status> StreamingOutputCall(ServerContext&, const StreamingOutputCallRequest&,
                                         Writer<StreamingOutputCallResponse>& writer) override {
    StreamingOutputCallResponse response;
    response.mutable_payload()->mutable_body()->assign(kMessage, 'x');
    for (int i = 0; i < kMessages; ++i) {
      if (!co_await writer.Write(response)) break;
      ++written;
    }
    if (!ended.HasBeenNotified()) ended.Notify();
    co_return absl::OkStatus();
  }

  Task<absl::StatusOr<StreamingInputCallResponse>> StreamingInputCall(ServerContext&, Reader<StreamingInputCallRequest>& reader) override {
    co_await gate.Wait();
    StreamingInputCallRequest request;
    StreamingInputCallResponse response;
    while (co_await reader.Read(request)) {
      response.set_aggregated_payload_size(response.aggregated_payload_size() + static_cast<int32_t>(request.payload().body().size()));
    }
    co_return response;
  }

  std::atomic<int> written{0};
  absl::Notification ended;
  Gate gate;
};

TEST(FlowControl, AClientThatDoesNotReadHoldsTheServerBack) {
  CountingService service;
  ChannelOptions options = Impatient();
  options.transport.http2.max_window = 0;  // it would grow while the client does read
  Loopback loopback(service, OneThread(), options);
  ClientContext context;
  auto call = loopback.stub().StreamingOutputCall(context, StreamingOutputCallRequest());
  StreamingOutputCallResponse response;
  ASSERT_TRUE(call.Read(response, kBlock));
  TurnTheLoops(loopback.channel());
  EXPECT_LE(service.written, kMostUnderWay);
  EXPECT_FALSE(service.ended.HasBeenNotified());

  // And on it goes: one message read makes room for about one.
  for (int i = 1; i < 100; ++i) ASSERT_TRUE(call.Read(response, kBlock));
  TurnTheLoops(loopback.channel());
  EXPECT_LE(service.written, 100 + kMostUnderWay);
  EXPECT_GE(service.written, 100);
  int read = 100;
  while (call.Read(response, kBlock)) {
    ASSERT_EQ(response.payload().body().size(), kMessage);
    ++read;
  }
  EXPECT_EQ(read, kMessages);
  EXPECT_OK(call.Finish(kBlock));
}

TEST(FlowControl, AServerThatDoesNotReadHoldsTheClientBack) {
  CountingService service;
  Loopback loopback(service);
  ClientContext context;
  auto call = loopback.stub().StreamingInputCall(context);
  const StreamingInputCallRequest request = InputRequest(kMessage);
  std::atomic<int> written{0};
  absl::Notification all;
  std::function<void(bool)> next = [&](bool room) {
    if (!room || ++written == kMessages) return all.Notify();
    call.Write(request, [&](bool more) { next(more); });
  };
  call.Write(request, [&](bool room) { next(room); });
  TurnTheLoops(loopback.channel());
  EXPECT_LE(written, kMostUnderWay);
  EXPECT_GE(written, 1);

  service.gate.Open();
  ASSERT_TRUE(Came(all));
  EXPECT_EQ(written, kMessages);
  const absl::StatusOr<StreamingInputCallResponse> response = call.Finish(kBlock);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->aggregated_payload_size(), static_cast<int32_t>(kMessages * kMessage));
}

TEST(FlowControl, AWriterThatIsHeldBackHearsOfTheEnd) {
  CountingService service;
  Loopback loopback(service);
  {
    ClientContext context;
    auto call = loopback.stub().StreamingOutputCall(context, StreamingOutputCallRequest());
    StreamingOutputCallResponse response;
    ASSERT_TRUE(call.Read(response, kBlock));
    context.Cancel();
    EXPECT_CODE(call.Finish(kBlock), kCancelled);
  }
  ASSERT_TRUE(Came(service.ended));
  EXPECT_LE(service.written, kMostUnderWay);
  EXPECT_OK(CallOnce(loopback.channel()));
}

TEST(FlowControl, AClientsWriteThatIsHeldBackHearsOfTheEnd) {
  CountingService service;
  Loopback loopback(service);
  ClientContext context;
  auto call = loopback.stub().StreamingInputCall(context);
  // More than all windows and buffers together.
  StreamingInputCallRequest request = InputRequest(2 * 1024 * 1024);
  absl::Notification ended;
  bool room = true;
  call.Write(request, [&](bool result) {
    room = result;
    ended.Notify();
  });
  TurnTheLoops(loopback.channel());
  EXPECT_FALSE(ended.HasBeenNotified());
  context.Cancel();
  ASSERT_TRUE(Came(ended));
  EXPECT_FALSE(room);
  EXPECT_CODE(call.Finish(kBlock).status(), kCancelled);
}

TEST(FlowControl, FinishWithoutReadingTheRestEnds) {
  CountingService service;
  Loopback loopback(service);
  ClientContext context;
  auto call = loopback.stub().StreamingOutputCall(context, StreamingOutputCallRequest());
  EXPECT_OK(call.Finish(kBlock));
  EXPECT_EQ(service.written, kMessages);
}

// 8 windows of 256 KiB are within what a connection may park (2 MiB).
TEST(FlowControl, ManyStalledStreamsLeaveTheConnectionUsable) {
  CountingService service;
  Loopback loopback(service);
  std::deque<ClientContext> contexts(8);
  std::vector<decltype(loopback.stub().StreamingOutputCall(contexts[0], StreamingOutputCallRequest()))> calls;
  StreamingOutputCallResponse response;
  for (ClientContext& context : contexts) {
    calls.push_back(loopback.stub().StreamingOutputCall(context, StreamingOutputCallRequest()));
  }
  TurnTheLoops(loopback.channel());
  EXPECT_LE(service.written, 8 * kMostUnderWay);
  for (auto& call : calls) ASSERT_TRUE(call.Read(response, kBlock));
  for (ClientContext& context : contexts) context.Cancel();
  for (auto& call : calls) EXPECT_CODE(call.Finish(kBlock), kCancelled);
  EXPECT_OK(CallOnce(loopback.channel()));
}

// Beyond that the connection as a whole is held back, and comes to life again when somebody reads or gives up.
TEST(FlowControl, AConnectionHeldBackByItsStreamsComesToLifeAgain) {
  CountingService service;
  Loopback loopback(service);
  std::deque<ClientContext> contexts(40);
  std::vector<decltype(loopback.stub().StreamingOutputCall(contexts[0], StreamingOutputCallRequest()))> calls;
  for (ClientContext& context : contexts) {
    calls.push_back(loopback.stub().StreamingOutputCall(context, StreamingOutputCallRequest()));
  }
  ClientContext in_vain;
  in_vain.set_timeout(std::chrono::milliseconds(200));
  static_cast<void>(loopback.stub().EmptyCall(in_vain, Empty(), kBlock));  // may pass or not: it depends on who was served first
  for (ClientContext& context : contexts) context.Cancel();
  for (auto& call : calls) EXPECT_CODE(call.Finish(kBlock), kCancelled);
  EXPECT_OK(CallOnce(loopback.channel()));
}

}  // namespace
}  // namespace culvert::e2e
