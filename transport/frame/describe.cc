#include "transport/frame/describe.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "absl/strings/escaping.h"
#include "transport/base/strings.h"
#include "transport/frame/parse.h"

namespace culvert::frame {

namespace {

constexpr size_t kShownBytes = 16;
constexpr size_t kShownText = 256;  // of a header's value, a GOAWAY's debug data, or a PRIORITY_UPDATE's value

std::string_view Text(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string Escape(std::string_view text, size_t most) {
  std::string escaped = absl::CHexEscape(ToAbsl(text.substr(0, most)));
  if (text.size() > most) escaped += "...";
  return escaped;
}

std::string Name(FrameType type) {
  const std::string_view name = FrameTypeName(type);
  return name == "UNKNOWN" ? StrCat(name, "(", static_cast<uint32_t>(type), ")") : std::string(name);
}

std::string Name(ErrorCode code) {
  const std::string_view name = ErrorCodeName(code);
  return name == "UNKNOWN" ? StrCat(name, "(", static_cast<uint32_t>(code), ")") : std::string(name);
}

std::string Name(SettingId id) {
  const std::string_view name = SettingName(id);
  return name == "UNKNOWN" ? StrCat(name, "(", static_cast<uint32_t>(id), ")") : std::string(name);
}

std::string DescribeHeader(const FrameHeader& header) {
  std::string line = Name(header.type);
  if (header.stream_id != 0) line += StrCat(" stream=", header.stream_id);
  line += StrCat(" len=", header.length);
  const auto flag = [&](uint8_t bit, std::string_view name) {
    if (header.has(bit)) line += StrCat(" ", name);
  };
  switch (header.type) {
    case FrameType::kData:
      flag(flags::kEndStream, "END_STREAM");
      flag(flags::kPadded, "PADDED");
      break;
    case FrameType::kHeaders:
      flag(flags::kEndStream, "END_STREAM");
      flag(flags::kEndHeaders, "END_HEADERS");
      flag(flags::kPadded, "PADDED");
      flag(flags::kPriority, "PRIORITY");
      break;
    case FrameType::kPushPromise:
      flag(flags::kEndHeaders, "END_HEADERS");
      flag(flags::kPadded, "PADDED");
      break;
    case FrameType::kContinuation:
      flag(flags::kEndHeaders, "END_HEADERS");
      break;
    case FrameType::kSettings:
    case FrameType::kPing:
      flag(flags::kAck, "ACK");
      break;
    case FrameType::kPriority:
    case FrameType::kRstStream:
    case FrameType::kGoAway:
    case FrameType::kWindowUpdate:
    case FrameType::kPriorityUpdate:
      break;
    default:
      line += StrCat(" flags=", static_cast<uint32_t>(header.flags));
  }
  return line;
}

std::string DescribePriority(const Priority& priority) {
  return StrCat(" depends_on=", priority.depends_on, " weight=", priority.weight + 1u,
                priority.exclusive ? " exclusive" : "");
}

std::string DescribeFields(const http::HeaderList* fields, bool truncated) {
  std::string text;
  if (fields == nullptr) return text;
  for (const http::HeaderField& field : *fields) {
    const bool secret = field.sensitive || field.name == "authorization" ||
                        field.name == "proxy-authorization" || field.name == "cookie" ||
                        field.name == "set-cookie";
    text += StrCat(" ", Escape(field.name, kShownText), "=",
                   secret ? StrCat("<", field.value.size(), " bytes>") : Escape(field.value, kShownText));
  }
  if (truncated) text += " (truncated)";
  return text;
}

std::string DescribeBody(const UnknownFrame& frame) {
  return frame.payload.empty() ? "" : StrCat(" payload=", Escape(Text(frame.payload), kShownBytes));
}

std::string DescribeBody(const DataFrame& frame) {
  return frame.data.empty() ? "" : StrCat(" data=", Escape(Text(frame.data), kShownBytes));
}

std::string DescribeBody(const HeadersFrame& frame) {
  return StrCat(frame.has_priority ? DescribePriority(frame.priority) : "",
                DescribeFields(frame.fields, frame.truncated));
}

std::string DescribeBody(const PriorityFrame& frame) { return DescribePriority(frame.priority); }

std::string DescribeBody(const RstStreamFrame& frame) { return StrCat(" ", Name(frame.error_code)); }

std::string DescribeBody(const SettingsFrame& frame) {
  std::string text;
  for (const Setting& setting : frame.settings) text += StrCat(" ", Name(setting.id), "=", setting.value);
  return text;
}

std::string DescribeBody(const PushPromiseFrame& frame) {
  return StrCat(" promised=", frame.promised_stream_id, DescribeFields(frame.fields, frame.truncated));
}

std::string DescribeBody(const PingFrame& frame) {
  return StrCat(" ", absl::BytesToHexString(ToAbsl(Text(frame.opaque))));
}

std::string DescribeBody(const GoAwayFrame& frame) {
  return StrCat(
      " last=", frame.last_stream_id, " ", Name(frame.error_code),
      frame.debug_data.empty() ? "" : StrCat(" debug=", Escape(Text(frame.debug_data), kShownText)));
}

std::string DescribeBody(const WindowUpdateFrame& frame) { return StrCat(" increment=", frame.increment); }

std::string DescribeBody(const PriorityUpdateFrame& frame) {
  return StrCat(" prioritized=", frame.prioritized_stream_id, " priority=", Escape(Text(frame.field_value), kShownText));
}

// One whole frame as it stands on the wire.
std::string DescribeWire(const FrameHeader& header, std::span<const uint8_t> payload) {
  Frame frame{.header = header, .body = {}};
  std::vector<Setting> settings;
  std::span<const uint8_t> fragment;
  absl::Status status;
  switch (header.type) {
    case FrameType::kData:
      status = ParseData(header, payload, frame.body.emplace<DataFrame>());
      break;
    case FrameType::kHeaders:
      status = ParseHeaders(header, payload, frame.body.emplace<HeadersFrame>(), fragment);
      break;
    case FrameType::kPriority:
      status = ParsePriority(header, payload, frame.body.emplace<PriorityFrame>());
      break;
    case FrameType::kRstStream:
      status = ParseRstStream(header, payload, frame.body.emplace<RstStreamFrame>());
      break;
    case FrameType::kSettings:
      status = ParseSettings(header, payload, settings, frame.body.emplace<SettingsFrame>());
      break;
    case FrameType::kPushPromise:
      status = ParsePushPromise(header, payload, frame.body.emplace<PushPromiseFrame>(), fragment);
      break;
    case FrameType::kPing:
      status = ParsePing(header, payload, frame.body.emplace<PingFrame>());
      break;
    case FrameType::kGoAway:
      status = ParseGoAway(header, payload, frame.body.emplace<GoAwayFrame>());
      break;
    case FrameType::kWindowUpdate:
      status = ParseWindowUpdate(header, payload, frame.body.emplace<WindowUpdateFrame>());
      break;
    case FrameType::kPriorityUpdate:
      status = ParsePriorityUpdate(header, payload, frame.body.emplace<PriorityUpdateFrame>());
      break;
    case FrameType::kContinuation:
      return DescribeHeader(header);
    default:
      frame.body.emplace<UnknownFrame>().payload = payload;
  }
  return status.ok() ? Describe(frame)
                     : StrCat(DescribeHeader(header), " malformed: ", ToStd(status.message()));
}

}  // namespace

std::string Describe(const Frame& frame) {
  return DescribeHeader(frame.header) +
         std::visit([](const auto& body) { return DescribeBody(body); }, frame.body);
}

std::string DescribeBytes(std::span<const uint8_t> bytes) {
  std::string text;
  const auto add = [&](const std::string& line) {
    if (!text.empty()) text += '\n';
    text += line;
  };
  if (Text(bytes).substr(0, kConnectionPreface.size()) == kConnectionPreface) {
    add("PREFACE");
    bytes = bytes.subspan(kConnectionPreface.size());
  }
  while (!bytes.empty()) {
    if (bytes.size() < kFrameHeaderSize) {
      add(StrCat("torn: ", bytes.size(), " bytes of a frame header"));
      break;
    }
    const FrameHeader header = ParseFrameHeader(bytes.first<kFrameHeaderSize>());
    bytes = bytes.subspan(kFrameHeaderSize);
    if (bytes.size() < header.length) {
      add(StrCat(DescribeHeader(header), " torn: ", bytes.size(), " bytes of its payload"));
      break;
    }
    add(DescribeWire(header, bytes.first(header.length)));
    bytes = bytes.subspan(header.length);
  }
  return text;
}

}  // namespace culvert::frame
