#ifndef CULVERT_TESTS_ATTACK_FRAMES_H_
#define CULVERT_TESTS_ATTACK_FRAMES_H_

// What attacks over HTTP/2 are made of, written out by hand, and what a server says to them. See also tests/e2e/raw_peer.h.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tests/attack/attacked_server.h"
#include "tests/e2e/raw_peer.h"

namespace culvert::attack {

using e2e::Frame;
using e2e::RawSocket;

// RFC 9113 7
enum ErrorCode : uint32_t {
  kNoError = 0,
  kProtocolError = 1,
  kFlowControlError = 3,
  kSettingsTimeout = 4,
  kStreamClosed = 5,
  kFrameSizeError = 6,
  kRefusedStream = 7,
  kCancel = 8,
  kCompressionError = 9,
  kEnhanceYourCalm = 11,
};

// RFC 9113 6.5.2
enum SettingId : uint16_t { kHeaderTableSize = 1, kInitialWindowSize = 4 };

inline constexpr uint8_t kPadded = 8;  // a flag
inline constexpr uint32_t kMaxWindow = 0x7fffffff;

inline constexpr std::string_view kEmptyCall = "/grpc.testing.TestService/EmptyCall";
inline constexpr std::string_view kUnaryCall = "/grpc.testing.TestService/UnaryCall";
inline constexpr std::string_view kStreamingOutput = "/grpc.testing.TestService/StreamingOutputCall";
inline constexpr std::string_view kStreamingInput = "/grpc.testing.TestService/StreamingInputCall";
inline constexpr std::string_view kFullDuplex = "/grpc.testing.TestService/FullDuplexCall";

// The client's n-th stream, from 0.
inline uint32_t Stream(int n) { return 2 * static_cast<uint32_t>(n) + 1; }

std::string Number(uint32_t value);  // four bytes, big-endian
std::string Setting(SettingId id, uint32_t value);
std::string Settings(SettingId id, uint32_t value);  // a whole frame with one
std::string WindowUpdate(uint32_t stream, uint32_t increment);
std::string Reset(uint32_t stream);  // RST_STREAM CANCEL
std::string Ping();

// A field that enters the peer's dynamic table (RFC 7541 6.2.1); its latest has the index below.
std::string TableField(std::string_view name, std::string_view value);
inline constexpr char kLatestTableField = static_cast<char>(0x80 | 62);
// A literal that does not, of any length.
std::string LongField(std::string_view name, std::string_view value);
// "cookie" without a value: one byte, out of the static table.
inline constexpr char kCookieCrumb = static_cast<char>(0x80 | 32);

// ":method" and so on of a plain request, as fields.
std::string RequestFields(std::string_view method, std::string_view path);
// HEADERS and as many CONTINUATION frames as it takes.
std::string HeaderBlock(uint32_t stream, uint8_t flags, std::string_view block);
// A plain request without a body.
std::string Get(uint32_t stream, std::string_view path);

// A new connection on which the preface and `settings` have been sent.
RawSocket Greet(const AttackedServer& server, std::string_view settings = {}, int receive_buffer = 0);

// What the server says last. Nullopt when it only closes, or goes on. Nothing that it asks meanwhile is answered.
struct GoAway {
  uint32_t code = 0;
  std::string debug;
};
std::optional<GoAway> ReceiveGoAway(RawSocket& socket);
// The code of the next RST_STREAM of that stream. SETTINGS and PING are answered.
std::optional<uint32_t> ReceiveReset(RawSocket& socket, uint32_t stream);
// A field of the next HEADERS of that stream, which must be the first on the connection.
std::string ReceiveField(RawSocket& socket, uint32_t stream, const std::string& name);

// Fail the test unless the server ends the connection, or resets the stream, so.
void ExpectGoAway(RawSocket& socket, ErrorCode code);
void ExpectReset(RawSocket& socket, uint32_t stream, ErrorCode code);

}  // namespace culvert::attack

#endif  // CULVERT_TESTS_ATTACK_FRAMES_H_
