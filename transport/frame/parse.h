#ifndef CULVERT_TRANSPORT_FRAME_PARSE_H_
#define CULVERT_TRANSPORT_FRAME_PARSE_H_

// The payload of one whole frame, into its struct (RFC 9113 6). Pure, and without memory of other frames:
// what needs that (sequence, header blocks, the lease) is the Framer's.
//
// `payload` has header.length bytes; spans in the result point into it. Every field of the result is
// assigned, or a fresh one is passed in. Errors are those of frame/error.h.

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "transport/frame/constants.h"
#include "transport/frame/frame.h"

namespace culvert::frame {

// More settings in one frame are an ENHANCE_YOUR_CALM: RFC 9113 knows six, and a frame of 16 KiB could carry
// 2730.
inline constexpr size_t kMaxSettings = 32;

// The nine octets of a frame header (RFC 9113 4.1); the reserved bit is ignored.
inline FrameHeader ParseFrameHeader(std::span<const uint8_t, kFrameHeaderSize> in) {
  return {.length = uint32_t{in[0]} << 16 | uint32_t{in[1]} << 8 | in[2],
          .type = static_cast<FrameType>(in[3]),
          .flags = in[4],
          .stream_id =
              (uint32_t{in[5]} << 24 | uint32_t{in[6]} << 16 | uint32_t{in[7]} << 8 | in[8]) & kMaxStreamId};
}

absl::Status ParseData(const FrameHeader& header, std::span<const uint8_t> payload, DataFrame& out);
// Leaves `fields` and `truncated` alone, and the header block's first fragment in `fragment`. A
// self-dependency is not looked for: the block must be decoded before a stream error is answered.
absl::Status ParseHeaders(const FrameHeader& header, std::span<const uint8_t> payload, HeadersFrame& out,
                          std::span<const uint8_t>& fragment);
absl::Status ParsePriority(const FrameHeader& header, std::span<const uint8_t> payload, PriorityFrame& out);
absl::Status ParseRstStream(const FrameHeader& header, std::span<const uint8_t> payload, RstStreamFrame& out);
// `storage` is emptied, and holds what out.settings refers to.
absl::Status ParseSettings(const FrameHeader& header, std::span<const uint8_t> payload,
                           std::vector<Setting>& storage, SettingsFrame& out);
absl::Status ParsePushPromise(const FrameHeader& header, std::span<const uint8_t> payload,
                              PushPromiseFrame& out, std::span<const uint8_t>& fragment);
absl::Status ParsePing(const FrameHeader& header, std::span<const uint8_t> payload, PingFrame& out);
absl::Status ParseGoAway(const FrameHeader& header, std::span<const uint8_t> payload, GoAwayFrame& out);
absl::Status ParseWindowUpdate(const FrameHeader& header, std::span<const uint8_t> payload,
                               WindowUpdateFrame& out);
absl::Status ParsePriorityUpdate(const FrameHeader& header, std::span<const uint8_t> payload,
                                 PriorityUpdateFrame& out);

// A stream error when a stream depends on itself (RFC 7540 5.3.1).
absl::Status CheckPriority(StreamId id, const Priority& priority);

}  // namespace culvert::frame

#endif  // CULVERT_TRANSPORT_FRAME_PARSE_H_
