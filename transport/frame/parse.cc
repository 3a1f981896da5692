#include "transport/frame/parse.h"

#include <algorithm>

#include "absl/base/optimization.h"
#include "transport/base/status_macros.h"
#include "transport/base/strings.h"
#include "transport/frame/error.h"

namespace culvert::frame {

namespace {

uint16_t Read16(const uint8_t* in) { return static_cast<uint16_t>(in[0] << 8 | in[1]); }

uint32_t Read32(const uint8_t* in) {
  return uint32_t{in[0]} << 24 | uint32_t{in[1]} << 16 | uint32_t{in[2]} << 8 | in[3];
}

Priority ReadPriority(const uint8_t* in) {
  const uint32_t word = Read32(in);
  return {.depends_on = word & kMaxStreamId, .exclusive = word > kMaxStreamId, .weight = in[4]};
}

// The frame belongs to one stream.
absl::Status CheckOnStream(const FrameHeader& header, std::string_view token) {
  if (ABSL_PREDICT_TRUE(header.stream_id != 0)) return absl::OkStatus();
  return ConnectionError(ErrorCode::kProtocolError, token,
                         StrCat(FrameTypeName(header.type), " on stream 0"));
}

// The frame belongs to the connection.
absl::Status CheckOnConnection(const FrameHeader& header, std::string_view token) {
  if (ABSL_PREDICT_TRUE(header.stream_id == 0)) return absl::OkStatus();
  return ConnectionError(ErrorCode::kProtocolError, token,
                         StrCat(FrameTypeName(header.type), " on stream ", header.stream_id));
}

absl::Status WrongLength(const FrameHeader& header, std::string_view token) {
  return ConnectionError(ErrorCode::kFrameSizeError, token,
                         StrCat(FrameTypeName(header.type), " of ", header.length, " bytes"));
}

// Takes the padding off (RFC 9113 6.1), of which the last `needed` octets before the padding must be left
// over. Pad length octet first.
absl::Status TakePadding(const FrameHeader& header, std::span<const uint8_t>& payload,
                         std::string_view short_token, std::string_view pad_token) {
  if (!header.has(flags::kPadded)) return absl::OkStatus();
  if (payload.empty()) return WrongLength(header, short_token);
  const size_t padding = payload[0];
  if (padding >= payload.size()) {
    return ConnectionError(ErrorCode::kProtocolError, pad_token,
                           StrCat("padding of ", padding, " bytes in ", FrameTypeName(header.type), " of ",
                                  header.length, " bytes"));
  }
  payload = payload.subspan(1, payload.size() - 1 - padding);
  return absl::OkStatus();
}

absl::Status CheckSetting(const Setting& setting) {
  switch (setting.id) {
    case SettingId::kEnablePush:
    case SettingId::kEnableConnectProtocol:
    case SettingId::kNoRfc7540Priorities:
      if (setting.value <= 1) return absl::OkStatus();
      break;
    case SettingId::kInitialWindowSize:
      if (setting.value <= kMaxWindow) return absl::OkStatus();
      return ConnectionError(ErrorCode::kFlowControlError, "settings_initial_window",
                             StrCat("INITIAL_WINDOW_SIZE of ", setting.value, " exceeds 2^31-1"));
    case SettingId::kMaxFrameSize:
      if (setting.value >= kMinMaxFrameSize && setting.value <= kMaxMaxFrameSize) return absl::OkStatus();
      break;
    case SettingId::kHeaderTableSize:
    case SettingId::kMaxConcurrentStreams:
    case SettingId::kMaxHeaderListSize:
      return absl::OkStatus();
    default:
      return absl::OkStatus();  // RFC 9113 6.5.2: unknown ones are ignored
  }
  return ConnectionError(ErrorCode::kProtocolError, "settings_value",
                         StrCat(SettingName(setting.id), " of ", setting.value));
}

}  // namespace

absl::Status ParseData(const FrameHeader& header, std::span<const uint8_t> payload, DataFrame& out) {
  CULVERT_RETURN_IF_ERROR(CheckOnStream(header, "data_stream_0"));
  CULVERT_RETURN_IF_ERROR(TakePadding(header, payload, "data_pad_short", "data_pad_too_big"));
  out.data = payload;
  out.end_stream = header.has(flags::kEndStream);
  out.flow_controlled_length = header.length;
  return absl::OkStatus();
}

absl::Status ParseHeaders(const FrameHeader& header, std::span<const uint8_t> payload, HeadersFrame& out,
                          std::span<const uint8_t>& fragment) {
  CULVERT_RETURN_IF_ERROR(CheckOnStream(header, "headers_stream_0"));
  CULVERT_RETURN_IF_ERROR(TakePadding(header, payload, "headers_pad_short", "headers_pad_too_big"));
  out.end_stream = header.has(flags::kEndStream);
  out.has_priority = header.has(flags::kPriority);
  if (out.has_priority) {
    if (payload.size() < 5) {
      // Of a padded frame it is the padding that is too long; else the frame is too short (RFC
      // 9113 6.2, 4.2).
      if (header.has(flags::kPadded) && header.length >= 6) {
        return ConnectionError(ErrorCode::kProtocolError, "headers_pad_too_big",
                               StrCat("padding leaves ", payload.size(), " bytes for the priority"));
      }
      return WrongLength(header, "headers_priority_short");
    }
    out.priority = ReadPriority(payload.data());
    payload = payload.subspan(5);
  }
  fragment = payload;
  return absl::OkStatus();
}

absl::Status ParsePriority(const FrameHeader& header, std::span<const uint8_t> payload, PriorityFrame& out) {
  CULVERT_RETURN_IF_ERROR(CheckOnStream(header, "priority_stream_0"));
  if (payload.size() != 5) {
    return StreamError(header.stream_id, ErrorCode::kFrameSizeError, "priority_length",
                       StrCat("PRIORITY of ", header.length, " bytes"));
  }
  out.priority = ReadPriority(payload.data());
  return CheckPriority(header.stream_id, out.priority);
}

absl::Status ParseRstStream(const FrameHeader& header, std::span<const uint8_t> payload,
                            RstStreamFrame& out) {
  CULVERT_RETURN_IF_ERROR(CheckOnStream(header, "rst_stream_0"));
  if (payload.size() != 4) return WrongLength(header, "rst_length");
  out.error_code = static_cast<ErrorCode>(Read32(payload.data()));
  return absl::OkStatus();
}

absl::Status ParseSettings(const FrameHeader& header, std::span<const uint8_t> payload,
                           std::vector<Setting>& storage, SettingsFrame& out) {
  storage.clear();
  CULVERT_RETURN_IF_ERROR(CheckOnConnection(header, "settings_on_stream"));
  out.ack = header.has(flags::kAck);
  if (out.ack && !payload.empty()) return WrongLength(header, "settings_ack_length");
  if (payload.size() % 6 != 0) return WrongLength(header, "settings_length");
  if (payload.size() / 6 > kMaxSettings) {
    return ConnectionError(ErrorCode::kEnhanceYourCalm, "settings_too_many",
                           StrCat("SETTINGS with ", payload.size() / 6, " entries"));
  }
  for (; !payload.empty(); payload = payload.subspan(6)) {
    const Setting setting{static_cast<SettingId>(Read16(payload.data())), Read32(payload.data() + 2)};
    CULVERT_RETURN_IF_ERROR(CheckSetting(setting));
    storage.push_back(setting);
  }
  out.settings = storage;
  return absl::OkStatus();
}

absl::Status ParsePushPromise(const FrameHeader& header, std::span<const uint8_t> payload,
                              PushPromiseFrame& out, std::span<const uint8_t>& fragment) {
  CULVERT_RETURN_IF_ERROR(CheckOnStream(header, "push_promise_stream_0"));
  CULVERT_RETURN_IF_ERROR(TakePadding(header, payload, "push_promise_pad_short", "push_promise_pad_too_big"));
  if (payload.size() < 4) return WrongLength(header, "push_promise_short");
  out.promised_stream_id = Read32(payload.data()) & kMaxStreamId;
  if (out.promised_stream_id == 0) {
    return ConnectionError(ErrorCode::kProtocolError, "push_promise_of_0", "PUSH_PROMISE of stream 0");
  }
  fragment = payload.subspan(4);
  return absl::OkStatus();
}

absl::Status ParsePing(const FrameHeader& header, std::span<const uint8_t> payload, PingFrame& out) {
  CULVERT_RETURN_IF_ERROR(CheckOnConnection(header, "ping_on_stream"));
  if (payload.size() != out.opaque.size()) return WrongLength(header, "ping_length");
  std::copy(payload.begin(), payload.end(), out.opaque.begin());
  out.ack = header.has(flags::kAck);
  return absl::OkStatus();
}

absl::Status ParseGoAway(const FrameHeader& header, std::span<const uint8_t> payload, GoAwayFrame& out) {
  CULVERT_RETURN_IF_ERROR(CheckOnConnection(header, "goaway_on_stream"));
  if (payload.size() < 8) return WrongLength(header, "goaway_length");
  out.last_stream_id = Read32(payload.data()) & kMaxStreamId;
  out.error_code = static_cast<ErrorCode>(Read32(payload.data() + 4));
  out.debug_data = payload.subspan(8);
  return absl::OkStatus();
}

absl::Status ParseWindowUpdate(const FrameHeader& header, std::span<const uint8_t> payload,
                               WindowUpdateFrame& out) {
  if (payload.size() != 4) return WrongLength(header, "window_update_length");
  out.increment = Read32(payload.data()) & kMaxWindow;
  if (ABSL_PREDICT_TRUE(out.increment != 0)) return absl::OkStatus();
  // RFC 9113 6.9: fatal to the connection on stream 0, to the stream otherwise.
  constexpr std::string_view kWhy = "WINDOW_UPDATE with increment 0";
  return header.stream_id == 0
             ? ConnectionError(ErrorCode::kProtocolError, "window_update_0", kWhy)
             : StreamError(header.stream_id, ErrorCode::kProtocolError, "window_update_0", kWhy);
}

absl::Status ParsePriorityUpdate(const FrameHeader& header, std::span<const uint8_t> payload,
                                 PriorityUpdateFrame& out) {
  CULVERT_RETURN_IF_ERROR(CheckOnConnection(header, "priority_update_on_stream"));
  if (payload.size() < 4) return WrongLength(header, "priority_update_length");
  out.prioritized_stream_id = Read32(payload.data()) & kMaxStreamId;
  if (out.prioritized_stream_id == 0) {
    return ConnectionError(ErrorCode::kProtocolError, "priority_update_of_0", "PRIORITY_UPDATE of stream 0");
  }
  out.field_value = payload.subspan(4);
  return absl::OkStatus();
}

absl::Status CheckPriority(StreamId id, const Priority& priority) {
  if (ABSL_PREDICT_TRUE(priority.depends_on != id)) return absl::OkStatus();
  return StreamError(id, ErrorCode::kProtocolError, "self_dependency",
                     StrCat("stream ", id, " depends on itself"));
}

}  // namespace culvert::frame
