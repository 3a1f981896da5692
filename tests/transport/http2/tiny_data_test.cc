// CVE-2026-84304, tiny DATA frames: what do a peer's bytes cost that nobody reads, one frame for each? The attack fills a window with
// frames of one byte, towards both who keep a body for a reader that is not there: gRPC's messages and http::Service.

#include <algorithm>
#include <asio/use_awaitable.hpp>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/allocation_counter/allocation_counter.h"
#include "google/protobuf/wrappers.pb.h"
#include "rpc/codec.h"
#include "tests/transport/http2/session_fixture.h"
#include "transport/base/task.h"
#include "transport/base/waiter.h"
#include "transport/http/service.h"

namespace culvert::http2 {
namespace {

using rpc::MessageInput;

constexpr size_t kWindow = 256 * 1024;

class TinyDataTest : public SessionTest {
 protected:
  // A request for each of `streams` is open.
  void Serve(frame::StreamId streams) {
    Connect(Role::kServer);
    for (frame::StreamId i = 0; i < streams; ++i) peer_.Headers(2 * i + 1, kPost);
    EXPECT_TRUE(Send(peer_));
    Receive();
  }

  // `body` on one stream, a frame for each piece of it.
  void SendInFrames(frame::StreamId id, std::string_view body, size_t piece) {
    for (; !body.empty(); body.remove_prefix(std::min(piece, body.size()))) peer_.Data(id, body.substr(0, piece));
    EXPECT_TRUE(Send(peer_));
  }
};

// Messages that come and that nobody reads, as a call keeps them.
struct UnreadCall final : http::Receiver {
  explicit UnreadCall(http::Exchange& exchange) : exchange(exchange) { exchange.SetReceiver(this); }
  void OnHead(const http::ResponseHead&, bool) override {}
  void OnData(std::span<const uint8_t> bytes, bool end) override {
    const testing::AllocationCounter counter;
    input.Lend(bytes, end);
    input.EndLoan();
    allocated += counter.Bytes();
    parked += bytes.size();
  }
  void OnTrailers(std::span<const http::HeaderField>) override {}
  void OnWritable() override {}
  void OnClosed(const absl::Status&, bool) override {}

  // Reads one message; false when there is none.
  bool Read() {
    size_t consumed = 0;
    const bool read = input.Next(message, &consumed) == MessageInput::Result::kMessage;
    exchange.Consumed(consumed);
    parked -= consumed;
    return read;
  }

  http::Exchange& exchange;
  MessageInput input{1000};
  google::protobuf::StringValue message;
  size_t parked = 0;
  uint64_t allocated = 0;
};

class UnreadCallTest : public TinyDataTest {
 protected:
  UnreadCallTest() {
    handler_.on_request = [this](RecordingReceiver& request) {
      calls_.push_back(std::make_unique<UnreadCall>(*request.exchange));  // in its place; which still releases it
    };
  }

  // As many whole messages of 16 bytes, envelope and all, as fill a window.
  static std::string Messages() {
    google::protobuf::StringValue message;
    message.set_value("123456789");
    const std::string bytes = message.SerializeAsString();
    std::string all;
    while (all.size() + 16 <= kWindow) all += std::string("\0\0\0\0\x0b", 5) + bytes;
    EXPECT_EQ(all.size(), kWindow);
    return all;
  }

  std::vector<std::unique_ptr<UnreadCall>> calls_;
};

TEST_F(UnreadCallTest, AFrameOfOneByteCostsAByte) {
  Serve(1);
  SendInFrames(1, Messages(), 1);
  UnreadCall& call = *calls_.at(0);
  ASSERT_EQ(call.parked, kWindow);
  EXPECT_LE(call.input.held_bytes(), 2 * kWindow);
  EXPECT_LE(call.allocated, 4 * kWindow);  // all that was asked for while it grew: a block for each frame would be far more
  EXPECT_EQ(limits_.Text(), "");
  // An honest client whose reader was slow: all is there.
  size_t messages = 0;
  OnLoop([&] {
    while (call.Read()) ++messages;
  });
  EXPECT_EQ(messages, kWindow / 16);
  EXPECT_LE(call.input.held_bytes(), MessageInput::kKeptParked);
  EXPECT_NE(Receive().find("WINDOW_UPDATE stream=1"), std::string::npos);
  EXPECT_FALSE(closed());
}

// Nor does memory stay for what was read long ago.
TEST_F(UnreadCallTest, WhatIsHeldFollowsWhatWaits) {
  Serve(1);
  SendInFrames(1, Messages(), 16);
  UnreadCall& call = *calls_.at(0);
  OnLoop([&] {
    while (call.parked > 16) {
      ASSERT_TRUE(call.Read());
      ASSERT_LE(call.input.held_bytes(), std::max(4 * call.parked, MessageInput::kKeptParked)) << call.parked;
    }
  });
  EXPECT_EQ(call.parked, 16u);
}

// However they are spread.
TEST_F(UnreadCallTest, SoItIsOverManyStreams) {
  constexpr frame::StreamId kStreams = 100;
  Serve(kStreams);
  constexpr size_t kEach = 2048;
  const std::string messages = Messages().substr(0, kEach);
  for (frame::StreamId i = 0; i < kStreams; ++i) SendInFrames(2 * i + 1, messages, 1);
  size_t held = 0;
  for (const auto& call : calls_) {
    EXPECT_EQ(call->parked, kEach);
    held += call->input.held_bytes();
  }
  EXPECT_LE(held, 2 * kStreams * kEach);
  EXPECT_FALSE(closed());
}

// Requests of HTTP whose handler reads when it is told to.
class LateReader final : public http::Service {
 public:
  Task<void> Serve(http::Request& request, http::Response& response) override {
    while (!may_read) co_await told.Wait(asio::use_awaitable);
    const absl::StatusOr<std::string> body = co_await request.ReadAll(kWindow);
    bytes_read = body.ok() ? body->size() : 0;
    response.SendHead(200, {});
  }

  base::Waiter told;
  bool may_read = false;
  size_t bytes_read = 0;
};

TEST_F(TinyDataTest, AServicesUnreadBodyCostsItsBytes) {
  LateReader service;
  handler_.on_request = [&](RecordingReceiver& request) {
    request.released = true;  // the service's from now on
    service.OnRequest(*request.exchange, {.method = "POST", .scheme = "http", .authority = "a", .path = "/", .protocol = {}, .fields = {}}, false);
  };
  Serve(1);
  for (size_t i = 0; i < kWindow; ++i) peer_.Data(1, "x");
  const std::string bytes = peer_.Bytes();
  EXPECT_TRUE(SendBytes(bytes.substr(0, 1000)));  // the memory stream has its buffers now
  const testing::AllocationCounter counter;
  EXPECT_TRUE(SendBytes(std::string_view(bytes).substr(1000)));
  // The body as it grew, and what the streams of this test take for 64 KiB on the way.
  EXPECT_LE(counter.Bytes(), 4 * kWindow + 1024 * 1024);
  EXPECT_EQ(limits_.Text(), "");
  service.may_read = true;
  OnLoop([&] { service.told.Wake(); });
  EXPECT_TRUE(Send(peer_.Data(1, "", kEndStream)));
  EXPECT_EQ(service.bytes_read, kWindow);
  EXPECT_NE(Receive().find("HEADERS stream=1 END_HEADERS :status=200\n"), std::string::npos);
}

}  // namespace
}  // namespace culvert::http2
