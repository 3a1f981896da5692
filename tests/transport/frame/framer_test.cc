#include "transport/frame/framer.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "bench/allocation_counter/allocation_counter.h"
#include "transport/base/strings.h"
#include "transport/frame/describe.h"
#include "transport/frame/error.h"
#include "transport/frame/serialize.h"
#include "transport/hpack/encoder.h"
#include "transport/io/poison.h"
#include "transport/io/write_buffer.h"

namespace culvert::frame {
namespace {

using http::HeaderField;

// --- bytes ---

// One frame: any header, any payload. The length is that of the payload unless told.
std::string Raw(uint8_t type, uint8_t flags, StreamId id, std::string_view payload,
                std::optional<uint32_t> length = {}) {
  std::string bytes(kFrameHeaderSize, '\0');
  PutFrameHeader(
      reinterpret_cast<uint8_t*>(bytes.data()),
      {length.value_or(static_cast<uint32_t>(payload.size())), static_cast<FrameType>(type), flags, id});
  return bytes.append(payload);
}

std::string Raw(FrameType type, uint8_t flags, StreamId id, std::string_view payload,
                std::optional<uint32_t> length = {}) {
  return Raw(static_cast<uint8_t>(type), flags, id, payload, length);
}

std::string Int(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}

std::string SettingBytes(uint16_t id, uint32_t value) {
  return std::string{static_cast<char>(id >> 8), static_cast<char>(id)} + Int(value);
}

std::string Setting1(SettingId id, uint32_t value) {
  return Raw(FrameType::kSettings, 0, 0, SettingBytes(static_cast<uint16_t>(id), value));
}

// What the serializer appends.
std::string Written(const std::function<void(io::WriteBuffer&)>& append) {
  io::BlockPool pool;
  io::WriteBuffer out(pool);
  append(out);
  std::array<iovec, 64> pieces;
  const size_t count = out.Gather(pieces);
  std::string bytes;
  for (size_t i = 0; i < count; ++i)
    bytes.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
  return bytes;
}

// A header block, without Huffman coding or the dynamic table: "name" = "value", and :method = GET.
const std::string kBlock = std::string("\x82\x00\x04name\x05value", 13);
// HEADERS of stream 1 whose block adds aa=1 to the table; kSecond then refers to it.
const std::string kAddsToTable = std::string(
    "\x40\x02"
    "aa\x01"
    "1",
    6);
const std::string kRefersToTable = "\xbe";

// --- a framer, fed in pieces ---

// A copy of what a frame is, outside of its lease.
std::string Show(const Frame& frame) { return Describe(frame); }

class Reader {
 public:
  explicit Reader(const Framer::Options& options = {}) : framer_(pool_, options) {}

  void Feed(std::string_view bytes) {
    while (!bytes.empty()) {
      const std::span<uint8_t> space = framer_.Space();
      const size_t n = std::min(space.size(), bytes.size());
      std::memcpy(space.data(), bytes.data(), n);
      framer_.Feed(n);
      bytes.remove_prefix(n);
    }
  }

  absl::StatusOr<FrameRef> Read() { return framer_.ReadFrame(); }

  // The next frame, which must be there.
  FrameRef Next() {
    absl::StatusOr<FrameRef> frame = framer_.ReadFrame();
    EXPECT_TRUE(frame.ok()) << frame.status();
    if (!frame.ok()) return FrameRef();
    EXPECT_TRUE(static_cast<bool>(*frame)) << "more bytes are needed";
    return *std::move(frame);
  }

  bool NeedsMore() {
    const absl::StatusOr<FrameRef> frame = framer_.ReadFrame();
    return frame.ok() && !*frame;
  }

  Framer& framer() { return framer_; }

 private:
  io::BlockPool pool_;
  Framer framer_;
};

// Everything that a framer says about `bytes`, fed in pieces that end at the given offsets: one line per
// frame or error.
std::string Transcript(std::string_view bytes, const std::vector<size_t>& cuts,
                       const Framer::Options& options = {}, bool reuse = true, bool park = false) {
  Reader reader(options);
  reader.framer().SetReuseFrames(reuse);
  std::string text;
  size_t fed = 0;
  for (size_t i = 0; i <= cuts.size(); ++i) {
    const size_t end = i < cuts.size() ? cuts[i] : bytes.size();
    reader.Feed(bytes.substr(fed, end - fed));
    fed = end;
    for (;;) {
      const absl::StatusOr<FrameRef> frame = reader.Read();
      if (frame.ok() && !*frame) break;
      if (frame.ok()) {
        text += Show(**frame) + "\n";
        continue;
      }
      const std::optional<WireError> error = GetWireError(frame.status());
      if (!error) return text + "not a wire error";
      text += StrCat("error ", error->stream_id, " ", ErrorCodeName(error->code), " ", error->token, "\n");
      if (error->stream_id == 0) return text;
    }
    if (park) reader.framer().Park();
  }
  return text;
}

// --- every type, whole and in pieces ---

// One of each, and what is unusual about each: padding, priority, CONTINUATION, unknown types and settings.
std::string EveryFrame() {
  const std::string padded_headers =
      std::string("\x03\x80\x00\x00\x05\x0f", 6) + kBlock + std::string(3, '\0');
  return Raw(FrameType::kSettings, 0, 0,
             SettingBytes(4, 65536) + SettingBytes(5, 32768) + SettingBytes(0x1234, 7)) +
         Raw(FrameType::kSettings, flags::kAck, 0, "") +
         Raw(FrameType::kHeaders, flags::kEndHeaders, 1, kBlock) +
         Raw(FrameType::kHeaders, flags::kEndHeaders | flags::kEndStream | flags::kPadded | flags::kPriority,
             3, padded_headers) +
         Raw(FrameType::kHeaders, flags::kEndStream, 7, kBlock.substr(0, 3)) +
         Raw(FrameType::kContinuation, 0, 7, "") + Raw(FrameType::kContinuation, 0, 7, kBlock.substr(3, 5)) +
         Raw(FrameType::kContinuation, flags::kEndHeaders, 7, kBlock.substr(8)) +
         Raw(FrameType::kData, 0, 1, "hello") +
         Raw(FrameType::kData, flags::kEndStream | flags::kPadded, 1,
             std::string("\x04") + "padded" + std::string(4, '\0')) +
         Raw(FrameType::kData, flags::kEndStream, 3, "") +
         Raw(FrameType::kPriority, 0, 9, Int(0x80000003) + "\x10") +
         Raw(FrameType::kRstStream, 0, 1, Int(8)) +
         Raw(FrameType::kPushPromise, 0, 1, Int(2) + kBlock.substr(0, 1)) +
         Raw(FrameType::kContinuation, flags::kEndHeaders, 1, kBlock.substr(1)) +
         Raw(FrameType::kPing, 0, 0, "01234567") + Raw(FrameType::kPing, flags::kAck, 0, "01234567") +
         Raw(FrameType::kWindowUpdate, 0, 0, Int(65536)) +
         Raw(FrameType::kWindowUpdate, 0, 1, Int(0x80000001)) +
         Raw(FrameType::kPriorityUpdate, 0xff, 0, Int(0x80000009) + "u=1, i") +
         Raw(uint8_t{0xf0}, 0xff, 5, "whatever") +
         Raw(FrameType::kGoAway, 0, 0, Int(0x80000007) + Int(11) + "too many");
}

constexpr std::string_view kEveryFrame =
    "SETTINGS len=18 INITIAL_WINDOW_SIZE=65536 MAX_FRAME_SIZE=32768 UNKNOWN(4660)=7\n"
    "SETTINGS len=0 ACK\n"
    "HEADERS stream=1 len=13 END_HEADERS :method=GET name=value\n"
    "HEADERS stream=3 len=22 END_STREAM END_HEADERS PADDED PRIORITY depends_on=5 weight=16 exclusive "
    ":method=GET name=value\n"
    "HEADERS stream=7 len=3 END_STREAM END_HEADERS :method=GET name=value\n"
    "DATA stream=1 len=5 data=hello\n"
    "DATA stream=1 len=11 END_STREAM PADDED data=padded\n"
    "DATA stream=3 len=0 END_STREAM\n"
    "PRIORITY stream=9 len=5 depends_on=3 weight=17 exclusive\n"
    "RST_STREAM stream=1 len=4 CANCEL\n"
    "PUSH_PROMISE stream=1 len=5 END_HEADERS promised=2 :method=GET name=value\n"
    "PING len=8 3031323334353637\n"
    "PING len=8 ACK 3031323334353637\n"
    "WINDOW_UPDATE len=4 increment=65536\n"
    "WINDOW_UPDATE stream=1 len=4 increment=1\n"
    "PRIORITY_UPDATE len=10 prioritized=9 priority=u=1, i\n"
    "UNKNOWN(240) stream=5 len=8 flags=255 payload=whatever\n"
    "GOAWAY len=16 last=7 ENHANCE_YOUR_CALM debug=too many\n";

TEST(Framer, ReadsEveryTypeOfFrame) { EXPECT_EQ(Transcript(EveryFrame(), {}), kEveryFrame); }

TEST(Framer, ReadsTheSameOneByteAtATime) {
  const std::string bytes = EveryFrame();
  std::vector<size_t> cuts;
  for (size_t i = 1; i < bytes.size(); ++i) cuts.push_back(i);
  EXPECT_EQ(Transcript(bytes, cuts), kEveryFrame);
  EXPECT_EQ(Transcript(bytes, cuts, {}, true, /*park=*/true), kEveryFrame);
}

TEST(Framer, ReadsTheSameCutAtEveryByte) {
  const std::string bytes = EveryFrame();
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    EXPECT_EQ(Transcript(bytes, {cut}), kEveryFrame) << cut;
    EXPECT_EQ(Transcript(bytes, {cut}, {}, true, /*park=*/true), kEveryFrame) << cut;
  }
}

TEST(Framer, ReadsTheSameWithReuseOff) {
  const std::string bytes = EveryFrame();
  EXPECT_EQ(Transcript(bytes, {}, {}, /*reuse=*/false), kEveryFrame);
  EXPECT_EQ(Transcript(bytes, {bytes.size() / 2}, {}, /*reuse=*/false), kEveryFrame);
}

TEST(Framer, GivesThePartsOfEachFrame) {
  Reader reader;
  reader.Feed(EveryFrame());

  FrameRef frame = reader.Next();
  EXPECT_EQ(frame->header, (FrameHeader{18, FrameType::kSettings, 0, 0}));
  const auto& settings = frame->as<SettingsFrame>();
  EXPECT_FALSE(settings.ack);
  ASSERT_EQ(settings.settings.size(), 3u);
  EXPECT_EQ(settings.settings[0], (Setting{SettingId::kInitialWindowSize, 65536}));
  EXPECT_EQ(settings.settings[2], (Setting{static_cast<SettingId>(0x1234), 7}));

  frame = reader.Next();
  EXPECT_TRUE(frame->as<SettingsFrame>().ack);
  EXPECT_TRUE(frame->as<SettingsFrame>().settings.empty());

  frame = reader.Next();
  EXPECT_EQ(frame->header, (FrameHeader{13, FrameType::kHeaders, flags::kEndHeaders, 1}));
  ASSERT_NE(frame->as<HeadersFrame>().fields, nullptr);
  EXPECT_EQ((*frame->as<HeadersFrame>().fields)[1], (HeaderField{"name", "value"}));
  EXPECT_FALSE(frame->as<HeadersFrame>().end_stream);
  EXPECT_FALSE(frame->as<HeadersFrame>().has_priority);
  EXPECT_FALSE(frame->as<HeadersFrame>().truncated);

  frame = reader.Next();
  EXPECT_TRUE(frame->as<HeadersFrame>().end_stream);
  EXPECT_TRUE(frame->as<HeadersFrame>().has_priority);
  EXPECT_EQ(frame->as<HeadersFrame>().priority, (Priority{.depends_on = 5, .exclusive = true, .weight = 15}));

  frame = reader.Next();
  EXPECT_EQ(frame->header, (FrameHeader{3, FrameType::kHeaders, flags::kEndHeaders | flags::kEndStream, 7}));
  EXPECT_EQ(frame->as<HeadersFrame>().fields->size(), 2u);

  frame = reader.Next();
  EXPECT_EQ(frame->as<DataFrame>().flow_controlled_length, 5u);
  EXPECT_FALSE(frame->as<DataFrame>().end_stream);

  frame = reader.Next();
  EXPECT_EQ(frame->as<DataFrame>().data.size(), 6u);
  EXPECT_EQ(frame->as<DataFrame>().flow_controlled_length, 11u) << "padding and its length are charged";
  EXPECT_TRUE(frame->as<DataFrame>().end_stream);

  frame = reader.Next();
  EXPECT_EQ(frame->as<DataFrame>().flow_controlled_length, 0u);

  frame = reader.Next();
  EXPECT_EQ(frame->as<PriorityFrame>().priority,
            (Priority{.depends_on = 3, .exclusive = true, .weight = 16}));
  frame = reader.Next();
  EXPECT_EQ(frame->as<RstStreamFrame>().error_code, ErrorCode::kCancel);
  frame = reader.Next();
  EXPECT_EQ(frame->as<PushPromiseFrame>().promised_stream_id, 2u);
  EXPECT_EQ(frame->as<PushPromiseFrame>().fields->size(), 2u);
  frame = reader.Next();
  EXPECT_EQ(frame->as<PingFrame>().opaque, (std::array<uint8_t, 8>{'0', '1', '2', '3', '4', '5', '6', '7'}));
  EXPECT_FALSE(frame->as<PingFrame>().ack);
  frame = reader.Next();
  EXPECT_TRUE(frame->as<PingFrame>().ack);
  frame = reader.Next();
  EXPECT_EQ(frame->as<WindowUpdateFrame>().increment, 65536u);
  frame = reader.Next();
  EXPECT_EQ(frame->as<WindowUpdateFrame>().increment, 1u) << "the reserved bit is ignored";
  frame = reader.Next();
  EXPECT_EQ(frame->as<PriorityUpdateFrame>().prioritized_stream_id, 9u) << "the reserved bit is ignored";
  EXPECT_EQ(frame->as<PriorityUpdateFrame>().field_value.size(), 6u);
  frame = reader.Next();
  EXPECT_EQ(frame->as<UnknownFrame>().payload.size(), 8u);
  frame = reader.Next();
  EXPECT_EQ(frame->as<GoAwayFrame>().last_stream_id, 7u) << "the reserved bit is ignored";
  EXPECT_EQ(frame->as<GoAwayFrame>().error_code, ErrorCode::kEnhanceYourCalm);
  EXPECT_EQ(frame->as<GoAwayFrame>().debug_data.size(), 8u);
  EXPECT_TRUE(reader.NeedsMore());
}

TEST(Framer, IgnoresTheReservedBitOfTheStreamId) {
  Reader reader;
  std::string bytes = Raw(FrameType::kData, 0, 1, "x");
  bytes[5] = static_cast<char>(0x80);
  reader.Feed(bytes);
  EXPECT_EQ(reader.Next()->header.stream_id, 1u);
}

TEST(Framer, ReadsAFrameOfTheGreatestLength) {
  Reader reader;
  reader.Feed(Raw(FrameType::kData, 0, 1, std::string(kMinMaxFrameSize, 'x')));
  EXPECT_EQ(reader.Next()->as<DataFrame>().data.size(), kMinMaxFrameSize);

  Reader large({.max_frame_size = Framer::kLargestFrame});
  for (int i = 0; i < 10; ++i) {
    large.Feed(Raw(FrameType::kData, 0, 1, std::string(Framer::kLargestFrame, 'x')));
    EXPECT_EQ(large.Next()->as<DataFrame>().data.size(), Framer::kLargestFrame);
  }
}

TEST(Framer, ReadsWhatTheSerializerWrites) {
  hpack::Encoder encoder;
  const std::vector<HeaderField> fields = {
      {":status", "200"}, {"grpc-status", "0"}, {"authorization", "me", true}};
  const std::string bytes = Written([&](io::WriteBuffer& out) {
    AppendSettings(
        out, std::array{Setting{SettingId::kMaxConcurrentStreams, 100}, Setting{SettingId::kEnablePush, 0}});
    AppendSettingsAck(out);
    AppendHeaders(out, encoder, 1, fields, false, kMinMaxFrameSize);
    std::memcpy(AppendDataFrame(out, 1, 3, false), "abc", 3);
    AppendDataFrame(out, 1, io::SharedBytes::Copy("shared"), false);
    AppendDataFrame(out, 1, io::SharedBytes::Copy(std::string(8000, 's')), true);
    AppendPriority(out, 3, {.depends_on = 1, .exclusive = true, .weight = 7});
    AppendRstStream(out, 1, ErrorCode::kStreamClosed);
    AppendPushPromise(out, encoder, 1, 4, fields);
    AppendPing(out, {1, 2, 3, 4, 5, 6, 7, 8}, true);
    AppendWindowUpdate(out, 3, 12345);
    AppendGoAway(out, 3, ErrorCode::kNoError, "bye");
  });
  EXPECT_EQ(Transcript(bytes, {}),
            "SETTINGS len=12 MAX_CONCURRENT_STREAMS=100 ENABLE_PUSH=0\n"
            "SETTINGS len=0 ACK\n"
            "HEADERS stream=1 len=" +
                std::to_string(static_cast<uint8_t>(bytes[32])) +
                " END_HEADERS :status=200 grpc-status=0 authorization=<2 bytes>\n"
                "DATA stream=1 len=3 data=abc\n"
                "DATA stream=1 len=6 data=shared\n"
                "DATA stream=1 len=8000 END_STREAM data=ssssssssssssssss...\n"
                "PRIORITY stream=3 len=5 depends_on=1 weight=8 exclusive\n"
                "RST_STREAM stream=1 len=4 STREAM_CLOSED\n"
                "PUSH_PROMISE stream=1 len=" +
                std::to_string(4 + 2 + 5) +
                " END_HEADERS promised=4 :status=200 grpc-status=0 authorization=<2 bytes>\n"
                "PING len=8 ACK 0102030405060708\n"
                "WINDOW_UPDATE stream=3 len=4 increment=12345\n"
                "GOAWAY len=11 last=3 NO_ERROR debug=bye\n");
}

// --- errors ---

struct Broken {
  std::string_view rule;
  std::string bytes;
  StreamId stream;  // 0: connection
  ErrorCode code;
  std::string_view token;
};

std::string TooManySettings() {
  std::string payload;
  for (int i = 0; i < 65; ++i) payload += SettingBytes(3, 1);
  return Raw(FrameType::kSettings, 0, 0, payload);
}

std::vector<Broken> BrokenFrames() {
  const auto protocol = ErrorCode::kProtocolError;
  const auto size = ErrorCode::kFrameSizeError;
  const std::string one = Raw(FrameType::kHeaders, 0, 1, kBlock);
  // clang-format off: one rule a line
  return {
      // 4.2
      {"4.2: longer than we allow", Raw(FrameType::kData, 0, 1, std::string(kMinMaxFrameSize + 1, 'x')), 0, size, "frame_too_long"},
      {"4.2: longer than we allow, said by the header alone", Raw(FrameType::kPing, 0, 0, "", kMaxMaxFrameSize), 0, size, "frame_too_long"},
      // 6.1
      {"6.1: DATA on stream 0", Raw(FrameType::kData, 0, 0, "x"), 0, protocol, "data_stream_0"},
      {"6.1: padding as long as the payload", Raw(FrameType::kData, flags::kPadded, 1, std::string("\x02x", 2)), 0, protocol, "data_pad_too_big"},
      {"6.1: padding longer than the payload", Raw(FrameType::kData, flags::kPadded, 1, std::string("\xffx", 2)), 0, protocol, "data_pad_too_big"},
      {"6.1: PADDED without a pad length", Raw(FrameType::kData, flags::kPadded, 1, ""), 0, size, "data_pad_short"},
      // 6.2
      {"6.2: HEADERS on stream 0", Raw(FrameType::kHeaders, flags::kEndHeaders, 0, kBlock), 0, protocol, "headers_stream_0"},
      {"6.2: padding too long", Raw(FrameType::kHeaders, flags::kEndHeaders | flags::kPadded, 1, "\x05\x82"), 0, protocol, "headers_pad_too_big"},
      {"6.2: padding that reaches into the priority", Raw(FrameType::kHeaders, flags::kEndHeaders | flags::kPadded | flags::kPriority, 1, std::string("\x01\0\0\0\0\0", 6)), 0, protocol, "headers_pad_too_big"},
      {"6.2: PADDED without a pad length", Raw(FrameType::kHeaders, flags::kEndHeaders | flags::kPadded, 1, ""), 0, size, "headers_pad_short"},
      {"6.2: PRIORITY without room for it", Raw(FrameType::kHeaders, flags::kEndHeaders | flags::kPriority, 1, std::string(4, '\0')), 0, size, "headers_priority_short"},
      {"6.2: PADDED and PRIORITY without room for both", Raw(FrameType::kHeaders, flags::kEndHeaders | flags::kPadded | flags::kPriority, 1, std::string(5, '\0')), 0, size, "headers_priority_short"},
      {"6.2: HEADERS that depends on itself", Raw(FrameType::kHeaders, flags::kEndHeaders | flags::kPriority, 3, Int(3) + "\x10" + kBlock), 3, protocol, "self_dependency"},
      {"6.2: the same, continued", Raw(FrameType::kHeaders, flags::kPriority, 3, Int(3) + "\x10") + Raw(FrameType::kContinuation, flags::kEndHeaders, 3, kBlock), 3, protocol, "self_dependency"},
      {"4.3: header block that cannot be decoded", Raw(FrameType::kHeaders, flags::kEndHeaders, 1, "\x80"), 0, ErrorCode::kCompressionError, "header_block"},
      {"4.3: header block that ends too early", Raw(FrameType::kHeaders, flags::kEndHeaders, 1, kBlock.substr(0, 5)), 0, ErrorCode::kCompressionError, "header_block"},
      {"4.3: header block that cannot be decoded, continued", one + Raw(FrameType::kContinuation, 0, 1, "\x80"), 0, ErrorCode::kCompressionError, "header_block"},
      // 6.3
      {"6.3: PRIORITY on stream 0", Raw(FrameType::kPriority, 0, 0, Int(3) + "\x10"), 0, protocol, "priority_stream_0"},
      {"6.3: PRIORITY that is too short", Raw(FrameType::kPriority, 0, 5, Int(3)), 5, size, "priority_length"},
      {"6.3: PRIORITY that is too long", Raw(FrameType::kPriority, 0, 5, Int(3) + "\x10\x10"), 5, size, "priority_length"},
      {"6.3: PRIORITY that depends on itself", Raw(FrameType::kPriority, 0, 5, Int(0x80000005) + "\x10"), 5, protocol, "self_dependency"},
      // 6.4
      {"6.4: RST_STREAM on stream 0", Raw(FrameType::kRstStream, 0, 0, Int(8)), 0, protocol, "rst_stream_0"},
      {"6.4: RST_STREAM that is too short", Raw(FrameType::kRstStream, 0, 1, "123"), 0, size, "rst_length"},
      {"6.4: RST_STREAM that is too long", Raw(FrameType::kRstStream, 0, 1, "12345"), 0, size, "rst_length"},
      // 6.5
      {"6.5: SETTINGS on a stream", Raw(FrameType::kSettings, 0, 1, ""), 0, protocol, "settings_on_stream"},
      {"6.5: ACK with a payload", Raw(FrameType::kSettings, flags::kAck, 0, SettingBytes(3, 1)), 0, size, "settings_ack_length"},
      {"6.5: not a multiple of six", Raw(FrameType::kSettings, 0, 0, "12345"), 0, size, "settings_length"},
      {"6.5: a flood of settings", TooManySettings(), 0, ErrorCode::kEnhanceYourCalm, "settings_too_many"},
      {"6.5.2: ENABLE_PUSH of 2", Setting1(SettingId::kEnablePush, 2), 0, protocol, "settings_value"},
      {"6.5.2: INITIAL_WINDOW_SIZE of 2^31", Setting1(SettingId::kInitialWindowSize, 0x80000000), 0, ErrorCode::kFlowControlError, "settings_initial_window"},
      {"6.5.2: MAX_FRAME_SIZE of 16383", Setting1(SettingId::kMaxFrameSize, 16383), 0, protocol, "settings_value"},
      {"6.5.2: MAX_FRAME_SIZE of 2^24", Setting1(SettingId::kMaxFrameSize, 1 << 24), 0, protocol, "settings_value"},
      {"RFC 8441 3: ENABLE_CONNECT_PROTOCOL of 2", Setting1(SettingId::kEnableConnectProtocol, 2), 0, protocol, "settings_value"},
      {"RFC 9218 2.1: NO_RFC7540_PRIORITIES of 2", Setting1(SettingId::kNoRfc7540Priorities, 2), 0, protocol, "settings_value"},
      // 6.6
      {"6.6: PUSH_PROMISE on stream 0", Raw(FrameType::kPushPromise, flags::kEndHeaders, 0, Int(2) + kBlock), 0, protocol, "push_promise_stream_0"},
      {"6.6: PUSH_PROMISE that is too short", Raw(FrameType::kPushPromise, flags::kEndHeaders, 1, "123"), 0, size, "push_promise_short"},
      {"6.6: PUSH_PROMISE of stream 0", Raw(FrameType::kPushPromise, flags::kEndHeaders, 1, Int(0) + kBlock), 0, protocol, "push_promise_of_0"},
      {"6.6: padding too long", Raw(FrameType::kPushPromise, flags::kEndHeaders | flags::kPadded, 1, "\x09" + Int(2)), 0, protocol, "push_promise_pad_too_big"},
      {"6.6: PADDED without a pad length", Raw(FrameType::kPushPromise, flags::kEndHeaders | flags::kPadded, 1, ""), 0, size, "push_promise_pad_short"},
      // 6.7
      {"6.7: PING on a stream", Raw(FrameType::kPing, 0, 1, "01234567"), 0, protocol, "ping_on_stream"},
      {"6.7: PING that is too short", Raw(FrameType::kPing, 0, 0, "0123456"), 0, size, "ping_length"},
      {"6.7: PING that is too long", Raw(FrameType::kPing, 0, 0, "012345678"), 0, size, "ping_length"},
      // 6.8
      {"6.8: GOAWAY on a stream", Raw(FrameType::kGoAway, 0, 1, Int(0) + Int(0)), 0, protocol, "goaway_on_stream"},
      {"6.8: GOAWAY that is too short", Raw(FrameType::kGoAway, 0, 0, "0123456"), 0, size, "goaway_length"},
      // 6.9
      {"6.9: WINDOW_UPDATE of 0 for the connection", Raw(FrameType::kWindowUpdate, 0, 0, Int(0)), 0, protocol, "window_update_0"},
      {"6.9: WINDOW_UPDATE of 0 for a stream", Raw(FrameType::kWindowUpdate, 0, 9, Int(0x80000000)), 9, protocol, "window_update_0"},
      {"6.9: WINDOW_UPDATE that is too short", Raw(FrameType::kWindowUpdate, 0, 1, "123"), 0, size, "window_update_length"},
      {"6.9: WINDOW_UPDATE that is too long", Raw(FrameType::kWindowUpdate, 0, 0, "12345"), 0, size, "window_update_length"},
      // RFC 9218
      {"RFC 9218 7.1: PRIORITY_UPDATE on a stream", Raw(FrameType::kPriorityUpdate, 0, 1, Int(1) + "u=1"), 0, protocol, "priority_update_on_stream"},
      {"RFC 9218 7.1: PRIORITY_UPDATE that is too short", Raw(FrameType::kPriorityUpdate, 0, 0, "123"), 0, size, "priority_update_length"},
      {"RFC 9218 7.1: PRIORITY_UPDATE of stream 0", Raw(FrameType::kPriorityUpdate, 0, 0, Int(0x80000000) + "u=1"), 0, protocol, "priority_update_of_0"},
      // 6.10
      {"6.10: CONTINUATION of nothing", Raw(FrameType::kContinuation, flags::kEndHeaders, 1, kBlock), 0, protocol, "continuation_unexpected"},
      {"6.10: CONTINUATION after END_HEADERS", Raw(FrameType::kHeaders, flags::kEndHeaders, 1, kBlock) + Raw(FrameType::kContinuation, flags::kEndHeaders, 1, kBlock), 0, protocol, "continuation_unexpected"},
      {"6.10: CONTINUATION of another stream", one + Raw(FrameType::kContinuation, flags::kEndHeaders, 3, kBlock), 0, protocol, "header_block_interrupted"},
      {"6.10: CONTINUATION on stream 0", one + Raw(FrameType::kContinuation, flags::kEndHeaders, 0, kBlock), 0, protocol, "header_block_interrupted"},
      {"6.10: DATA within a header block", one + Raw(FrameType::kData, 0, 1, "x"), 0, protocol, "header_block_interrupted"},
      {"6.10: HEADERS within a header block", one + Raw(FrameType::kHeaders, flags::kEndHeaders, 1, kBlock), 0, protocol, "header_block_interrupted"},
      {"6.10: an unknown frame within a header block", one + Raw(uint8_t{0xf0}, 0, 1, "x"), 0, protocol, "header_block_interrupted"},
      {"6.10: PING within a promise's header block", Raw(FrameType::kPushPromise, 0, 1, Int(2)) + Raw(FrameType::kPing, 0, 0, "01234567"), 0, protocol, "header_block_interrupted"},
  };
  // clang-format on
}

TEST(Framer, RefusesWhatRfc9113ForbidsWithTheRightCodeAndScope) {
  for (const Broken& broken : BrokenFrames()) {
    const std::string expected =
        StrCat("error ", broken.stream, " ", ErrorCodeName(broken.code), " ", broken.token, "\n");
    // After a stream error the framer goes on.
    const std::string ping = Raw(FrameType::kPing, 0, 0, "01234567");
    const std::string after = broken.stream == 0 ? "" : "PING len=8 3031323334353637\n";
    std::string answer = Transcript(broken.bytes + ping, {});
    answer = answer.substr(answer.find("error"));
    EXPECT_EQ(answer, expected + after) << broken.rule;
    if (broken.bytes.size() > 1000) continue;
    std::vector<size_t> cuts;
    for (size_t i = 1; i < broken.bytes.size(); ++i) cuts.push_back(i);
    answer = Transcript(broken.bytes + ping, cuts);
    EXPECT_EQ(answer.substr(answer.find("error")), expected + after) << broken.rule << ", one byte at a time";
  }
}

TEST(Framer, AcceptsTheLimitsOfEachSetting) {
  for (const auto& [id, value] :
       std::vector<std::pair<SettingId, uint32_t>>{{SettingId::kEnablePush, 0},
                                                   {SettingId::kEnablePush, 1},
                                                   {SettingId::kInitialWindowSize, 0},
                                                   {SettingId::kInitialWindowSize, 0x7fffffff},
                                                   {SettingId::kMaxFrameSize, 16384},
                                                   {SettingId::kMaxFrameSize, 16777215},
                                                   {SettingId::kHeaderTableSize, 0xffffffff},
                                                   {SettingId::kMaxConcurrentStreams, 0},
                                                   {SettingId::kMaxHeaderListSize, 0},
                                                   {SettingId::kEnableConnectProtocol, 1},
                                                   {SettingId::kNoRfc7540Priorities, 0},
                                                   {SettingId::kNoRfc7540Priorities, 1}}) {
    Reader reader;
    reader.Feed(Setting1(id, value));
    const FrameRef frame = reader.Next();
    ASSERT_EQ(frame->as<SettingsFrame>().settings.size(), 1u);
    EXPECT_EQ(frame->as<SettingsFrame>().settings[0], (Setting{id, value}));
  }
}

TEST(Framer, AcceptsPaddingThatLeavesNothing) {
  Reader reader;
  reader.Feed(Raw(FrameType::kData, flags::kPadded, 1, std::string("\x02\0\0", 3)));
  const FrameRef frame = reader.Next();
  EXPECT_TRUE(frame->as<DataFrame>().data.empty());
  EXPECT_EQ(frame->as<DataFrame>().flow_controlled_length, 3u);
}

TEST(Framer, AConnectionErrorIsAnsweredEverAfter) {
  Reader reader;
  reader.Feed(Raw(FrameType::kPing, 0, 0, "short") + Raw(FrameType::kPing, 0, 0, "01234567"));
  const absl::Status first = reader.Read().status();
  EXPECT_FALSE(first.ok());
  EXPECT_EQ(reader.framer().last_header().type, FrameType::kPing);
  EXPECT_TRUE(reader.framer().unread().empty());
  reader.Feed(Raw(FrameType::kPing, 0, 0, "01234567"));
  EXPECT_EQ(reader.Read().status(), first);
  reader.framer().Park();
  EXPECT_EQ(reader.Read().status(), first);
}

TEST(Framer, LastHeaderTellsWhichFrameTheErrorWasAbout) {
  Reader reader;
  reader.Feed(Raw(FrameType::kWindowUpdate, 0, 9, Int(0)) +
              Raw(FrameType::kHeaders, flags::kPriority, 3, Int(3) + "\x10") +
              Raw(FrameType::kContinuation, flags::kEndHeaders, 3, kBlock) +
              Raw(FrameType::kData, 0, 5, "", 99999));
  EXPECT_FALSE(reader.Read().ok());
  EXPECT_EQ(reader.framer().last_header(), (FrameHeader{4, FrameType::kWindowUpdate, 0, 9}));
  EXPECT_FALSE(reader.Read().ok());
  EXPECT_EQ(reader.framer().last_header().type, FrameType::kHeaders);
  EXPECT_EQ(reader.framer().last_header().stream_id, 3u);
  EXPECT_FALSE(reader.Read().ok());
  EXPECT_EQ(reader.framer().last_header(), (FrameHeader{99999, FrameType::kData, 0, 5}));
}

// --- header blocks ---

TEST(Framer, AHeaderBlockWithAStreamErrorStillKeepsHpackInStep) {
  for (const bool continued : {false, true}) {
    Reader reader;
    const std::string priority = Int(3) + "\x10";
    if (continued) {
      reader.Feed(Raw(FrameType::kHeaders, flags::kPriority, 3, priority + kAddsToTable.substr(0, 2)) +
                  Raw(FrameType::kContinuation, flags::kEndHeaders, 3, kAddsToTable.substr(2)));
    } else {
      reader.Feed(
          Raw(FrameType::kHeaders, flags::kPriority | flags::kEndHeaders, 3, priority + kAddsToTable));
    }
    reader.Feed(Raw(FrameType::kHeaders, flags::kEndHeaders, 5, kRefersToTable));
    EXPECT_EQ(GetWireError(reader.Read().status())->stream_id, 3u);
    const FrameRef frame = reader.Next();
    EXPECT_EQ(frame->header.stream_id, 5u);
    ASSERT_EQ(frame->as<HeadersFrame>().fields->size(), 1u);
    EXPECT_EQ((*frame->as<HeadersFrame>().fields)[0], (HeaderField{"aa", "1"}));
  }
}

TEST(Framer, ATruncatedListIsMarkedAndHpackStaysInStep) {
  Reader reader({.max_header_list_size = 60});
  reader.Feed(Raw(FrameType::kHeaders, flags::kEndHeaders, 1, "\x82" + kAddsToTable) +
              Raw(FrameType::kHeaders, flags::kEndHeaders, 3, kRefersToTable));
  FrameRef frame = reader.Next();
  EXPECT_TRUE(frame->as<HeadersFrame>().truncated);
  ASSERT_EQ(frame->as<HeadersFrame>().fields->size(), 1u);
  EXPECT_EQ((*frame->as<HeadersFrame>().fields)[0].name, ":method");
  frame = reader.Next();
  EXPECT_FALSE(frame->as<HeadersFrame>().truncated);
  EXPECT_EQ((*frame->as<HeadersFrame>().fields)[0].name, "aa");
}

TEST(Framer, TooManyFieldsTruncateTheList) {
  Reader reader({.max_header_fields = 3});
  reader.Feed(Raw(FrameType::kHeaders, 0, 1, "\x82\x82") +
              Raw(FrameType::kContinuation, flags::kEndHeaders, 1, "\x82\x82"));
  const FrameRef frame = reader.Next();
  EXPECT_TRUE(frame->as<HeadersFrame>().truncated);
  EXPECT_EQ(frame->as<HeadersFrame>().fields->size(), 3u);
}

TEST(Framer, CountsContinuationsOfABlockEvenEmptyOnes) {
  const auto block = [](int continuations) {
    std::string bytes = Raw(FrameType::kHeaders, 0, 1, kBlock);
    for (int i = 1; i < continuations; ++i) bytes += Raw(FrameType::kContinuation, 0, 1, "");
    return bytes + Raw(FrameType::kContinuation, flags::kEndHeaders, 1, "");
  };
  const Framer::Options options{.max_continuations = 3};
  const std::string good = "HEADERS stream=1 len=13 END_HEADERS :method=GET name=value\n";
  EXPECT_EQ(Transcript(block(3) + block(3) + block(4), {}, options),
            good + good + "error 0 ENHANCE_YOUR_CALM continuation_flood\n");
}

TEST(Framer, UntilOurSettingsAreAckedThePeerMayUseTheDefaultTable) {
  Reader reader({.header_table_size = 0});
  reader.Feed(Raw(FrameType::kHeaders, flags::kEndHeaders, 1, kAddsToTable) +
              Raw(FrameType::kHeaders, flags::kEndHeaders, 3, kRefersToTable));
  EXPECT_EQ(reader.Next()->as<HeadersFrame>().fields->size(), 1u);
  EXPECT_EQ(reader.Next()->as<HeadersFrame>().fields->size(), 1u);
  reader.framer().OnSettingsAcked();
  reader.Feed(Raw(FrameType::kHeaders, flags::kEndHeaders, 5, "\x20\x82"));
  EXPECT_EQ(reader.Next()->as<HeadersFrame>().fields->size(), 1u);
  reader.Feed(Raw(FrameType::kHeaders, flags::kEndHeaders, 7, kRefersToTable));
  EXPECT_EQ(GetWireError(reader.Read().status())->code, ErrorCode::kCompressionError);
}

// --- preface ---

TEST(Framer, SkipsThePrefaceHoweverItIsCut) {
  const std::string bytes = std::string(kConnectionPreface) + Raw(FrameType::kSettings, 0, 0, "");
  const Framer::Options options{.expect_preface = true};
  for (size_t cut = 0; cut <= bytes.size(); ++cut)
    EXPECT_EQ(Transcript(bytes, {cut}, options), "SETTINGS len=0\n") << cut;
  Reader reader(options);
  reader.Feed(kConnectionPreface.substr(0, 23));
  EXPECT_TRUE(reader.NeedsMore());
  EXPECT_EQ(reader.framer().unread().size(), 23u);
}

TEST(Framer, RefusesAWrongPrefaceAtItsFirstWrongByte) {
  for (size_t i = 0; i < kConnectionPreface.size(); ++i) {
    Reader reader({.expect_preface = true});
    reader.Feed(kConnectionPreface.substr(0, i));
    EXPECT_TRUE(reader.NeedsMore());
    reader.Feed("#");
    const std::optional<WireError> error = GetWireError(reader.Read().status());
    ASSERT_TRUE(error.has_value()) << i;
    EXPECT_EQ(error->stream_id, 0u);
    EXPECT_EQ(error->code, ErrorCode::kProtocolError);
    EXPECT_EQ(error->token, "preface");
  }
}

TEST(Framer, HintsAtWhatAWrongPrefaceLooksLike) {
  const auto text = [](std::string_view bytes, bool expect_preface) {
    Reader reader({.expect_preface = expect_preface});
    reader.Feed(bytes);
    return std::string(reader.Read().status().message());
  };
  EXPECT_NE(text("GET / HTTP/1.1\r\n", true).find("HTTP/1.1 request"), std::string::npos);
  EXPECT_NE(text("POST / HTTP/1.1\r\n", true).find("HTTP/1.1 request"), std::string::npos);
  EXPECT_NE(text(std::string_view("\x16\x03\x01\x02\x00\x01", 6), true).find("TLS"), std::string::npos);
  EXPECT_EQ(text("\xff\xff\xff", true), "not an HTTP/2 connection preface");
  // And what a client may meet.
  EXPECT_NE(text("HTTP/1.1 400 Bad Request\r\n", false).find("HTTP/1.1 response"), std::string::npos);
  EXPECT_NE(text(std::string_view("\x15\x03\x01\x00\x02\x02\x16\x00\x00", 9), false).find("TLS"),
            std::string::npos);
}

// --- what comes next ---

TEST(Framer, PeeksAtTheStreamsOfWholeHeadersOnly) {
  std::array<StreamId, 3> next;
  const auto peeked = [&](const Framer& framer) { return std::vector<StreamId>(next.begin(), next.begin() + framer.PeekStreams(next)); };
  Reader reader;
  EXPECT_EQ(peeked(reader.framer()), std::vector<StreamId>());
  const std::string second = Raw(FrameType::kData, 0, 3, "12345");
  reader.Feed(Raw(FrameType::kData, 0, 1, "payload") + second.substr(0, kFrameHeaderSize - 1));
  EXPECT_EQ(peeked(reader.framer()), std::vector<StreamId>({1}));
  reader.Feed(second.substr(kFrameHeaderSize - 1, 3));
  EXPECT_EQ(peeked(reader.framer()), std::vector<StreamId>({1, 3})) << "the payload need not have come";
  reader.Feed(second.substr(kFrameHeaderSize + 2) + Raw(FrameType::kPing, 0, 0, "pingpong") + Raw(FrameType::kData, 0, 5, ""));
  EXPECT_EQ(peeked(reader.framer()), std::vector<StreamId>({1, 3, 0})) << "as many as there is room for";
  ASSERT_TRUE(reader.Read().ok());
  EXPECT_EQ(peeked(reader.framer()), std::vector<StreamId>({3, 0, 5}));
}

TEST(Framer, PeekingEndsNoLeaseAndChecksNothing) {
  Reader reader;
  reader.Feed(Raw(FrameType::kData, 0, 1, "payload") + Raw(FrameType::kSettings, 0, 7, "", kMaxMaxFrameSize));
  const FrameRef frame = reader.Next();
  std::array<StreamId, 2> next;
  ASSERT_EQ(reader.framer().PeekStreams(next), 1u);
  EXPECT_EQ(next[0], 7u);
  const auto& data = frame->as<DataFrame>().data;
  EXPECT_EQ(std::string(data.begin(), data.end()), "payload");
  EXPECT_FALSE(reader.Read().ok()) << "SETTINGS on a stream, and too long";
}

// --- the lease ---

TEST(Framer, ReuseIsOnByDefaultAndTheEnvironmentTurnsItOff) {
  EXPECT_TRUE(Framer::ReuseByDefault());
  Reader reader;
  EXPECT_TRUE(reader.framer().reuse_frames());
  reader.framer().SetReuseFrames(false);
  EXPECT_FALSE(reader.framer().reuse_frames());
}

// In a process of its own, since the environment is read once.
TEST(FramerDeathTest, TheEnvironmentTurnsReuseOff) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        setenv("CULVERT_HTTP2_REUSE_FRAMES", "0", 1);
        std::exit(Framer::ReuseByDefault() ? 1 : 0);
      },
      ::testing::ExitedWithCode(0), "");
  EXPECT_EXIT(
      {
        setenv("CULVERT_HTTP2_REUSE_FRAMES", "1", 1);
        std::exit(Framer::ReuseByDefault() ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(Framer, WithReuseFramesShareTheirStorage) {
  Reader reader;
  reader.Feed(Raw(FrameType::kHeaders, flags::kEndHeaders, 1, kBlock) +
              Raw(FrameType::kHeaders, flags::kEndHeaders, 3, kBlock));
  FrameRef frame = reader.Next();
  const Frame* const first = &*frame;
  const http::HeaderList* const fields = frame->as<HeadersFrame>().fields;
  const void* const bytes = (*fields)[0].name.data();
  frame = reader.Next();
  EXPECT_EQ(&*frame, first);
  EXPECT_EQ(frame->as<HeadersFrame>().fields, fields);
  EXPECT_EQ((*fields)[0].name.data(), bytes);
}

TEST(Framer, WithoutReuseEachFrameOwnsWhatItHoldsAndKeepsIt) {
  auto reader = std::make_unique<Reader>();
  reader->framer().SetReuseFrames(false);
  const std::string bytes = EveryFrame();
  std::vector<FrameRef> kept;
  for (int turn = 0; turn < 2; ++turn) {
    reader->Feed(bytes);
    while (kept.size() < 18u * (static_cast<size_t>(turn) + 1)) kept.push_back(reader->Next());
    EXPECT_TRUE(reader->NeedsMore());
  }
  reader.reset();
  std::string text;
  for (size_t i = 0; i < 18; ++i) {
    text += Show(*kept[i]) + "\n";
    EXPECT_EQ(Show(*kept[i]), Show(*kept[i + 18]));
    EXPECT_NE(&*kept[i], &*kept[i + 18]);
  }
  EXPECT_EQ(text, kEveryFrame);
  EXPECT_NE(kept[2]->as<HeadersFrame>().fields, kept[20]->as<HeadersFrame>().fields);
  EXPECT_NE(kept[5]->as<DataFrame>().data.data(), kept[23]->as<DataFrame>().data.data());
  EXPECT_NE(kept[0]->as<SettingsFrame>().settings.data(), kept[18]->as<SettingsFrame>().settings.data());
}

TEST(Framer, TheLeaseHoldsUntilReadFrameIsCalledAgain) {
  Reader reader;
  reader.Feed(Raw(FrameType::kData, 0, 1, "0123456789abcdef") +
              Raw(FrameType::kData, 0, 1, "fedcba9876543210"));
  const FrameRef frame = reader.Next();
  const std::span<const uint8_t> data = frame->as<DataFrame>().data;
  EXPECT_EQ(std::string(data.begin(), data.end()), "0123456789abcdef");
  EXPECT_EQ(Show(*frame), "DATA stream=1 len=16 data=0123456789abcdef");
}

TEST(Framer, HeaderValuesAreGoneOnceReadFrameIsCalledEvenIfNoFrameComes) {
  Reader reader;
  reader.Feed(Raw(FrameType::kHeaders, flags::kEndHeaders, 1, kBlock));
  FrameRef frame = reader.Next();
  const http::HeaderList* const fields = frame->as<HeadersFrame>().fields;
  const char* const value = (*fields)[1].value.data();
  EXPECT_EQ(std::string_view(value, 5), "value");
  EXPECT_TRUE(reader.NeedsMore());
  EXPECT_TRUE(fields->empty());
  EXPECT_EQ(std::string_view(value, 5), std::string_view("\0\0\0\0\0", 5));
}

TEST(Framer, ParkedWithNothingUnreadHoldsNothing) {
  Reader reader;
  EXPECT_TRUE(reader.framer().holds_nothing());
  reader.Feed(Raw(FrameType::kPing, 0, 0, "01234567"));
  EXPECT_FALSE(reader.framer().holds_nothing());
  reader.Next();
  reader.framer().Park();
  EXPECT_TRUE(reader.framer().holds_nothing());
  reader.Feed(Raw(FrameType::kPing, 0, 0, "01234567"));
  reader.Next();
}

// What framers of a thread hand on to each other.
TEST(Framer, AnOpenHeaderBlockAndALentFrameAreNobodyElses) {
  Reader first, second;
  first.Feed(Raw(FrameType::kHeaders, 0, 1, kBlock.substr(0, 1)));
  EXPECT_TRUE(first.NeedsMore());
  first.framer().Park();
  second.Feed(Raw(FrameType::kHeaders, flags::kEndHeaders, 3, kBlock));
  second.Next();
  second.framer().Park();
  first.Feed(Raw(FrameType::kContinuation, flags::kEndHeaders, 1, kBlock.substr(1)));
  const FrameRef lent = first.Next();
  second.Feed(Raw(FrameType::kHeaders, flags::kEndHeaders, 5, kBlock.substr(0, 1)));
  second.Next();
  second.framer().Park();
  EXPECT_EQ(lent->header.stream_id, 1u);
  const http::HeaderList& fields = *lent->as<HeadersFrame>().fields;
  ASSERT_EQ(fields.size(), 2u);
  EXPECT_EQ(fields[0], (HeaderField{":method", "GET"}));
  EXPECT_EQ(fields[1], (HeaderField{"name", "value"}));
}

TEST(Framer, AnEmptyFrameRefSaysSo) {
  EXPECT_FALSE(FrameRef());
  Reader reader;
  const absl::StatusOr<FrameRef> none = reader.Read();
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(*none);
}

#ifndef NDEBUG
TEST(FramerDeathTest, AFrameUsedAfterTheNextReadFrameAborts) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  Reader reader;
  reader.Feed(Raw(FrameType::kPing, 0, 0, "01234567") + Raw(FrameType::kPing, 0, 0, "76543210"));
  const FrameRef stale = reader.Next();
  const FrameRef fresh = reader.Next();
  EXPECT_TRUE(fresh->as<PingFrame>().opaque[0] == '7');
  EXPECT_DEATH(static_cast<void>(stale->header), "frame used after the next ReadFrame");
  EXPECT_DEATH(static_cast<void>((*stale).header), "frame used after the next ReadFrame");
}

TEST(FramerDeathTest, AFrameUsedAfterSpaceFeedParkOrAnEmptyReadFrameAborts) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  const std::vector<std::function<void(Framer&)>> ends = {
      [](Framer& framer) { framer.Space(); },
      [](Framer& framer) { framer.Feed(0); },
      [](Framer& framer) { framer.Park(); },
      [](Framer& framer) { EXPECT_TRUE(framer.ReadFrame().ok()); },
  };
  for (const auto& end : ends) {
    Reader reader;
    reader.Feed(Raw(FrameType::kPing, 0, 0, "01234567"));
    const FrameRef stale = reader.Next();
    EXPECT_EQ(stale->header.length, 8u);
    end(reader.framer());
    EXPECT_DEATH(static_cast<void>(stale->header), "frame used after the next ReadFrame");
  }
}

TEST(FramerDeathTest, AnEmptyFrameRefMayNotBeLookedAt) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  const FrameRef empty;
  EXPECT_DEATH(static_cast<void>(empty->header), "empty FrameRef used");
}
#endif

#ifdef CULVERT_POISONS
TEST(FramerDeathTest, ASpanKeptPastItsLeaseIsReported) {
  Reader reader;
  reader.Feed(Raw(FrameType::kData, 0, 1, "0123456789abcdef") +
              Raw(FrameType::kData, 0, 1, "fedcba9876543210"));
  const volatile uint8_t* const kept = reader.Next()->as<DataFrame>().data.data();
  EXPECT_EQ(*kept, '0');
  reader.Next();
  EXPECT_DEATH(static_cast<void>(*kept), "use-after-poison");
}

TEST(FramerDeathTest, ASpanKeptPastItsLeaseIsReportedEvenAfterTheSlotIsFilledAgain) {
  Reader reader;
  reader.Feed(Raw(FrameType::kData, 0, 1, "0123456789abcdef"));
  const volatile uint8_t* const kept = reader.Next()->as<DataFrame>().data.data();
  reader.framer().Park();
  reader.Feed(Raw(FrameType::kData, 0, 1, "0123456789abcdef"));
  reader.Next();
  EXPECT_DEATH(static_cast<void>(*kept), "use-after-poison");
}
#endif

TEST(Framer, NothingOfOneFrameBleedsIntoTheNext) {
  // Each frame that sets everything its type can, followed by one of each type that sets nothing: which must
  // read as it does alone.
  const std::vector<std::string> full = {
      Raw(FrameType::kHeaders, flags::kEndHeaders | flags::kEndStream | flags::kPadded | flags::kPriority, 3,
          std::string("\x03\x80\x00\x00\x05\x0f", 6) + kBlock + std::string(3, '\0')),
      Raw(FrameType::kHeaders, flags::kEndHeaders, 1, std::string(10, '\x82')),  // truncated, see below
      Raw(FrameType::kData, flags::kEndStream | flags::kPadded, 1,
          std::string("\x04") + "padded" + std::string(4, '\0')),
      Raw(FrameType::kSettings, 0, 0, SettingBytes(4, 65536) + SettingBytes(5, 32768)),
      Raw(FrameType::kPing, flags::kAck, 0, "01234567"),
      Raw(FrameType::kGoAway, 0, 0, Int(7) + Int(11) + "too many"),
      Raw(FrameType::kPriority, 0, 9, Int(0x80000003) + "\x10"),
      Raw(FrameType::kPushPromise, flags::kEndHeaders, 1, Int(2) + kBlock),
      Raw(FrameType::kWindowUpdate, 0, 9, Int(0)),  // a stream error
      Raw(FrameType::kPriorityUpdate, 0, 0, Int(9) + "u=1"),
      Raw(FrameType::kHeaders, flags::kEndHeaders | flags::kPriority | flags::kEndStream, 3,
          Int(3) + "\x10" + kBlock),  // another
      Raw(FrameType::kHeaders, flags::kPriority | flags::kEndStream, 3, Int(3) + "\x10") +
          Raw(FrameType::kContinuation, flags::kEndHeaders, 3, kBlock),  // and one more
      Raw(uint8_t{0xf0}, 0xff, 5, "whatever"),
  };
  const std::vector<std::string> plain = {
      Raw(FrameType::kHeaders, flags::kEndHeaders, 11, ""),
      Raw(FrameType::kHeaders, 0, 11, "") + Raw(FrameType::kContinuation, flags::kEndHeaders, 11, ""),
      Raw(FrameType::kData, 0, 11, ""),
      Raw(FrameType::kSettings, 0, 0, ""),
      Raw(FrameType::kSettings, flags::kAck, 0, ""),
      Raw(FrameType::kPing, 0, 0, std::string(8, '\0')),
      Raw(FrameType::kGoAway, 0, 0, Int(0) + Int(0)),
      Raw(FrameType::kPriority, 0, 11, Int(0) + std::string(1, '\0')),
      Raw(FrameType::kPushPromise, flags::kEndHeaders, 11, Int(4)),
      Raw(FrameType::kRstStream, 0, 11, Int(0)),
      Raw(FrameType::kWindowUpdate, 0, 11, Int(1)),
      Raw(FrameType::kPriorityUpdate, 0, 0, Int(11)),
      Raw(uint8_t{0xf1}, 0, 0, ""),
  };
  const Framer::Options options{.max_header_fields = 3};
  for (const bool reuse : {true, false}) {
    for (const std::string& first : full) {
      const std::string alone = Transcript(first, {}, options, reuse);
      for (const std::string& second : plain) {
        EXPECT_EQ(Transcript(first + second, {}, options, reuse),
                  alone + Transcript(second, {}, options, reuse));
        Reader reader(options);
        reader.framer().SetReuseFrames(reuse);
        reader.Feed(first + second);
        static_cast<void>(reader.Read());
        const FrameRef frame = reader.Next();
        if (const HeadersFrame* headers = std::get_if<HeadersFrame>(&frame->body)) {
          EXPECT_EQ(headers->priority, Priority());
          EXPECT_FALSE(headers->has_priority);
          EXPECT_FALSE(headers->end_stream);
          EXPECT_FALSE(headers->truncated);
          EXPECT_TRUE(headers->fields->empty());
        }
      }
    }
  }
}

// --- allocations ---

struct Steady {
  std::string_view name;
  std::string bytes;
  size_t frames;
};

TEST(Framer, InSteadyStateNoFrameAllocatesMemory) {
  hpack::Encoder encoder;
  const std::vector<HeaderField> fields = {{":method", "POST"},
                                           {":scheme", "http"},
                                           {":path", "/a.Service/Call"},
                                           {":authority", "example.com"},
                                           {"content-type", "application/grpc"},
                                           {"te", "trailers"}};
  const auto headers = [&] {
    return Written(
        [&](io::WriteBuffer& out) { AppendHeaders(out, encoder, 1, fields, false, kMinMaxFrameSize); });
  };
  const std::string first_headers = headers();
  std::string continued;
  for (int i = 0; i < 3; ++i)
    continued += Raw(i == 0 ? FrameType::kHeaders : FrameType::kContinuation, 0, 1, kBlock);
  continued += Raw(FrameType::kContinuation, flags::kEndHeaders, 1,
                   kBlock +
                       "\x40\x01"
                       "a\x01"
                       "b");
  const std::vector<Steady> cases = {
      {"DATA", Raw(FrameType::kData, 0, 1, std::string(1000, 'x')), 1},
      {"padded DATA", Raw(FrameType::kData, flags::kPadded, 1, std::string("\x01xx\0", 4)), 1},
      {"large DATA", Raw(FrameType::kData, 0, 1, std::string(16384, 'x')), 1},
      {"HEADERS", headers(), 1},
      {"HEADERS and CONTINUATION", continued, 1},
      {"WINDOW_UPDATE", Raw(FrameType::kWindowUpdate, 0, 1, Int(1)), 1},
      {"SETTINGS", Raw(FrameType::kSettings, 0, 0, SettingBytes(3, 1) + SettingBytes(4, 1)), 1},
      {"SETTINGS ack", Raw(FrameType::kSettings, flags::kAck, 0, ""), 1},
      {"PING", Raw(FrameType::kPing, 0, 0, "01234567"), 1},
      {"RST_STREAM", Raw(FrameType::kRstStream, 0, 1, Int(8)), 1},
      {"PRIORITY", Raw(FrameType::kPriority, 0, 1, Int(3) + "\x10"), 1},
      {"GOAWAY", Raw(FrameType::kGoAway, 0, 0, Int(7) + Int(11) + "too many"), 1},
      {"PUSH_PROMISE", Raw(FrameType::kPushPromise, flags::kEndHeaders, 1, Int(2) + kBlock), 1},
      {"PRIORITY_UPDATE", Raw(FrameType::kPriorityUpdate, 0, 0, Int(1) + "u=1"), 1},
      {"unknown", Raw(uint8_t{0xf0}, 0, 1, "x"), 1},
  };
  for (const Steady& steady : cases) {
    Reader reader;
    ASSERT_TRUE(reader.framer().reuse_frames());
    reader.Feed(first_headers);
    reader.Next();
    bool good = true;
    const auto turn = [&](size_t pieces) {
      const size_t piece = steady.bytes.size() / pieces + 1;
      for (size_t at = 0; at < steady.bytes.size(); at += piece)
        reader.Feed(std::string_view(steady.bytes).substr(at, piece));
      for (size_t i = 0; i < steady.frames; ++i) {
        const absl::StatusOr<FrameRef> frame = reader.Read();
        good = good && frame.ok() && *frame;
      }
      reader.framer().Park();
    };
    for (size_t i = 0; i < 200; ++i) turn(1 + i % 3);
    const testing::AllocationCounter counter;
    for (size_t i = 0; i < 200; ++i) turn(1 + i % 3);
    EXPECT_EQ(counter.Count(), 0u) << steady.name;
    EXPECT_TRUE(good) << steady.name;
  }
}

// The negative control of the test above.
TEST(Framer, WithoutReuseEveryFrameAllocatesMemory) {
  Reader reader;
  reader.framer().SetReuseFrames(false);
  const std::string bytes = Raw(FrameType::kData, 0, 1, "0123456789");
  for (int i = 0; i < 10; ++i) {
    reader.Feed(bytes);
    reader.Next();
  }
  const testing::AllocationCounter counter;
  for (int i = 0; i < 10; ++i) {
    reader.Feed(bytes);
    reader.Next();
  }
  EXPECT_GE(counter.Count(), 20u);
}

}  // namespace
}  // namespace culvert::frame
