// Where a streamed message is parsed: in the read block, out of the frame that brought it, when a reader waits; and out of one parked copy
// when nobody did, of which there is never more than the stream's window. Real sessions and calls; codec_test.cc has the counters of
// MessageInput alone.

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>
#include <array>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/synchronization/notification.h"
#include "google/protobuf/message_lite.h"
#include "google/protobuf/wrappers.pb.h"
#include "gtest/gtest.h"
#include "bench/allocation_counter/allocation_counter.h"
#include "rpc/channel.h"
#include "rpc/client_context.h"
#include "rpc/envelope.h"
#include "rpc/service.h"
#include "rpc/stub.h"
#include "tests/e2e/raw_peer.h"
#include "tests/support/frame_script/frame_script.h"
#include "tests/support/memory_stream/memory_stream.h"
#include "transport/base/waiter.h"
#include "transport/frame/constants.h"
#include "transport/frame/framer.h"
#include "transport/http/exchange.h"
#include "transport/http2/session.h"
#include "transport/io/byte_stream.h"
#include "transport/io/event_loop.h"

namespace culvert::rpc {
namespace {

using testing_support::FrameScript;
using testing_support::FrameTranscript;
using Text = google::protobuf::StringValue;

// A message that takes any bytes, and remembers only where they lay. protobuf copies what is no longer than 16 bytes before it parses it.
class Where final : public google::protobuf::MessageLite {
 public:
  std::string GetTypeName() const override { return "test.Where"; }
  Where* New(google::protobuf::Arena*) const override { return new Where(); }
  void Clear() override { at = 0; }
  bool IsInitialized() const override { return true; }
  void CheckTypeAndMergeFrom(const MessageLite&) override {}
  size_t ByteSizeLong() const override { return 0; }
  int GetCachedSize() const override { return 0; }
  const char* _InternalParse(const char* ptr, google::protobuf::internal::ParseContext*) override {
    at = reinterpret_cast<uintptr_t>(ptr);
    return ptr;
  }
  uint8_t* _InternalSerialize(uint8_t* to, google::protobuf::io::EpsCopyOutputStream*) const override { return to; }

  uintptr_t at = 0;
};

std::string Enveloped(std::string_view message) {
  uint8_t prefix[kEnvelopePrefix];
  PutPrefix(prefix, false, static_cast<uint32_t>(message.size()));
  return std::string(reinterpret_cast<const char*>(prefix), kEnvelopePrefix).append(message);
}

const std::string kMessage(100, 'm');
constexpr size_t kStride = kEnvelopePrefix + 100;  // from one message to the next in one piece

// --- a server ---

// Reads messages, once it is let.
struct Gatherer {
  Task<absl::Status> Gather(ServerContext&, Stream<Where, Text>& stream) {
    Where message;
    if (waits_first) co_await let.Wait(asio::use_awaitable);
    while (co_await stream.Read(message)) {
      read.push_back(message.at);
      read_during.push_back(*pushed);
    }
    ended = true;
    co_return absl::OkStatus();
  }

  bool waits_first = false;
  base::Waiter let;
  const int* pushed = nullptr;
  std::vector<uintptr_t> read;   // where each lay
  std::vector<int> read_during;  // which OnData was on the stack, counted from 1, or 0
  bool ended = false;
};

// Between a stream and its call: sees what the session lends.
class Tap final : public http::Receiver, public http::Handler {
 public:
  Tap(const Method& method, const CallLimits& limits) : method_(method), limits_(limits) {}

  void OnRequest(http::Exchange& exchange, const http::RequestHead& head, bool end) override {
    ServerCall& call = method_.NewCall(exchange, limits_);
    to_ = &call;
    call.Start(head, end);
    exchange.SetReceiver(this);
  }
  void OnHead(const http::ResponseHead&, bool) override {}
  void OnData(std::span<const uint8_t> bytes, bool end) override {
    lent.push_back(reinterpret_cast<uintptr_t>(bytes.data()));
    lent_bytes += bytes.size();
    during = static_cast<int>(lent.size());
    to_->OnData(bytes, end);
    during = 0;
  }
  void OnTrailers(std::span<const http::HeaderField> trailers) override { to_->OnTrailers(trailers); }
  void OnWritable() override { to_->OnWritable(); }
  void OnClosed(const absl::Status& why, bool unprocessed) override { to_->OnClosed(why, unprocessed); }

  std::vector<uintptr_t> lent;  // where each DATA frame's bytes lay
  size_t lent_bytes = 0;
  int during = 0;

 private:
  const Method& method_;
  const CallLimits& limits_;
  http::Receiver* to_ = nullptr;
};

class InPlace : public ::testing::Test {
 protected:
  InPlace() {
    methods_.Add("/Gather", gatherer_, &Gatherer::Gather);
    tap_ = std::make_unique<Tap>(*methods_.Find("/Gather"), limits_);
    gatherer_.pushed = &tap_->during;
  }
  ~InPlace() override {
    OnLoop([this] {
      if (session_ != nullptr) session_->Close(absl::CancelledError("end of the test"));
    });
    OnLoop([this] { gatherer_.let.Wake(); });
    session_.reset();
    peer_stream_.reset();
    Pump();
  }

  // A session whose one call has begun: its handler waits for messages, or for `let`.
  void Start(bool waits_first, const http2::Options& options = {}) {
    gatherer_.waits_first = waits_first;
    auto [peer, ours] = testing_support::MakeMemoryStreamPair(loop_, {.capacity = 1024 * 1024});
    peer_stream_ = std::move(peer);
    session_ = http2::Session::Create(http2::Role::kServer, std::move(ours), std::make_shared<const http2::Options>(options), tap_.get());
    asio::co_spawn(context_, session_->Run(session_), [](std::exception_ptr error) { EXPECT_EQ(error, nullptr); });
    Pump();
    Send(script_.ClientPreface().Settings({}).SettingsAck().Headers(
        1, {{":method", "POST"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/Gather"}, {"content-type", "application/grpc"}}));
    Receive();
  }
  // In one piece, which the session reads in one piece if it is no more than a read block.
  void Send(FrameScript& script) { SendBytes(script.Bytes()); }
  void SendBytes(std::string bytes) {
    iovec piece{bytes.data(), bytes.size()};
    EXPECT_EQ(peer_stream_->TryWrite({&piece, 1}).bytes, bytes.size());
    Pump();
  }
  std::string Receive() {
    std::string text;
    std::array<uint8_t, 64 * 1024> space;
    for (;;) {
      const io::IoResult result = peer_stream_->TryRead(space);
      if (result.kind != io::IoResult::Kind::kBytes) return text;
      text += heard_.Read({reinterpret_cast<const char*>(space.data()), result.bytes});
      Pump();
    }
  }
  void Let() {
    OnLoop([this] { gatherer_.let.Wake(); });
  }
  void OnLoop(std::function<void()> f) {
    loop_.Post(std::move(f));
    Pump();
  }
  void Pump() {
    context_.restart();
    context_.poll();
  }

  const CallLimits limits_;
  Gatherer gatherer_;
  MethodRegistry methods_;
  std::unique_ptr<Tap> tap_;
  asio::io_context context_{1};
  EventLoop& loop_ = EventLoop::Of(context_);
  std::unique_ptr<io::ByteStream> peer_stream_;
  FrameScript script_;
  FrameTranscript heard_{FrameTranscript::From::kServer};
  std::shared_ptr<http2::Session> session_;
};

TEST_F(InPlace, AReaderWhoWaitsIsResumedWithinTheFrameAndParsesItWhereItLies) {
  Start(/*waits_first=*/false);
  const std::string message = Enveloped(kMessage);
  Send(script_.Data(1, message + message).Data(1, message));
  ASSERT_EQ(tap_->lent.size(), 2u);
  EXPECT_EQ(gatherer_.read, (std::vector<uintptr_t>{tap_->lent[0] + kEnvelopePrefix, tap_->lent[0] + kStride + kEnvelopePrefix,
                                                    tap_->lent[1] + kEnvelopePrefix}));
  EXPECT_EQ(gatherer_.read_during, (std::vector<int>{1, 1, 2}));
  // And the session lends the read block itself, the second frame behind the first.
  EXPECT_TRUE(!frame::Framer::ReuseByDefault() || tap_->lent[1] == tap_->lent[0] + 2 * kStride + frame::kFrameHeaderSize);
  Send(script_.Data(1, "", testing_support::kEndStream));
  EXPECT_TRUE(gatherer_.ended);
}

TEST_F(InPlace, WhatNobodyWaitsForIsParsedOutOfItsOneCopy) {
  Start(/*waits_first=*/true);
  const std::string message = Enveloped(kMessage);
  Send(script_.Data(1, message + message + message));
  ASSERT_EQ(tap_->lent.size(), 1u);
  EXPECT_TRUE(gatherer_.read.empty());
  Let();
  ASSERT_EQ(gatherer_.read.size(), 3u);
  EXPECT_EQ(gatherer_.read_during, (std::vector<int>{0, 0, 0}));
  // Side by side as they came, envelopes between them, so copied once and together; and not where they came.
  const uintptr_t first = gatherer_.read[0];
  EXPECT_EQ(gatherer_.read, (std::vector<uintptr_t>{first, first + kStride, first + 2 * kStride}));
  EXPECT_NE(first, tap_->lent[0] + kEnvelopePrefix);
  // Caught up: the next is read in place again.
  Send(script_.Data(1, message));
  ASSERT_EQ(gatherer_.read.size(), 4u);
  EXPECT_EQ(gatherer_.read[3], tap_->lent[1] + kEnvelopePrefix);
}

TEST_F(InPlace, WhatIsParkedIsBoundedByTheStreamsWindow) {
  constexpr size_t kWindow = 600 * kStride;
  http2::Options options;
  options.initial_window = kWindow;
  options.max_window = 0;
  Start(/*waits_first=*/true, options);
  std::string messages;
  for (int i = 0; i < 100; ++i) messages += Enveloped(kMessage);
  for (int i = 0; i < 6; ++i) Send(script_.Data(1, messages));
  EXPECT_EQ(tap_->lent_bytes, kWindow);
  EXPECT_EQ(Receive().find("stream=1"), std::string::npos) << "credit was given for what nobody has read";
  Let();
  EXPECT_EQ(gatherer_.read.size(), 600u);
  EXPECT_NE(Receive().find("WINDOW_UPDATE stream=1"), std::string::npos);
}

TEST_F(InPlace, APeerThatParksMoreThanTheWindowIsResetAndItsBytesAreDropped) {
  constexpr size_t kWindow = 100 * kStride;
  http2::Options options;
  options.initial_window = kWindow;
  options.max_window = 0;
  Start(/*waits_first=*/true, options);
  std::string messages;
  for (int i = 0; i < 100; ++i) messages += Enveloped(kMessage);
  Send(script_.Data(1, messages));
  Send(script_.Data(1, "x"));
  EXPECT_EQ(tap_->lent_bytes, kWindow);
  EXPECT_NE(Receive().find("RST_STREAM stream=1 FLOW_CONTROL_ERROR"), std::string::npos);
  Let();
  EXPECT_TRUE(gatherer_.ended);
  EXPECT_TRUE(gatherer_.read.empty());
}

// The smallest messages there are, each in a frame of its own: what they park is their bytes, and nothing for each frame.
TEST_F(InPlace, ManyTinyFramesParkTheirBytesAlone) {
  constexpr int kFrames = 10000;
  http2::Options options;
  options.initial_window = kFrames * kEnvelopePrefix;
  options.max_window = 0;
  Start(/*waits_first=*/true, options);
  for (int i = 0; i < kFrames; ++i) script_.Data(1, Enveloped(""));
  std::string bytes = script_.Bytes();
  tap_->lent.reserve(kFrames);
  const testing::AllocationCounter counter;
  SendBytes(std::move(bytes));
  // Far from one per frame: the parked bytes grow by doubling, the session reads a block at a time.
  EXPECT_LT(counter.Count(), 200u);
  EXPECT_EQ(tap_->lent.size(), static_cast<size_t>(kFrames));
  EXPECT_EQ(tap_->lent_bytes, size_t{kFrames} * kEnvelopePrefix);
  Let();
  EXPECT_EQ(gatherer_.read.size(), static_cast<size_t>(kFrames));
}

// --- a client ---

TEST(InPlaceClient, AReaderWhoWaitsParsesMessagesWhereTheyLie) {
  if (!frame::Framer::ReuseByDefault()) GTEST_SKIP() << "frames own their bytes";
  e2e::RawListener listener;
  const absl::StatusOr<std::shared_ptr<Channel>> channel = Channel::Create(listener.address());
  ASSERT_TRUE(channel.ok()) << channel.status();
  ClientContext context;
  ClientReader<Where> reader = CallServerStreaming<Where>(*channel, "/test.Service/Down", context, Text());

  // On the channel's loop: reads the next from within the completion of the last.
  Where message;
  std::vector<uintptr_t> read;
  absl::Notification done;
  std::function<void(bool)> on_read = [&](bool more) {
    if (!more) return done.Notify();
    read.push_back(message.at);
    reader.Read(message, [&](bool another) { on_read(another); });
  };
  reader.Read(message, [&](bool more) { on_read(more); });

  e2e::RawSocket socket = listener.Accept();
  socket.Receive(e2e::kPreface.size());
  socket.Send(e2e::Frame(e2e::kSettings, 0, 0, {}));
  ASSERT_TRUE(e2e::ReceiveFrame(socket, e2e::kHeaders, 1));
  const std::string head = e2e::Field(":status", "200") + e2e::Field("content-type", "application/grpc");
  socket.Send(e2e::Frame(e2e::kHeaders, e2e::kEndHeaders, 1, head) + e2e::GrpcData(1, kMessage, false) + e2e::GrpcData(1, kMessage, false) +
              e2e::Frame(e2e::kHeaders, e2e::kEndHeaders | e2e::kEndStream, 1, e2e::Field("grpc-status", "0")));
  done.WaitForNotification();
  // With the second frame's header between them, as in the read block; parked they would be closer.
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[1], read[0] + kStride + frame::kFrameHeaderSize);
  const absl::Status status = reader.Finish(kBlock);
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace
}  // namespace culvert::rpc
