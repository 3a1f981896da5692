#ifndef CULVERT_TRANSPORT_FRAME_FRAME_H_
#define CULVERT_TRANSPORT_FRAME_FRAME_H_

// Frames are data: what the framer read, one struct per type (RFC 9113 6).
//
// A Frame belongs to the Framer that parsed it and is used again for the next one; see framer.h for how long it, and every span
// reachable from it, may be looked at. CONTINUATION has no struct: the framer merges it into HEADERS or PUSH_PROMISE.

#include <array>
#include <cstdint>
#include <span>
#include <variant>

#include "transport/frame/constants.h"
#include "transport/http/header_list.h"

namespace culvert::frame {

struct FrameHeader {
  uint32_t length = 0;  // of the payload on the wire; of a merged block: of its first frame
  FrameType type = FrameType::kData;
  uint8_t flags = 0;    // as on the wire; of a merged block: END_HEADERS set
  StreamId stream_id = 0;

  bool has(uint8_t flag) const { return (flags & flag) != 0; }
  friend bool operator==(const FrameHeader&, const FrameHeader&) = default;
};

struct DataFrame {
  std::span<const uint8_t> data;  // without padding
  bool end_stream = false;
  // What flow control charges: data, pad length octet and padding (RFC 9113 6.1).
  uint32_t flow_controlled_length = 0;
};

// The deprecated priority signal of RFC 7540 5.3: parsed, checked for self-dependency, and otherwise ignored (RFC 9113 5.3.2).
struct Priority {
  StreamId depends_on = 0;
  bool exclusive = false;
  uint8_t weight = 0;  // the octet on the wire: one less than the weight

  friend bool operator==(const Priority&, const Priority&) = default;
};

struct HeadersFrame {
  const http::HeaderList* fields = nullptr;  // decoded and merged; never null in a frame that was lent
  bool end_stream = false;
  // The list went past a limit of Framer::Options: `fields` holds what came before it. The HPACK state is in step all the same.
  bool truncated = false;
  bool has_priority = false;
  Priority priority{};
};

struct PriorityFrame {
  Priority priority{};
};

struct RstStreamFrame {
  ErrorCode error_code = ErrorCode::kNoError;
};

struct Setting {
  SettingId id{};
  uint32_t value = 0;

  friend bool operator==(const Setting&, const Setting&) = default;
};

// Values are checked by the framer against RFC 9113 6.5.2; unknown identifiers are kept, to be ignored by the consumer.
struct SettingsFrame {
  std::span<const Setting> settings;  // in wire order, a later one of the same id wins
  bool ack = false;
};

// Only parsed so that it can be refused: we never enable push.
struct PushPromiseFrame {
  StreamId promised_stream_id = 0;
  const http::HeaderList* fields = nullptr;
  bool truncated = false;
};

struct PingFrame {
  std::array<uint8_t, 8> opaque{};
  bool ack = false;
};

struct GoAwayFrame {
  StreamId last_stream_id = 0;
  ErrorCode error_code = ErrorCode::kNoError;
  std::span<const uint8_t> debug_data;  // lent like everything else: copy it when it is kept
};

struct WindowUpdateFrame {
  uint32_t increment = 0;  // never 0 in a frame that was lent
};

// RFC 9218 7.1: a client's word on a stream of its own, which may not be open yet.
struct PriorityUpdateFrame {
  StreamId prioritized_stream_id = 0;    // never 0 in a frame that was lent
  std::span<const uint8_t> field_value;  // what a `priority` field would say; not looked at by the framer
};

// A type that neither RFC 9113 nor RFC 9218 defines: to be ignored (RFC 9113 5.5).
struct UnknownFrame {
  std::span<const uint8_t> payload;
};

struct Frame {
  FrameHeader header;
  std::variant<UnknownFrame, DataFrame, HeadersFrame, PriorityFrame, RstStreamFrame, SettingsFrame, PushPromiseFrame, PingFrame,
               GoAwayFrame, WindowUpdateFrame, PriorityUpdateFrame>
      body;

  // The body as T; the caller has looked at header.type, or at the variant.
  template <class T>
  const T& as() const {
    return std::get<T>(body);
  }
};

}  // namespace culvert::frame

#endif  // CULVERT_TRANSPORT_FRAME_FRAME_H_
