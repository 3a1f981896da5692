// Any payload of any type: what is accepted keeps the rules of RFC 9113 6 and RFC 9218 7, lies within the payload, and is the same once
// serialized; what is refused is refused as an error of that stream or of the connection. Header blocks that we write come in frames that
// the peer takes, and are read as the same fields. What is told of a frame shows no byte that is not printable, and no secret.
//
// A byte each for the type (of kTypes: the first ten, or from 240 on the others), the flags and the stream; the rest is the payload. That
// of CONTINUATION is no payload, but fields to be written: a byte for the size of the frames, then for each field a byte that says its
// name, or how long that is and whether it is sensitive, and the value.

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "tests/fuzz/fuzz.h"
#include "transport/frame/constants.h"
#include "transport/frame/describe.h"
#include "transport/frame/error.h"
#include "transport/frame/frame.h"
#include "transport/frame/parse.h"
#include "transport/frame/serialize.h"
#include "transport/hpack/decoder.h"
#include "transport/hpack/encoder.h"
#include "transport/http/header_list.h"
#include "transport/io/block_pool.h"
#include "transport/io/write_buffer.h"

namespace culvert::frame {
namespace {

using Bytes = std::span<const uint8_t>;

void ExpectWithin(Bytes part, Bytes whole) {
  FUZZ_EXPECT(part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size()));
}

void ExpectError(const absl::Status& status, const FrameHeader& header) {
  const std::optional<WireError> error = GetWireError(status);
  FUZZ_EXPECT(error && error->code != ErrorCode::kNoError && !error->token.empty());
  FUZZ_EXPECT(error->stream_id == 0 || error->stream_id == header.stream_id);
}

// What `append` writes, whole.
template <class Append>
std::vector<uint8_t> Serialized(Append append) {
  static io::BlockPool pool;  // a block is large: made anew for each run, it would take most of the time
  io::WriteBuffer out(pool);
  append(out);
  std::vector<uint8_t> bytes;
  std::array<iovec, 16> pieces;
  while (!out.empty()) {
    size_t size = 0;
    for (size_t i = 0, n = out.Gather(pieces); i < n; size += pieces[i++].iov_len) {
      const auto* begin = static_cast<const uint8_t*>(pieces[i].iov_base);
      bytes.insert(bytes.end(), begin, begin + pieces[i].iov_len);
    }
    out.Consume(size);
  }
  return bytes;
}

// The frame that `bytes` are, and nothing behind it.
FrameHeader Reread(Bytes bytes, FrameType type, StreamId id) {
  FUZZ_EXPECT(bytes.size() >= kFrameHeaderSize);
  const FrameHeader header = ParseFrameHeader(bytes.first<kFrameHeaderSize>());
  FUZZ_EXPECT(header.type == type && header.stream_id == id && header.length == bytes.size() - kFrameHeaderSize);
  return header;
}

bool Same(Bytes a, Bytes b) { return std::ranges::equal(a, b); }

// A code that a peer gave is told on, as a status.
void CheckCarried(const FrameHeader& header, ErrorCode code) {
  constexpr std::string_view kToken = "token of 4 words";
  const std::optional<WireError> error = GetWireError(header.stream_id == 0 ? ConnectionError(code, kToken, "why")
                                                                            : StreamError(header.stream_id, code, kToken, "why"));
  FUZZ_EXPECT(error && error->stream_id == header.stream_id && error->code == code && error->token == kToken);
}

void ReadData(const FrameHeader& header, Bytes payload) {
  DataFrame frame;
  if (const absl::Status status = ParseData(header, payload, frame); !status.ok()) return ExpectError(status, header);
  ExpectWithin(frame.data, payload);
  FUZZ_EXPECT(header.stream_id != 0 && frame.flow_controlled_length == payload.size());
  FUZZ_EXPECT(header.has(flags::kPadded) ? frame.data.size() + 1 + payload[0] == payload.size() : frame.data.size() == payload.size());
  const std::vector<uint8_t> bytes = Serialized([&](io::WriteBuffer& out) {
    std::copy(frame.data.begin(), frame.data.end(), AppendDataFrame(out, header.stream_id, frame.data.size(), frame.end_stream));
  });
  DataFrame again;
  FUZZ_EXPECT(ParseData(Reread(bytes, FrameType::kData, header.stream_id), Bytes(bytes).subspan(kFrameHeaderSize), again).ok());
  FUZZ_EXPECT(Same(again.data, frame.data) && again.end_stream == frame.end_stream);

  // As a message goes out: by reference, when it is large.
  std::string message;
  for (int i = header.stream_id == 3 ? 20 : 1; i > 0; --i) message.append(frame.data.begin(), frame.data.end());
  const std::vector<uint8_t> shared = Serialized(
      [&](io::WriteBuffer& out) { AppendDataFrame(out, header.stream_id, io::SharedBytes::Copy(message), frame.end_stream); });
  FUZZ_EXPECT(Reread(shared, FrameType::kData, header.stream_id).has(flags::kEndStream) == frame.end_stream);
  FUZZ_EXPECT(std::ranges::equal(Bytes(shared).subspan(kFrameHeaderSize), message, {}, {}, [](char c) { return static_cast<uint8_t>(c); }));
}

void ReadHeaders(const FrameHeader& header, Bytes payload) {
  HeadersFrame frame;
  Bytes fragment;
  if (const absl::Status status = ParseHeaders(header, payload, frame, fragment); !status.ok()) return ExpectError(status, header);
  ExpectWithin(fragment, payload);
  const size_t padding = header.has(flags::kPadded) ? 1 + payload[0] : 0;
  FUZZ_EXPECT(header.stream_id != 0 && frame.has_priority == header.has(flags::kPriority));
  FUZZ_EXPECT(fragment.size() + padding + (frame.has_priority ? 5 : 0) == payload.size());
  const absl::Status depends = CheckPriority(header.stream_id, frame.priority);
  if (!depends.ok()) ExpectError(depends, header);
}

void ReadPushPromise(const FrameHeader& header, Bytes payload) {
  PushPromiseFrame frame;
  Bytes fragment;
  if (const absl::Status status = ParsePushPromise(header, payload, frame, fragment); !status.ok()) return ExpectError(status, header);
  ExpectWithin(fragment, payload);
  FUZZ_EXPECT(header.stream_id != 0 && frame.promised_stream_id <= kMaxStreamId);
}

void ReadSettings(const FrameHeader& header, Bytes payload) {
  SettingsFrame frame;
  std::vector<Setting> storage;
  if (const absl::Status status = ParseSettings(header, payload, storage, frame); !status.ok()) return ExpectError(status, header);
  FUZZ_EXPECT(header.stream_id == 0 && frame.settings.size() * 6 == payload.size() && frame.settings.size() <= kMaxSettings);
  FUZZ_EXPECT(!frame.ack || payload.empty());
  for (const Setting& setting : frame.settings) {
    if (setting.id == SettingId::kEnablePush) FUZZ_EXPECT(setting.value <= 1);
    if (setting.id == SettingId::kInitialWindowSize) FUZZ_EXPECT(setting.value <= kMaxWindow);
    if (setting.id == SettingId::kMaxFrameSize) FUZZ_EXPECT(setting.value >= kMinMaxFrameSize && setting.value <= kMaxMaxFrameSize);
  }
  const std::vector<uint8_t> bytes =
      Serialized([&](io::WriteBuffer& out) { frame.ack ? AppendSettingsAck(out) : AppendSettings(out, frame.settings); });
  FUZZ_EXPECT(Reread(bytes, FrameType::kSettings, 0).has(flags::kAck) == frame.ack);
  FUZZ_EXPECT(Same(Bytes(bytes).subspan(kFrameHeaderSize), payload));
}

void ReadGoAway(const FrameHeader& header, Bytes payload) {
  GoAwayFrame frame;
  if (const absl::Status status = ParseGoAway(header, payload, frame); !status.ok()) return ExpectError(status, header);
  ExpectWithin(frame.debug_data, payload);
  const std::vector<uint8_t> bytes = Serialized([&](io::WriteBuffer& out) {
    AppendGoAway(out, frame.last_stream_id, frame.error_code,
                 {reinterpret_cast<const char*>(frame.debug_data.data()), frame.debug_data.size()});
  });
  GoAwayFrame again;
  FUZZ_EXPECT(ParseGoAway(Reread(bytes, FrameType::kGoAway, 0), Bytes(bytes).subspan(kFrameHeaderSize), again).ok());
  FUZZ_EXPECT(again.last_stream_id == frame.last_stream_id && again.error_code == frame.error_code);
  FUZZ_EXPECT(Same(again.debug_data, frame.debug_data));
  CheckCarried(header, frame.error_code);
}

void ReadPriorityUpdate(const FrameHeader& header, Bytes payload) {
  PriorityUpdateFrame frame;
  if (const absl::Status status = ParsePriorityUpdate(header, payload, frame); !status.ok()) return ExpectError(status, header);
  ExpectWithin(frame.field_value, payload);
  FUZZ_EXPECT(header.stream_id == 0 && frame.prioritized_stream_id != 0 && frame.prioritized_stream_id <= kMaxStreamId);
  FUZZ_EXPECT(frame.field_value.size() + 4 == payload.size());
}

// The types of a fixed length.
void ReadFixed(const FrameHeader& header, Bytes payload) {
  absl::Status status;
  std::vector<uint8_t> bytes;
  uint32_t ignored = 0;  // of the reserved bit of a first octet
  switch (header.type) {
    case FrameType::kPriority: {
      PriorityFrame frame;
      status = ParsePriority(header, payload, frame);
      if (status.ok()) bytes = Serialized([&](io::WriteBuffer& out) { AppendPriority(out, header.stream_id, frame.priority); });
      break;
    }
    case FrameType::kRstStream: {
      RstStreamFrame frame;
      status = ParseRstStream(header, payload, frame);
      if (!status.ok()) break;
      bytes = Serialized([&](io::WriteBuffer& out) { AppendRstStream(out, header.stream_id, frame.error_code); });
      CheckCarried(header, frame.error_code);
      break;
    }
    case FrameType::kPing: {
      PingFrame frame;
      status = ParsePing(header, payload, frame);
      if (status.ok()) bytes = Serialized([&](io::WriteBuffer& out) { AppendPing(out, frame.opaque, frame.ack); });
      break;
    }
    default: {
      WindowUpdateFrame frame;
      status = ParseWindowUpdate(header, payload, frame);
      if (!status.ok()) break;
      FUZZ_EXPECT(frame.increment >= 1 && frame.increment <= kMaxWindow);
      ignored = 0x80;
      bytes = Serialized([&](io::WriteBuffer& out) { AppendWindowUpdate(out, header.stream_id, frame.increment); });
    }
  }
  if (!status.ok()) return ExpectError(status, header);
  Reread(bytes, header.type, header.stream_id);
  const Bytes again = Bytes(bytes).subspan(kFrameHeaderSize);
  FUZZ_EXPECT(Same(again.subspan(1), payload.subspan(1)) && again[0] == (payload[0] & ~ignored));
}

bool IsPrintable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c <= 0x7e; });
}

// What is told of a frame, as it is on the wire: of two and the preface it is a line each, and of a torn one that it is.
void CheckDescription(const FrameHeader& header, Bytes payload) {
  std::vector<uint8_t> wire(kFrameHeaderSize);
  PutFrameHeader(wire.data(), header);
  FUZZ_EXPECT(ParseFrameHeader(Bytes(wire).first<kFrameHeaderSize>()) == header);
  wire.insert(wire.end(), payload.begin(), payload.end());
  const std::string line = DescribeBytes(wire);
  FUZZ_EXPECT(!line.empty() && IsPrintable(line));
  if (const size_t cut = header.flags % wire.size(); cut != 0) {
    const std::string torn = DescribeBytes(Bytes(wire).first(cut));
    FUZZ_EXPECT(IsPrintable(torn) && torn.find("torn: ") != std::string::npos);
  }
  std::vector<uint8_t> all(kConnectionPreface.begin(), kConnectionPreface.end());
  for (int i = 0; i < 2; ++i) all.insert(all.end(), wire.begin(), wire.end());
  FUZZ_EXPECT(DescribeBytes(all) == "PREFACE\n" + line + "\n" + line);
}

// Fields are described without their secrets: others of the same length in their place make no difference.
void CheckSecrets(const FrameHeader& header, const http::HeaderList& fields) {
  http::HeaderList others;
  for (const http::HeaderField& field : fields) {
    const bool secret = field.sensitive || field.name == "cookie" || field.name == "authorization";
    others.Add(field.name, secret ? std::string(field.value.size(), 'x') : std::string(field.value), field.sensitive);
  }
  const auto told = [&](const http::HeaderList& list) {
    return header.flags % 2 == 0 ? Describe({header, HeadersFrame{.fields = &list, .truncated = fields.size() > 2}})
                                 : Describe({header, PushPromiseFrame{.promised_stream_id = 2, .fields = &list}});
  };
  FUZZ_EXPECT(told(fields) == told(others) && IsPrintable(told(fields)));
}

// A block that we write: a PUSH_PROMISE by the flags, or HEADERS.
void WriteBlock(fuzz::Input& input, const FrameHeader& header) {
  static constexpr std::string_view kNames[] = {":path", "cookie", "authorization", "content-type"};
  const uint32_t most = header.has(flags::kEndHeaders) ? kMinMaxFrameSize : input.Byte() + 1u;
  http::HeaderList fields;
  while (!input.empty() && fields.size() < 30) {
    const uint8_t n = input.Byte();
    const std::string_view name = n < std::size(kNames) ? kNames[n] : input.Text(n % 32);
    fields.Add(name, input.Text(), n >= 128);
  }
  CheckSecrets(header, fields);
  const StreamId id = header.stream_id + 1;
  const bool push = header.has(flags::kPadded);
  const bool end_stream = header.has(flags::kEndStream);
  hpack::Encoder encoder;
  const std::vector<uint8_t> wire = Serialized([&](io::WriteBuffer& out) {
    push ? AppendPushPromise(out, encoder, id, kMaxStreamId, fields.fields())
         : AppendHeaders(out, encoder, id, fields.fields(), end_stream, most);
  });
  std::vector<uint8_t> block;
  bool ended = false;
  for (Bytes rest = wire; !rest.empty();) {
    FUZZ_EXPECT(!ended && rest.size() >= kFrameHeaderSize);
    const FrameHeader written = ParseFrameHeader(rest.first<kFrameHeaderSize>());
    const Bytes payload = rest.subspan(kFrameHeaderSize, written.length);
    FUZZ_EXPECT(written.stream_id == id && written.length <= (push ? kMinMaxFrameSize : most));
    Bytes fragment = payload;
    if (rest.data() != wire.data()) {
      FUZZ_EXPECT(written.type == FrameType::kContinuation && !payload.empty());
    } else if (push) {
      PushPromiseFrame frame;
      FUZZ_EXPECT(written.type == FrameType::kPushPromise && ParsePushPromise(written, payload, frame, fragment).ok());
      FUZZ_EXPECT(frame.promised_stream_id == kMaxStreamId);
    } else {
      HeadersFrame frame;
      FUZZ_EXPECT(written.type == FrameType::kHeaders && ParseHeaders(written, payload, frame, fragment).ok());
      FUZZ_EXPECT(frame.end_stream == end_stream && !frame.has_priority);
    }
    block.insert(block.end(), fragment.begin(), fragment.end());
    ended = written.has(flags::kEndHeaders);
    rest = rest.subspan(kFrameHeaderSize + written.length);
  }
  http::HeaderList again;
  hpack::Decoder decoder(kDefaultHeaderTableSize);
  decoder.StartBlock(again, {.max_list_size = SIZE_MAX, .max_fields = SIZE_MAX});
  FUZZ_EXPECT(ended && decoder.Decode(block, true).ok() && std::ranges::equal(again, fields));
}

}  // namespace
}  // namespace culvert::frame

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace culvert::frame;  // NOLINT
  static constexpr FrameType kTypes[] = {
      FrameType::kData,         FrameType::kHeaders, FrameType::kPriority, FrameType::kRstStream,    FrameType::kSettings,
      FrameType::kPushPromise,  FrameType::kPing,    FrameType::kGoAway,   FrameType::kWindowUpdate, FrameType::kPriorityUpdate,
      FrameType::kContinuation, FrameType{0xfa}};
  culvert::fuzz::Input input(data, size);
  const uint8_t chosen = input.Byte();
  const FrameType type = kTypes[chosen < 240 ? chosen % 10 : 11 - chosen % 2];
  const uint8_t flags = input.Byte();
  const StreamId id = input.Byte() % 4;
  const Bytes payload = input.rest().first(std::min<size_t>(input.rest().size(), kMinMaxFrameSize));
  const FrameHeader header{.length = static_cast<uint32_t>(payload.size()), .type = type, .flags = flags, .stream_id = id};
  switch (type) {
    case FrameType::kData:
      ReadData(header, payload);
      break;
    case FrameType::kHeaders:
      ReadHeaders(header, payload);
      break;
    case FrameType::kPushPromise:
      ReadPushPromise(header, payload);
      break;
    case FrameType::kSettings:
      ReadSettings(header, payload);
      break;
    case FrameType::kGoAway:
      ReadGoAway(header, payload);
      break;
    case FrameType::kPriorityUpdate:
      ReadPriorityUpdate(header, payload);
      break;
    case FrameType::kContinuation:
      WriteBlock(input, header);
      break;
    case FrameType::kPriority:
    case FrameType::kRstStream:
    case FrameType::kPing:
    case FrameType::kWindowUpdate:
      ReadFixed(header, payload);
      break;
    default:  // unknown: only described
      break;
  }
  CheckDescription(header, payload);
  return 0;
}
