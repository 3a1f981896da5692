#ifndef CULVERT_TRANSPORT_FRAME_CONSTANTS_H_
#define CULVERT_TRANSPORT_FRAME_CONSTANTS_H_

// The numbers of RFC 9113 (HTTP/2) and its extensions, by their names there.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace culvert::frame {

// RFC 9113 5.1.1: 31 bits; 0 is the connection itself; odd ones are opened by the client.
using StreamId = uint32_t;

// RFC 9113 3.4.
inline constexpr std::string_view kConnectionPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

inline constexpr size_t kFrameHeaderSize = 9;                 // RFC 9113 4.1
inline constexpr uint32_t kMinMaxFrameSize = 16384;           // RFC 9113 4.2, 6.5.2; also the default
inline constexpr uint32_t kMaxMaxFrameSize = (1u << 24) - 1;
inline constexpr uint32_t kDefaultWindow = 65535;             // RFC 9113 6.9.2
inline constexpr uint32_t kMaxWindow = 0x7fffffff;            // RFC 9113 6.9.1
inline constexpr uint32_t kDefaultHeaderTableSize = 4096;     // RFC 9113 6.5.2
inline constexpr StreamId kMaxStreamId = 0x7fffffff;

enum class FrameType : uint8_t {  // RFC 9113 6
  kData = 0,
  kHeaders = 1,
  kPriority = 2,
  kRstStream = 3,
  kSettings = 4,
  kPushPromise = 5,
  kPing = 6,
  kGoAway = 7,
  kWindowUpdate = 8,
  kContinuation = 9,
  kPriorityUpdate = 0x10,  // RFC 9218 7.1
};

namespace flags {
inline constexpr uint8_t kEndStream = 0x1;   // DATA, HEADERS
inline constexpr uint8_t kAck = 0x1;         // SETTINGS, PING
inline constexpr uint8_t kEndHeaders = 0x4;  // HEADERS, PUSH_PROMISE, CONTINUATION
inline constexpr uint8_t kPadded = 0x8;      // DATA, HEADERS, PUSH_PROMISE
inline constexpr uint8_t kPriority = 0x20;   // HEADERS
}  // namespace flags

enum class ErrorCode : uint32_t {  // RFC 9113 7; unknown values are kept as they came
  kNoError = 0,
  kProtocolError = 1,
  kInternalError = 2,
  kFlowControlError = 3,
  kSettingsTimeout = 4,
  kStreamClosed = 5,
  kFrameSizeError = 6,
  kRefusedStream = 7,
  kCancel = 8,
  kCompressionError = 9,
  kConnectError = 10,
  kEnhanceYourCalm = 11,
  kInadequateSecurity = 12,
  kHttp11Required = 13,
};

enum class SettingId : uint16_t {  // RFC 9113 6.5.2
  kHeaderTableSize = 1,
  kEnablePush = 2,
  kMaxConcurrentStreams = 3,
  kInitialWindowSize = 4,
  kMaxFrameSize = 5,
  kMaxHeaderListSize = 6,
  kEnableConnectProtocol = 8,  // RFC 8441 3
  kNoRfc7540Priorities = 9,    // RFC 9218 2.1
};

// "HEADERS", "FLOW_CONTROL_ERROR", "INITIAL_WINDOW_SIZE"; "UNKNOWN" for a value without a name.
std::string_view FrameTypeName(FrameType type);
std::string_view ErrorCodeName(ErrorCode code);
std::string_view SettingName(SettingId id);

}  // namespace culvert::frame

#endif  // CULVERT_TRANSPORT_FRAME_CONSTANTS_H_
