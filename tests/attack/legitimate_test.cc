// Honest peers who work hard, are slow, or change their minds, against the default limits: every call succeeds, and not one limit has
// acted.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "gtest/gtest.h"
#include "rpc/block.h"
#include "rpc/stub.h"
#include "tests/attack/attacked_server.h"
#include "tests/attack/frames.h"
#include "tests/e2e/fixture.h"
#include "transport/io/event_loop.h"

namespace culvert::attack {
namespace {

using e2e::GrpcData;
using e2e::GrpcHead;
using e2e::ReceivedFrame;
using e2e::ReceiveFrame;
using e2e::Stub;

constexpr std::chrono::minutes kDeadline{10};

void ExpectNoLimitActed(AttackedServer& server) {
  server.ExpectServesOthers();
  EXPECT_EQ(server.Counts(), (std::map<std::string, uint64_t>())) << "an honest peer was stopped";
}

// As the benchmark does.
TEST(Legitimate, SixtyFourConnectionsWithAHundredCallsEach) {
  constexpr int kConnections = 64;
  constexpr int kCalls = 100;
  constexpr int kRounds = kSanitized ? 1 : 5;
  AttackedServer server;
  EventLoopThreads threads(1);
  std::vector<std::shared_ptr<Channel>> channels;
  for (int i = 0; i < kConnections; ++i) {
    absl::StatusOr<std::shared_ptr<Channel>> channel = Channel::Create(threads[0], server.address());
    ASSERT_TRUE(channel.ok()) << channel.status();
    channels.push_back(*std::move(channel));
  }
  const e2e::SimpleRequest request = e2e::UnaryRequest(100, 100);
  std::atomic<int> succeeded{0};
  for (int round = 0; round < kRounds; ++round) {
    absl::BlockingCounter left(kConnections * kCalls);
    std::deque<ClientContext> contexts(kConnections * kCalls);
    for (size_t i = 0; i < contexts.size(); ++i) {
      contexts[i].set_timeout(kDeadline);
      Stub(channels[i % kConnections]).UnaryCall(contexts[i], request, [&](const absl::StatusOr<e2e::SimpleResponse>& response) {
        if (response.ok()) ++succeeded;
        left.DecrementCount();
      });
    }
    left.Wait();
  }
  EXPECT_EQ(succeeded, kConnections * kCalls * kRounds);
  ExpectNoLimitActed(server);
}

TEST(Legitimate, AnUploadOfAGibibyte) {
  constexpr int kMessages = kSanitized ? 64 : 1024;
  constexpr int kEach = 1024 * 1024;
  AttackedServer server;
  ClientContext context;
  auto call = Stub(e2e::MustCreateChannel(server.address())).StreamingInputCall(context);
  const e2e::StreamingInputCallRequest request = e2e::InputRequest(kEach);
  for (int i = 0; i < kMessages; ++i) ASSERT_TRUE(call.Write(request, kBlock));
  const absl::StatusOr<e2e::StreamingInputCallResponse> response = call.Finish(kBlock);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->aggregated_payload_size(), kMessages * kEach);
  ExpectNoLimitActed(server);
}

// As large as they may be, and as many as may be unfinished at once; a frame of each in turn.
TEST(Legitimate, SixteenUploadsOfTheLargestMessageAtOnce) {
  constexpr int kCalls = 16;
  constexpr size_t kLargest = 4 * 1024 * 1024;
  constexpr size_t kPiece = 16000;
  AttackedServer server;
  RawSocket socket = Greet(server);
  // A length takes as many bytes to write down everywhere near it.
  const size_t around = e2e::UnaryRequest(kLargest - 64, 0).ByteSizeLong() - (kLargest - 64);
  const std::string message = e2e::UnaryRequest(kLargest - around, 0).SerializeAsString();
  ASSERT_EQ(message.size(), kLargest);
  const std::string body = '\0' + Number(kLargest) + message;
  for (int i = 0; i < kCalls; ++i) ASSERT_TRUE(socket.Send(GrpcHead(Stream(i), kUnaryCall)));
  for (size_t sent = 0; sent < body.size(); sent += kPiece) {
    const uint8_t flags = sent + kPiece >= body.size() ? e2e::kEndStream : 0;
    std::string frames;
    for (int i = 0; i < kCalls; ++i) frames += e2e::Frame(e2e::kData, flags, Stream(i), std::string_view(body).substr(sent, kPiece));
    ASSERT_TRUE(socket.Send(frames));
  }
  for (int i = 0; i < kCalls; ++i) EXPECT_TRUE(ReceiveFrame(socket, e2e::kData, Stream(i))) << i;
  ExpectNoLimitActed(server);
}

constexpr uint32_t kPiece = 16384;
constexpr int kPieces = 80;

// It takes longer than the time-outs, but never takes nothing for so long.
void ExpectMayReadSlowly(std::string_view method, const std::string& request) {
  AttackedServer server({"--stall_timeout=4000", "--write_stall_timeout=4000", "--write_timeout=4000"});
  RawSocket socket = Greet(server, Setting(kInitialWindowSize, kPiece));
  ASSERT_TRUE(socket.Send(GrpcHead(1, method) + GrpcData(1, request, true)));
  for (uint32_t received = 0; received < kPieces * kPiece;) {
    const std::optional<ReceivedFrame> data = ReceiveFrame(socket, e2e::kData, 1);
    ASSERT_TRUE(data) << received;
    const auto size = static_cast<uint32_t>(data->payload.size());
    received += size;
    if (size > kPiece / 2) server.ExpectServesOthersFor(std::chrono::milliseconds(60));
    ASSERT_TRUE(socket.Send(WindowUpdate(0, size) + WindowUpdate(1, size)));
  }
  const std::optional<ReceivedFrame> trailers = ReceiveFrame(socket, e2e::kHeaders, 1);
  ASSERT_TRUE(trailers);
  EXPECT_EQ(trailers->flags & e2e::kEndStream, e2e::kEndStream);
  ExpectNoLimitActed(server);
}

// Its handler has ended long before.
TEST(Legitimate, ASlowReaderOfAResponseByHand) {
  ExpectMayReadSlowly(kUnaryCall, e2e::UnaryRequest(0, kPieces * kPiece).SerializeAsString());
}

// Its handler waits in Write all the while.
TEST(Legitimate, ASlowReaderOfAStreamByHand) {
  ExpectMayReadSlowly(kStreamingOutput, e2e::OutputRequest(kPieces, kPiece).SerializeAsString());
}

// More than the server keeps for a connection: it begins one after the other, and refuses none.
TEST(Legitimate, AHundredLargeResponsesAtOnce) {
  constexpr int kCalls = kSanitized ? 20 : 100;
  constexpr size_t kEach = 1024 * 1024;
  AttackedServer server;
  const std::shared_ptr<Channel> channel = e2e::MustCreateChannel(server.address());
  const e2e::SimpleRequest request = e2e::UnaryRequest(100, kEach);
  std::atomic<int> succeeded{0};
  absl::BlockingCounter left(kCalls);
  std::deque<ClientContext> contexts(kCalls);
  for (ClientContext& context : contexts) {
    context.set_timeout(kDeadline);
    Stub(channel).UnaryCall(context, request, [&](const absl::StatusOr<e2e::SimpleResponse>& response) {
      if (response.ok() && response->payload().body().size() == kEach) ++succeeded;
      left.DecrementCount();
    });
  }
  left.Wait();
  EXPECT_EQ(succeeded, kCalls);
  std::map<std::string, uint64_t> counts = server.Counts();
  EXPECT_GT(counts["request_held"], 0u);
  counts.erase("request_held");
  EXPECT_EQ(counts, (std::map<std::string, uint64_t>())) << "an honest peer was stopped";
  server.ExpectUnharmed({.bytes = 16 * kEach});  // a few at a time, and those that are being made and written
}

TEST(Legitimate, ASlowReaderOfAStream) {
  constexpr int kMessages = 200;
  AttackedServer server;
  ClientContext context;
  auto call = Stub(e2e::MustCreateChannel(server.address())).StreamingOutputCall(context, e2e::OutputRequest(kMessages, 100000));
  e2e::StreamingOutputCallResponse response;
  for (int i = 0; i < kMessages; ++i) {
    ASSERT_TRUE(call.Read(response, kBlock));
    server.ExpectServesOthersFor(std::chrono::milliseconds(10));
  }
  EXPECT_FALSE(call.Read(response, kBlock));
  EXPECT_OK(call.Finish(kBlock));
  ExpectNoLimitActed(server);
}

// Every fifth of its calls, in the midst of it.
TEST(Legitimate, AClientThatCancels) {
  constexpr int kCancelled = kSanitized ? 100 : 400;
  AttackedServer server;
  std::vector<std::thread> clients;
  for (int client = 0; client < 4; ++client) {
    clients.emplace_back([&server] {
      const std::shared_ptr<Channel> channel = e2e::MustCreateChannel(server.address());
      for (int i = 0; i < kCancelled; ++i) {
        for (int j = 0; j < 4; ++j) EXPECT_OK(e2e::CallOnce(channel));
        ClientContext context;
        auto call = Stub(channel).FullDuplexCall(context);
        e2e::StreamingOutputCallResponse response;
        EXPECT_TRUE(call.Write(e2e::OutputRequest(1, 100), kBlock));
        EXPECT_TRUE(call.Read(response, kBlock));
        context.Cancel();
        EXPECT_CODE(call.Finish(kBlock), kCancelled);
      }
    });
  }
  for (std::thread& client : clients) client.join();
  ExpectNoLimitActed(server);
}

// Each message is a DATA frame of its own: of few bytes, and with a reader who keeps up, or one who does not.
TEST(Legitimate, ManyTinyMessages) {
  constexpr int kMessages = kSanitized ? 3000 : 20000;
  AttackedServer server;
  const std::shared_ptr<Channel> channel = e2e::MustCreateChannel(server.address());
  for (const int bytes : {1, 16}) {
    ClientContext context;
    auto call = Stub(channel).StreamingInputCall(context);
    const e2e::StreamingInputCallRequest request = e2e::InputRequest(static_cast<size_t>(bytes));
    for (int i = 0; i < kMessages; ++i) ASSERT_TRUE(call.Write(request, kBlock));
    const absl::StatusOr<e2e::StreamingInputCallResponse> response = call.Finish(kBlock);
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_EQ(response->aggregated_payload_size(), kMessages * bytes);
  }
  for (const int bytes : {1, 16}) {
    ClientContext context;
    auto call = Stub(channel).FullDuplexCall(context);
    std::thread writer([&] {
      const e2e::StreamingOutputCallRequest request = e2e::OutputRequest(1, static_cast<size_t>(bytes));
      for (int i = 0; i < kMessages; ++i) EXPECT_TRUE(call.Write(request, kBlock));
      call.WritesDone();
    });
    e2e::StreamingOutputCallResponse response;
    int read = 0;
    for (; read < kMessages; ++read) {
      if (read % 2000 == 0) server.ExpectServesOthersFor(std::chrono::milliseconds(100));  // all windows fill up
      if (!call.Read(response, kBlock)) break;
    }
    EXPECT_EQ(read, kMessages);
    writer.join();
    EXPECT_OK(call.Finish(kBlock));
  }
  ExpectNoLimitActed(server);
}

// Credit in small pieces, for the stream and for the connection, and a PING now and then to measure the path: so do real peers.
TEST(Legitimate, ManySmallWindowUpdates) {
  constexpr uint32_t kCredit = 1024;
  constexpr int kMessages = 64;
  constexpr size_t kEach = 64 * 1024;
  AttackedServer server;
  RawSocket socket = Greet(server);
  const std::string message = e2e::OutputRequest(kMessages, kEach).SerializeAsString();
  ASSERT_TRUE(socket.Send(GrpcHead(1, kStreamingOutput) + GrpcData(1, message, true)));
  size_t received = 0;
  uint32_t owed = 0;
  for (int frames = 0; received < kMessages * kEach; ++frames) {
    const std::optional<ReceivedFrame> data = ReceiveFrame(socket, e2e::kData, 1);
    ASSERT_TRUE(data) << received;
    received += data->payload.size();
    std::string credit;
    for (owed += static_cast<uint32_t>(data->payload.size()); owed >= kCredit; owed -= kCredit) {
      credit += WindowUpdate(1, kCredit) + WindowUpdate(0, kCredit);
    }
    if (frames % 16 == 0) credit += Ping();
    ASSERT_TRUE(socket.Send(credit));
  }
  ExpectNoLimitActed(server);
}

// One connection of HTTP/1.1, kept for many requests, some of them behind each other.
TEST(Legitimate, AnHttp1Client) {
  AttackedServer server;
  RawSocket socket = RawSocket::Connect(server.address());
  const std::string request =
      "POST /upload HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
      "3;q=\"a\"\r\nabc\r\n0\r\nx-sum: 6\r\n\r\n";
  const std::string response = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n1\r\n3\r\n0\r\n\r\n";
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(socket.Send(request + request));
    ASSERT_EQ(socket.Receive(2 * response.size()), response + response) << i;
  }
  ExpectNoLimitActed(server);
}

}  // namespace
}  // namespace culvert::attack
