// Attacks by messages of gRPC.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "tests/attack/attacked_server.h"
#include "tests/attack/frames.h"
#include "tests/e2e/fixture.h"

namespace culvert::attack {
namespace {

using e2e::GrpcHead;
using e2e::ReceiveFrame;

constexpr size_t kMiB = 1024 * 1024;
constexpr uint32_t kLimit = 4 * kMiB;  // the default

// The beginning of a message that says it has `length` bytes.
std::string Announce(uint32_t stream, char flag, uint32_t length, std::string_view bytes = {}) {
  return Frame(e2e::kData, 0, stream, flag + Number(length) + std::string(bytes));
}

// By the length alone, before any of the message is kept.
TEST(MessageBomb, LengthOverTheLimitIsRefused) {
  AttackedServer server;
  uint64_t refused = 0;
  for (const std::string_view method : {kUnaryCall, kStreamingInput, kFullDuplex}) {
    for (const uint32_t length : {kLimit + 1, UINT32_MAX}) {
      RawSocket socket = Greet(server);
      ASSERT_TRUE(socket.Send(GrpcHead(1, method) + Announce(1, '\0', length)));
      EXPECT_EQ(ReceiveField(socket, 1, "grpc-status"), "8");  // RESOURCE_EXHAUSTED
      server.ExpectCounted("message_too_large", ++refused);
      // What was on its way meanwhile is dropped.
      for (int i = 0; i < 10; ++i) ASSERT_TRUE(socket.Send(Frame(e2e::kData, 0, 1, std::string(16384, 'x'))));
      server.ExpectServesOthers();
    }
  }
  server.ExpectUnharmed();
}

// Lengths within the limit, on as many streams as there may be: memory grows with what comes, not with what is announced.
TEST(MessageBomb, AnnouncementsCostNothing) {
  AttackedServer server;
  RawSocket socket = Greet(server);
  for (int burst = 0; burst < 18; ++burst) {
    std::string bytes;
    for (int i = 50 * burst; i < 50 * (burst + 1); ++i) {
      bytes += GrpcHead(Stream(i), kUnaryCall) + Announce(Stream(i), '\0', kLimit, "only this");
    }
    ASSERT_TRUE(socket.Send(bytes));
    server.ExpectServesOthers();
  }
  server.ExpectUnharmed();
}

// A message that is never whole, up to its last byte.
TEST(MessageBomb, UnfinishedMessage) {
  AttackedServer server;
  RawSocket socket = Greet(server);
  ASSERT_TRUE(socket.Send(GrpcHead(1, kUnaryCall) + Announce(1, '\0', kLimit)));
  for (uint32_t sent = 0; sent + 10000 < kLimit; sent += 10000) {
    ASSERT_TRUE(socket.Send(Frame(e2e::kData, 0, 1, std::string(10000, 'x'))));
    if (sent % 1000000 == 0) server.ExpectServesOthers();
  }
  server.ExpectUnharmed({.bytes = kLimit + 2 * kMiB});  // the message, and a quarter of it while the rest is made room for
}

// As many of them as hold the connection's budget, sixteen, and more: who comes later is refused before it holds much.
TEST(MessageBomb, UnfinishedMessagesOnManyStreams) {
  constexpr int kCalls = 40;
  constexpr int kHeld = 16;
  constexpr size_t kPiece = 16000;
  AttackedServer server;
  RawSocket socket = Greet(server);
  const std::string message = e2e::UnaryRequest(kLimit - 64, 0).SerializeAsString();
  ASSERT_LE(message.size(), kLimit);
  const auto size = static_cast<uint32_t>(message.size());
  for (int i = 0; i < kCalls; ++i) {
    ASSERT_TRUE(socket.Send(GrpcHead(Stream(i), i % 2 == 0 ? kUnaryCall : kStreamingInput) + Announce(Stream(i), '\0', size)));
    for (size_t sent = 0; sent < size - 1; sent += kPiece) {
      const size_t n = std::min(kPiece, size - 1 - sent);
      ASSERT_TRUE(socket.Send(Frame(e2e::kData, 0, Stream(i), std::string_view(message).substr(sent, n))));
    }
    server.ExpectServesOthers();
  }
  EXPECT_EQ(ReceiveField(socket, Stream(kHeld), "grpc-status"), "8");  // RESOURCE_EXHAUSTED
  for (int i = kHeld + 1; i < kCalls; ++i) EXPECT_TRUE(ReceiveFrame(socket, e2e::kHeaders, Stream(i))) << i;
  server.ExpectCounted("unfinished_budget", kCalls - kHeld);
  EXPECT_EQ(server.Count("unfinished_budget"), uint64_t{kCalls - kHeld});
  // Of those that are held one becomes whole, and makes room for another.
  ASSERT_TRUE(socket.Send(Frame(e2e::kData, e2e::kEndStream, Stream(0), message.substr(message.size() - 1))));
  EXPECT_TRUE(ReceiveFrame(socket, e2e::kData, Stream(0)));
  ASSERT_TRUE(socket.Send(GrpcHead(Stream(kCalls), kUnaryCall) + Announce(Stream(kCalls), '\0', size, message.substr(0, kPiece))));
  ASSERT_TRUE(socket.Send(Frame(e2e::kData, e2e::kEndStream, Stream(kCalls), "\xff\xff")));
  EXPECT_TRUE(ReceiveFrame(socket, e2e::kHeaders, Stream(kCalls)));  // the stream ended within its message
  EXPECT_EQ(server.Count("unfinished_budget"), uint64_t{kCalls - kHeld});
  // The budget, and three of the largest messages: one as it was parsed, one that the thread keeps memory for, and what everything else takes.
  server.ExpectUnharmed({.bytes = 64 * kMiB + 3 * kLimit});
}

// This server inflates nothing, so that nothing can be inflated beyond measure: who compresses is told so at once.
TEST(MessageBomb, CompressedMessagesAreNotInflated) {
  AttackedServer server;
  RawSocket agreed = Greet(server);
  ASSERT_TRUE(agreed.Send(GrpcHead(1, kUnaryCall, e2e::Field("grpc-encoding", "gzip")) + Announce(1, '\1', 20, std::string(20, 'x'))));
  EXPECT_EQ(ReceiveField(agreed, 1, "grpc-status"), "12");  // UNIMPLEMENTED
  RawSocket unasked = Greet(server);
  ASSERT_TRUE(unasked.Send(GrpcHead(1, kUnaryCall) + Announce(1, '\1', 20, std::string(20, 'x'))));
  EXPECT_EQ(ReceiveField(unasked, 1, "grpc-status"), "13");  // INTERNAL
  server.ExpectUnharmed();
}

}  // namespace
}  // namespace culvert::attack
