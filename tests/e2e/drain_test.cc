// The graceful end of a server, and what a client makes of it (RFC 9113 6.8): calls under way end, new ones go elsewhere, none is made
// twice and none is lost.

#include <array>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "rpc/block.h"
#include "rpc/stub.h"
#include "tests/e2e/fixture.h"
#include "tests/e2e/raw_peer.h"

namespace culvert::e2e {
namespace {

using std::chrono::milliseconds;

const milliseconds kLongGrace = absl::ToChronoMilliseconds(kLong);
constexpr uint32_t kAnyStream = 0x7fffffff;

std::string BigEndian32(uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(value >> shift & 0xff));
  return bytes;
}

// The payload of a GOAWAY with NO_ERROR, without debug data.
std::string GoAwayAfter(uint32_t last) { return BigEndian32(last) + BigEndian32(0); }
std::string GoAwayHead(const std::optional<ReceivedFrame>& frame) { return frame ? frame->payload.substr(0, 8) : "none came"; }

// Every frame until the peer ends the connection. None is answered.
std::vector<ReceivedFrame> ReceiveRest(RawSocket& socket) {
  std::vector<ReceivedFrame> frames;
  for (;;) {
    const std::string head = socket.Receive(9);
    if (head.size() < 9) return frames;
    const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<uint8_t>(head[i])); };
    frames.push_back({.type = static_cast<uint8_t>(byte(3)),
                      .flags = static_cast<uint8_t>(byte(4)),
                      .stream = (byte(5) & 0x7f) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8),
                      .payload = socket.Receive(byte(0) << 16 | byte(1) << 8 | byte(2))});
  }
}

size_t CountHeads(const std::vector<ReceivedFrame>& frames) {
  size_t count = 0;
  for (const ReceivedFrame& frame : frames) count += frame.type == kHeaders;
  return count;
}

// A client's connection as far as the server's SETTINGS: one that its server drains with GOAWAY.
RawSocket Greet(const std::string& address) {
  RawSocket socket = RawSocket::Connect(address);
  socket.Send(std::string(kPreface) + Frame(kSettings, 0, 0, {}));
  EXPECT_TRUE(ReceiveFrame(socket, kSettings, 0));
  return socket;
}

// --- what the server says ---

class CountingService : public WaitingService {
 public:
  Unary<Empty> EmptyCall(ServerContext&, const Empty&) override {
    ++empty_calls;
    return Empty();
  }
  std::atomic<int> empty_calls{0};
};

TEST(Drain, FirstAnnouncedAndARoundTripLaterTheLastStreamIsNamed) {
  constexpr std::string_view kEmptyCall = "/grpc.testing.TestService/EmptyCall";
  CountingService service;
  Loopback loopback(service);
  RawSocket socket = Greet(loopback.address());
  socket.Send(GrpcHead(1, "/grpc.testing.TestService/StreamingOutputCall") + GrpcData(1, "", true));
  ASSERT_TRUE(Came(service.started));
  std::thread shutdown([&] { loopback.server().Shutdown(kLongGrace); });

  EXPECT_EQ(GoAwayHead(ReceiveFrame(socket, kGoAway, 0)), GoAwayAfter(kAnyStream));
  // On its way when the client heard of it. The PING that waits before the answer is acknowledged by ReceiveFrame: after this call.
  socket.Send(GrpcHead(3, kEmptyCall) + GrpcData(3, "", true));
  EXPECT_TRUE(ReceiveFrame(socket, kData, 3));
  EXPECT_EQ(GoAwayHead(ReceiveFrame(socket, kGoAway, 0)), GoAwayAfter(3));
  // Too late, which is no error. It has been read when the PING behind it is answered.
  socket.Send(GrpcHead(5, kEmptyCall) + GrpcData(5, "", true) + Frame(kPing, 0, 0, "12345678"));
  EXPECT_TRUE(ReceiveFrame(socket, kPing, 0));

  service.gate.Open();
  const std::vector<ReceivedFrame> rest = ReceiveRest(socket);
  socket.Close();
  shutdown.join();
  EXPECT_EQ(CountHeads(rest), 1u) << "the trailers of the first call";
  for (const ReceivedFrame& frame : rest) {
    EXPECT_NE(frame.stream, 5u);
    if (frame.type == kGoAway) {
      EXPECT_EQ(GoAwayHead(frame), GoAwayAfter(3)) << "never raised again";
    }
  }
  EXPECT_TRUE(service.let_through);
  EXPECT_EQ(service.empty_calls, 1);
}

// --- calls under way ---

// Calls that stay until the gate opens, or as long as the client streams; counts those that did not end well.
class StayingService : public interop::TestService {
 public:
  Unary<SimpleResponse> UnaryCall(ServerContext& call, const SimpleRequest&) override {
    unary_begun.Notify();
    const bool open = co_await gate.Wait();
    Note(call);
    if (!open) co_return absl::CancelledError("cancelled");
    co_return SimpleResponse();
  }
  Task<absl::Status> StreamingOutputCall(ServerContext& call, const StreamingOutputCallRequest&,
                                         Writer<StreamingOutputCallResponse>& writer) override {
    StreamingOutputCallResponse response;
    co_await writer.Write(response);
    co_await gate.Wait();
    co_await writer.Write(response);
    Note(call);
    co_return absl::OkStatus();
  }
  Task<absl::StatusOr<StreamingInputCallResponse>> StreamingInputCall(ServerContext& call,
                                                                      Reader<StreamingInputCallRequest>& reader) override {
    absl::StatusOr<StreamingInputCallResponse> response = co_await TestService::StreamingInputCall(call, reader);
    Note(call);
    co_return response;
  }
  Task<absl::Status> FullDuplexCall(ServerContext& call, DuplexStream& stream) override {
    absl::Status status = co_await TestService::FullDuplexCall(call, stream);
    Note(call);
    co_return status;
  }

  Gate gate;
  absl::Notification unary_begun;
  int ended = 0;  // handlers; to be read once the server is shut down
  int cancelled = 0;

 private:
  void Note(const ServerContext& call) {
    ++ended;
    cancelled += call.cancelled();
  }
};

// A call of each kind, begun on both sides.
class FourCalls {
 public:
  FourCalls(const Stub& stub, StayingService& service)
      : unary_([this, stub] { unary_status_ = stub.UnaryCall(contexts_[0], SimpleRequest(), kBlock).status(); }),
        output(stub.StreamingOutputCall(contexts_[1], StreamingOutputCallRequest())),
        input(stub.StreamingInputCall(contexts_[2])),
        duplex(stub.FullDuplexCall(contexts_[3])) {
    EXPECT_TRUE(Came(service.unary_begun));
    EXPECT_TRUE(output.Read(response_, kBlock));
    EXPECT_TRUE(input.Write(InputRequest(1000), kBlock));
    Echo();  // the server has seen what was sent before it
  }
  ~FourCalls() {
    if (unary_.joinable()) unary_.join();
  }

  void Echo() {
    EXPECT_TRUE(duplex.Write(OutputRequest(1, 10), kBlock));
    EXPECT_TRUE(duplex.Read(response_, kBlock));
    EXPECT_EQ(response_.payload().body().size(), 10u);
  }
  // Once: how the unary call has ended.
  absl::Status JoinUnary() {
    unary_.join();
    return unary_status_;
  }

 private:
  std::array<ClientContext, 4> contexts_;
  StreamingOutputCallResponse response_;
  absl::Status unary_status_ = absl::UnknownError("has not ended");
  std::thread unary_;

 public:
  ClientReader<StreamingOutputCallResponse> output;
  ClientWriter<StreamingInputCallRequest, StreamingInputCallResponse> input;
  ClientStream<StreamingOutputCallRequest, StreamingOutputCallResponse> duplex;
};

TEST(Drain, CallsOfEveryKindGoOnAndEndWell) {
  StayingService service;
  Loopback loopback(service);
  RawSocket witness = Greet(loopback.address());
  FourCalls calls(loopback.stub(), service);
  std::thread shutdown([&] { loopback.server().Shutdown(kLongGrace); });
  // Every connection is told in one turn of the server's only loop.
  EXPECT_TRUE(ReceiveFrame(witness, kGoAway, 0));

  calls.Echo();
  // The GOAWAY came before that echo: a new call leaves the connection, and there is no other.
  EXPECT_CODE(CallOnce(loopback.channel()), kUnavailable);
  for (int i = 0; i < 20; ++i) calls.Echo();
  EXPECT_TRUE(calls.input.Write(InputRequest(2000), kBlock));
  service.gate.Open();

  EXPECT_OK(calls.JoinUnary());
  StreamingOutputCallResponse response;
  EXPECT_TRUE(calls.output.Read(response, kBlock));
  EXPECT_FALSE(calls.output.Read(response, kBlock));
  EXPECT_OK(calls.output.Finish(kBlock));
  const absl::StatusOr<StreamingInputCallResponse> sum = calls.input.Finish(kBlock);
  ASSERT_TRUE(sum.ok()) << sum.status();
  EXPECT_EQ(sum->aggregated_payload_size(), 3000);
  calls.duplex.WritesDone();
  EXPECT_OK(calls.duplex.Finish(kBlock));

  witness.Close();
  shutdown.join();
  EXPECT_EQ(service.ended, 4);
  EXPECT_EQ(service.cancelled, 0);
}

TEST(Drain, CallsLeftAfterTheGraceAreCancelled) {
  StayingService service;
  Loopback loopback(service);
  FourCalls calls(loopback.stub(), service);
  loopback.server().Shutdown(milliseconds(20));
  EXPECT_EQ(service.ended, 4);
  EXPECT_EQ(service.cancelled, 4);
  EXPECT_CODE(calls.JoinUnary(), kUnavailable);
  EXPECT_CODE(calls.output.Finish(kBlock), kUnavailable);
  EXPECT_CODE(calls.input.Finish(kBlock).status(), kUnavailable);
  EXPECT_CODE(calls.duplex.Finish(kBlock), kUnavailable);
}

// --- a rolling restart ---

// Counts the calls that it has served, and tells when they are many.
class ServingService : public interop::TestService {
 public:
  Unary<Empty> EmptyCall(ServerContext&, const Empty&) override {
    Count();
    return Empty();
  }
  Task<absl::Status> StreamingOutputCall(ServerContext& call, const StreamingOutputCallRequest& request,
                                         Writer<StreamingOutputCallResponse>& writer) override {
    Count();
    return TestService::StreamingOutputCall(call, request, writer);
  }
  Task<absl::Status> FullDuplexCall(ServerContext& call, DuplexStream& stream) override {
    Count();
    return TestService::FullDuplexCall(call, stream);
  }

  int served() const { return served_; }
  absl::Notification many_served;

 private:
  static constexpr int kMany = 500;
  void Count() {
    if (++served_ == kMany) many_served.Notify();
  }
  std::atomic<int> served_{0};
};

// Clients that make one call after the other, each in a coroutine on its channel's loop. None of their calls may fail.
class Load {
 public:
  Load(const std::string& address, int channels, int callers_each) : live_(channels * callers_each) {
    for (int i = 0; i < channels; ++i) {
      const std::shared_ptr<Channel> channel = MustCreateChannel(address);
      const Stub& stub = stubs_.emplace_back(channel);
      for (int k = 0; k < callers_each; ++k) asio::co_spawn(channel->loop().executor(), Caller(*this, stub, k), asio::detached);
    }
  }

  // Once every call has ended: how many there were.
  int Stop() {
    stop_ = true;
    EXPECT_TRUE(Came(stopped_));
    return calls_;
  }

 private:
  static Task<void> Caller(Load& load, const Stub& stub, int kind) {
    while (!load.stop_) {
      ClientContext context;
      context.set_wait_for_ready(true);  // for a moment nobody listens
      context.set_timeout(absl::ToChronoNanoseconds(kLong));
      absl::Status status;
      switch (kind % 3) {
        case 0:
          status = (co_await stub.EmptyCall(context, Empty())).status();
          break;
        case 1:
          status = co_await Download(stub, context);
          break;
        case 2:
          status = co_await Echo(stub, context);
          break;
      }
      EXPECT_OK(status);
      ++load.calls_;
    }
    if (--load.live_ == 0) load.stopped_.Notify();
  }

  static Task<absl::Status> Download(const Stub& stub, ClientContext& context) {
    auto call = stub.StreamingOutputCall(context, OutputRequest(3, 100));
    StreamingOutputCallResponse response;
    while (co_await call.Read(response)) {
    }
    co_return co_await call.Finish();
  }

  static Task<absl::Status> Echo(const Stub& stub, ClientContext& context) {
    auto call = stub.FullDuplexCall(context);
    const StreamingOutputCallRequest request = OutputRequest(1, 100);
    StreamingOutputCallResponse response;
    for (int i = 0; i < 3; ++i) {
      co_await call.Write(request);
      co_await call.Read(response);
    }
    call.WritesDone();
    co_return co_await call.Finish();
  }

  std::deque<Stub> stubs_;
  std::atomic<bool> stop_{false};
  std::atomic<int> calls_{0};
  std::atomic<int> live_;
  absl::Notification stopped_;
};

TEST(Drain, ARollingRestartLosesNoCallAndRepeatsNone) {
  std::array<ServingService, 5> services;
  const std::string address = RawListener().address();  // free a moment ago
  std::unique_ptr<Server> server = StartAt(address, services[0]);
  Load load(address, 3, 9);
  for (size_t i = 1; i < services.size(); ++i) {
    EXPECT_TRUE(Came(services[i - 1].many_served)) << "server " << i - 1;
    RawSocket witness = Greet(address);
    std::thread shutdown([&server] { server->Shutdown(kLongGrace); });
    // The port is free once the first connection is drained: the server stops listening before.
    EXPECT_TRUE(ReceiveFrame(witness, kGoAway, 0));
    std::unique_ptr<Server> next = StartAt(address, services[i]);
    witness.Close();
    shutdown.join();
    server = std::move(next);
  }
  EXPECT_TRUE(Came(services.back().many_served));
  const int called = load.Stop();
  int served = 0;
  for (const ServingService& service : services) served += service.served();
  EXPECT_EQ(served, called);
}

// One loop for all: the server, its client, and who shuts it down. That is where the server is destroyed, too.
Task<void> ServeAndEnd(std::unique_ptr<Server>& server, std::shared_ptr<Channel>& channel, bool& done) {
  ClientContext first_context, second_context;
  EXPECT_OK((co_await Stub(channel).EmptyCall(first_context, Empty())).status());
  co_await server->AsyncShutdown(kLongGrace);
  server->Wait();  // is over
  EXPECT_CODE(server->Listen("127.0.0.1:0").status(), kFailedPrecondition);
  EXPECT_CODE((co_await Stub(channel).EmptyCall(second_context, Empty())).status(), kUnavailable);
  server.reset();
  channel.reset();
  done = true;
}

TEST(Drain, AServerOnItsUsersOnlyLoopIsShutDownThere) {
  asio::io_context context{1};
  EventLoop& loop = EventLoop::Of(context);
  ServerOptions options;
  options.loops = {&loop};
  interop::TestService service;
  auto server = std::make_unique<Server>(std::move(options));
  server->AddService(service);
  const absl::StatusOr<std::string> address = server->Listen("127.0.0.1:0");
  ASSERT_TRUE(address.ok()) << address.status();
  std::shared_ptr<Channel> channel = *Channel::Create(loop, *address, Impatient());
  bool done = false;
  asio::co_spawn(context, ServeAndEnd(server, channel, done), asio::detached);
  while (!done) context.run_one();
}

// --- servers that leave calls out ---

std::string RefuseStream(uint32_t stream) { return Frame(kRstStream, 0, stream, BigEndian32(7)); }

absl::Status CallWith(const std::shared_ptr<Channel>& channel, const SimpleRequest& request) {
  ClientContext context;
  context.set_timeout(absl::ToChronoNanoseconds(kLong));
  return Stub(channel).UnaryCall(context, request, kBlock).status();
}

// Of two calls the last stream of the second GOAWAY is one: it ends where it is, and the other is made elsewhere, each once.
TEST(Drain, TheLastStreamPartsTheCallsThatAreMadeElsewhere) {
  RawListener listener;
  std::shared_ptr<Channel> channel = MustCreateChannel(listener.address());
  absl::Status first, second;
  std::thread first_caller([&] { first = CallWith(channel, UnaryRequest(10, 0)); });
  RawSocket old_connection = AcceptClient(listener);
  ASSERT_TRUE(ReceiveFrame(old_connection, kData, 1));
  std::thread second_caller([&] { second = CallWith(channel, UnaryRequest(20, 0)); });
  const std::optional<ReceivedFrame> request = ReceiveFrame(old_connection, kData, 3);
  ASSERT_TRUE(request);

  old_connection.Send(Frame(kGoAway, 0, 0, GoAwayAfter(kAnyStream)) + Frame(kPing, 0, 0, "12345678"));
  ASSERT_TRUE(ReceiveFrame(old_connection, kPing, 0));
  old_connection.Send(Frame(kGoAway, 0, 0, GoAwayAfter(1)));
  RawSocket new_connection = AcceptClient(listener);
  const std::optional<ReceivedFrame> again = ReceiveFrame(new_connection, kData, 1);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->payload, request->payload);
  EXPECT_EQ(again->flags & kEndStream, kEndStream);

  new_connection.Send(AnswerOn(1));
  old_connection.Send(AnswerOn(1));
  first_caller.join();
  second_caller.join();
  EXPECT_OK(first);
  EXPECT_OK(second);
  channel.reset();
  EXPECT_EQ(CountHeads(ReceiveRest(old_connection)), 0u);
  EXPECT_EQ(CountHeads(ReceiveRest(new_connection)), 0u);
}

TEST(Drain, AServerStreamingCallIsMadeElsewhereToo) {
  RawListener listener;
  const std::shared_ptr<Channel> channel = MustCreateChannel(listener.address());
  ClientContext context;
  auto call = Stub(channel).StreamingOutputCall(context, OutputRequest(1, 100));
  RawSocket old_connection = AcceptClient(listener);
  const std::optional<ReceivedFrame> request = ReceiveFrame(old_connection, kData, 1);
  ASSERT_TRUE(request);
  old_connection.Send(Frame(kGoAway, 0, 0, GoAwayAfter(0)));
  RawSocket new_connection = AcceptClient(listener);
  const std::optional<ReceivedFrame> again = ReceiveFrame(new_connection, kData, 1);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->payload, request->payload);
  new_connection.Send(AnswerOn(1));
  StreamingOutputCallResponse response;
  EXPECT_TRUE(call.Read(response, kBlock));
  EXPECT_FALSE(call.Read(response, kBlock));
  EXPECT_OK(call.Finish(kBlock));
}

// What it has sent is not kept: the status says that it may be tried again, and by whom is the application's affair.
TEST(Drain, ACallWithManyRequestsIsNotMadeAgain) {
  RawListener listener;
  const std::shared_ptr<Channel> channel = MustCreateChannel(listener.address());
  ClientContext input_context, duplex_context;
  auto input = Stub(channel).StreamingInputCall(input_context);
  input.Write(InputRequest(10), [](bool) {});
  RawSocket connection = AcceptClient(listener);
  ASSERT_TRUE(ReceiveFrame(connection, kData, 1));
  connection.Send(RefuseStream(1));
  EXPECT_CODE(input.Finish(kBlock).status(), kUnavailable);

  auto duplex = Stub(channel).FullDuplexCall(duplex_context);
  duplex.Write(OutputRequest(1, 1), [](bool) {});
  ASSERT_TRUE(ReceiveFrame(connection, kData, 3));
  connection.Send(RefuseStream(3) + Frame(kPing, 0, 0, "12345678"));
  EXPECT_CODE(duplex.Finish(kBlock), kUnavailable);
  ASSERT_TRUE(ReceiveFrame(connection, kPing, 0));
  connection.Send(Frame(kGoAway, 0, 0, GoAwayAfter(3)));  // ends the connection, as nothing is under way
  EXPECT_EQ(CountHeads(ReceiveRest(connection)), 0u);
}

}  // namespace
}  // namespace culvert::e2e
