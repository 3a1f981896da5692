#include "tests/attack/frames.h"

#include <algorithm>

#include "gtest/gtest.h"

namespace culvert::attack {

using e2e::Field;
using e2e::ReceivedFrame;
using e2e::ReceiveFrame;

namespace {

constexpr size_t kLargestFrame = 16384;

uint32_t ReadNumber(std::string_view bytes) {
  uint32_t value = 0;
  for (const char c : bytes.substr(0, 4)) value = value << 8 | static_cast<uint8_t>(c);
  return value;
}

// RFC 7541 5.1 and 5.2, without Huffman.
std::string HpackString(std::string_view text) {
  std::string out;
  if (text.size() < 127) {
    out.push_back(static_cast<char>(text.size()));
  } else {
    out.push_back(127);
    size_t rest = text.size() - 127;
    for (; rest >= 128; rest /= 128) out.push_back(static_cast<char>(128 | rest % 128));
    out.push_back(static_cast<char>(rest));
  }
  return out.append(text);
}

}  // namespace

std::string Number(uint32_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift & 0xff));
  return out;
}

std::string Setting(SettingId id, uint32_t value) { return Number(id).substr(2) + Number(value); }
std::string Settings(SettingId id, uint32_t value) { return Frame(e2e::kSettings, 0, 0, Setting(id, value)); }
std::string WindowUpdate(uint32_t stream, uint32_t increment) { return Frame(e2e::kWindowUpdate, 0, stream, Number(increment)); }
std::string Reset(uint32_t stream) { return Frame(e2e::kRstStream, 0, stream, Number(kCancel)); }
std::string Ping() { return Frame(e2e::kPing, 0, 0, "01234567"); }

std::string TableField(std::string_view name, std::string_view value) { return "\x40" + HpackString(name) + HpackString(value); }
std::string LongField(std::string_view name, std::string_view value) {
  return std::string(1, '\0') + HpackString(name) + HpackString(value);
}

std::string RequestFields(std::string_view method, std::string_view path) {
  return Field(":method", method) + Field(":scheme", "http") + Field(":path", path) + Field(":authority", "localhost");
}

std::string HeaderBlock(uint32_t stream, uint8_t flags, std::string_view block) {
  std::string frames;
  do {
    const std::string_view fragment = block.substr(0, kLargestFrame);
    block.remove_prefix(fragment.size());
    const uint8_t end = block.empty() ? e2e::kEndHeaders : 0;
    frames += frames.empty() ? Frame(e2e::kHeaders, flags | end, stream, fragment) : Frame(e2e::kContinuation, end, stream, fragment);
  } while (!block.empty());
  return frames;
}

std::string Get(uint32_t stream, std::string_view path) { return HeaderBlock(stream, e2e::kEndStream, RequestFields("GET", path)); }

RawSocket Greet(const AttackedServer& server, std::string_view settings, int receive_buffer) {
  RawSocket socket = RawSocket::Connect(server.address(), receive_buffer);
  EXPECT_TRUE(socket.Send(std::string(e2e::kPreface) + Frame(e2e::kSettings, 0, 0, settings)));
  return socket;
}

std::optional<GoAway> ReceiveGoAway(RawSocket& socket) {
  constexpr size_t kHead = 9;  // bytes of a frame's
  for (;;) {
    const std::string head = socket.Receive(kHead);
    if (head.size() < kHead) return std::nullopt;
    const std::string payload = socket.Receive(ReadNumber(std::string(1, '\0') + head.substr(0, 3)));
    if (head[3] != e2e::kGoAway || payload.size() < 8) continue;
    return GoAway{.code = ReadNumber(std::string_view(payload).substr(4)), .debug = payload.substr(8)};
  }
}

std::optional<uint32_t> ReceiveReset(RawSocket& socket, uint32_t stream) {
  const std::optional<ReceivedFrame> frame = ReceiveFrame(socket, e2e::kRstStream, stream);
  if (!frame || frame->payload.size() != 4) return std::nullopt;
  return ReadNumber(frame->payload);
}

std::string ReceiveField(RawSocket& socket, uint32_t stream, const std::string& name) {
  const std::optional<ReceivedFrame> frame = ReceiveFrame(socket, e2e::kHeaders, stream);
  return frame ? e2e::FirstFields(frame->payload)[name] : "no HEADERS";
}

void ExpectGoAway(RawSocket& socket, ErrorCode code) {
  const std::optional<GoAway> goaway = ReceiveGoAway(socket);
  ASSERT_TRUE(goaway) << "no GOAWAY";
  EXPECT_EQ(goaway->code, code) << goaway->debug;
  EXPECT_TRUE(socket.ReceiveEnd());
}

void ExpectReset(RawSocket& socket, uint32_t stream, ErrorCode code) {
  const std::optional<uint32_t> reset = ReceiveReset(socket, stream);
  ASSERT_TRUE(reset) << "no RST_STREAM";
  EXPECT_EQ(*reset, code);
}

}  // namespace culvert::attack
