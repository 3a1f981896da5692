#include "transport/frame/serialize.h"

#include <algorithm>
#include <cstring>

#include "transport/base/check.h"

namespace culvert::frame {

namespace {

void Put32(uint8_t* out, uint32_t value) {
  out[0] = static_cast<uint8_t>(value >> 24);
  out[1] = static_cast<uint8_t>(value >> 16);
  out[2] = static_cast<uint8_t>(value >> 8);
  out[3] = static_cast<uint8_t>(value);
}

void PutPriority(uint8_t* out, const Priority& priority) {
  Put32(out, priority.depends_on | (priority.exclusive ? 0x80000000u : 0));
  out[4] = priority.weight;
}

// Appends the frame header, and the room for the payload, which is returned.
uint8_t* AppendFrame(io::WriteBuffer& out, FrameType type, uint8_t flags, StreamId id, size_t length) {
  CULVERT_DCHECK(length <= kMaxMaxFrameSize, "frame longer than any peer may allow");
  uint8_t* const at = out.Grow(kFrameHeaderSize + length);
  PutFrameHeader(at, {static_cast<uint32_t>(length), type, flags, id});
  return at + kFrameHeaderSize;
}

// Appends a frame of `type`, whose payload is `prefix` octets to be filled in and a header block, and the
// CONTINUATION frames that it takes. Returns where the prefix goes.
uint8_t* AppendBlock(io::WriteBuffer& out, hpack::Encoder& encoder, FrameType type, uint8_t flags,
                     StreamId id, size_t prefix, std::span<const http::HeaderField> fields,
                     uint32_t max_frame_size) {
  const size_t bound = prefix + encoder.Bound(fields);
  const size_t most_frames = bound / max_frame_size + 1;
  const size_t room = bound + most_frames * kFrameHeaderSize;
  uint8_t* const first = out.Grow(room);
  const size_t length =
      prefix + encoder.Encode(fields, {first + kFrameHeaderSize + prefix, room - kFrameHeaderSize - prefix});
  const size_t frames = length == 0 ? 1 : (length + max_frame_size - 1) / max_frame_size;
  out.Shrink(room - length - frames * kFrameHeaderSize);
  // The block lies in one piece behind the first header. Its pieces move apart from the last one on, to make
  // room for the others.
  for (size_t i = frames; i-- > 0;) {
    const size_t begin = i * max_frame_size;
    const size_t size = std::min<size_t>(max_frame_size, length - begin);
    uint8_t* const header = first + begin + i * kFrameHeaderSize;
    if (i != 0) std::memmove(header + kFrameHeaderSize, first + kFrameHeaderSize + begin, size);
    const uint8_t end = i + 1 == frames ? flags::kEndHeaders : 0;
    PutFrameHeader(header, {static_cast<uint32_t>(size), i == 0 ? type : FrameType::kContinuation,
                            static_cast<uint8_t>(i == 0 ? flags | end : end), id});
  }
  return first + kFrameHeaderSize;
}

}  // namespace

void PutFrameHeader(uint8_t* out, const FrameHeader& header) {
  out[0] = static_cast<uint8_t>(header.length >> 16);
  out[1] = static_cast<uint8_t>(header.length >> 8);
  out[2] = static_cast<uint8_t>(header.length);
  out[3] = static_cast<uint8_t>(header.type);
  out[4] = header.flags;
  Put32(out + 5, header.stream_id);
}

uint8_t* AppendDataFrame(io::WriteBuffer& out, StreamId id, size_t length, bool end_stream) {
  return AppendFrame(out, FrameType::kData, end_stream ? flags::kEndStream : 0, id, length);
}

void AppendDataFrame(io::WriteBuffer& out, StreamId id, io::SharedBytes payload, bool end_stream) {
  if (payload.size < io::WriteBuffer::kShareFrom) {
    uint8_t* const at = AppendDataFrame(out, id, payload.size, end_stream);
    if (payload.size != 0) std::memcpy(at, payload.data, payload.size);
    return;
  }
  CULVERT_DCHECK(payload.size <= kMaxMaxFrameSize, "frame longer than any peer may allow");
  PutFrameHeader(out.Grow(kFrameHeaderSize), {static_cast<uint32_t>(payload.size), FrameType::kData,
                                              end_stream ? flags::kEndStream : uint8_t{0}, id});
  out.AppendShared(std::move(payload));
}

void AppendHeaders(io::WriteBuffer& out, hpack::Encoder& encoder, StreamId id,
                   std::span<const http::HeaderField> fields, bool end_stream, uint32_t max_frame_size) {
  AppendBlock(out, encoder, FrameType::kHeaders, end_stream ? flags::kEndStream : 0, id, 0, fields,
              max_frame_size);
}

void AppendPriority(io::WriteBuffer& out, StreamId id, const Priority& priority) {
  PutPriority(AppendFrame(out, FrameType::kPriority, 0, id, 5), priority);
}

void AppendRstStream(io::WriteBuffer& out, StreamId id, ErrorCode code) {
  Put32(AppendFrame(out, FrameType::kRstStream, 0, id, 4), static_cast<uint32_t>(code));
}

void AppendSettings(io::WriteBuffer& out, std::span<const Setting> settings) {
  uint8_t* at = AppendFrame(out, FrameType::kSettings, 0, 0, settings.size() * 6);
  for (const Setting& setting : settings) {
    const auto id = static_cast<uint16_t>(setting.id);
    at[0] = static_cast<uint8_t>(id >> 8);
    at[1] = static_cast<uint8_t>(id);
    Put32(at + 2, setting.value);
    at += 6;
  }
}

void AppendSettingsAck(io::WriteBuffer& out) { AppendFrame(out, FrameType::kSettings, flags::kAck, 0, 0); }

void AppendPushPromise(io::WriteBuffer& out, hpack::Encoder& encoder, StreamId id, StreamId promised,
                       std::span<const http::HeaderField> fields) {
  Put32(AppendBlock(out, encoder, FrameType::kPushPromise, 0, id, 4, fields, kMinMaxFrameSize), promised);
}

void AppendPing(io::WriteBuffer& out, const std::array<uint8_t, 8>& opaque, bool ack) {
  uint8_t* const at = AppendFrame(out, FrameType::kPing, ack ? flags::kAck : 0, 0, opaque.size());
  std::memcpy(at, opaque.data(), opaque.size());
}

void AppendGoAway(io::WriteBuffer& out, StreamId last_stream_id, ErrorCode code,
                  std::string_view debug_data) {
  uint8_t* const at = AppendFrame(out, FrameType::kGoAway, 0, 0, 8 + debug_data.size());
  Put32(at, last_stream_id);
  Put32(at + 4, static_cast<uint32_t>(code));
  if (!debug_data.empty()) std::memcpy(at + 8, debug_data.data(), debug_data.size());
}

void AppendWindowUpdate(io::WriteBuffer& out, StreamId id, uint32_t increment) {
  Put32(AppendFrame(out, FrameType::kWindowUpdate, 0, id, 4), increment);
}

}  // namespace culvert::frame
