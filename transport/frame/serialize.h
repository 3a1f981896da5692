#ifndef CULVERT_TRANSPORT_FRAME_SERIALIZE_H_
#define CULVERT_TRANSPORT_FRAME_SERIALIZE_H_

// Frames as bytes (RFC 9113 4.1, 6), appended to a write buffer. Pure; the caller keeps the rules (windows, states, sizes): lengths above
// the peer's SETTINGS_MAX_FRAME_SIZE are our bug, not input.

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "transport/frame/constants.h"
#include "transport/frame/frame.h"
#include "transport/hpack/encoder.h"
#include "transport/http/header_list.h"
#include "transport/io/write_buffer.h"

namespace culvert::frame {

// Writes the nine octets of a frame header to `out`.
void PutFrameHeader(uint8_t* out, const FrameHeader& header);

// A DATA frame whose `length` payload bytes the caller fills in: returns where. No padding is ever sent.
uint8_t* AppendDataFrame(io::WriteBuffer& out, StreamId id, size_t length, bool end_stream);
// A DATA frame that refers to `payload`, without a copy when it is large.
void AppendDataFrame(io::WriteBuffer& out, StreamId id, io::SharedBytes payload, bool end_stream);

// HEADERS, and CONTINUATION for what does not fit into max_frame_size. Encodes with `encoder`, whose dynamic table moves on: the frames
// must reach the peer in this order.
void AppendHeaders(io::WriteBuffer& out, hpack::Encoder& encoder, StreamId id, std::span<const http::HeaderField> fields, bool end_stream,
                   uint32_t max_frame_size);

void AppendPriority(io::WriteBuffer& out, StreamId id, const Priority& priority);
void AppendRstStream(io::WriteBuffer& out, StreamId id, ErrorCode code);
void AppendSettings(io::WriteBuffer& out, std::span<const Setting> settings);
void AppendSettingsAck(io::WriteBuffer& out);
// Never sent by Culvert; for tests that play a peer which pushes.
void AppendPushPromise(io::WriteBuffer& out, hpack::Encoder& encoder, StreamId id, StreamId promised, std::span<const http::HeaderField> fields);
void AppendPing(io::WriteBuffer& out, const std::array<uint8_t, 8>& opaque, bool ack);
void AppendGoAway(io::WriteBuffer& out, StreamId last_stream_id, ErrorCode code, std::string_view debug_data);
void AppendWindowUpdate(io::WriteBuffer& out, StreamId id, uint32_t increment);

}  // namespace culvert::frame

#endif  // CULVERT_TRANSPORT_FRAME_SERIALIZE_H_
