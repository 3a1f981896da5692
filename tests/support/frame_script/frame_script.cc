#include "tests/support/frame_script/frame_script.h"

#include <algorithm>
#include <array>

#include "transport/base/strings.h"
#include "transport/frame/describe.h"
#include "transport/frame/serialize.h"

namespace culvert::testing_support {

using frame::StreamId;

FrameScript& FrameScript::ClientPreface() {
  out_.Append(frame::kConnectionPreface);
  return *this;
}

FrameScript& FrameScript::Settings(const std::vector<frame::Setting>& settings) {
  frame::AppendSettings(out_, settings);
  return *this;
}

FrameScript& FrameScript::SettingsAck() {
  frame::AppendSettingsAck(out_);
  return *this;
}

FrameScript& FrameScript::Headers(StreamId id, const Fields& fields, uint8_t flags, uint32_t most) {
  frame::AppendHeaders(out_, encoder_, id, fields, (flags & kEndStream) != 0, most);
  return *this;
}

FrameScript& FrameScript::Data(StreamId id, std::string_view data, uint8_t flags) {
  return Raw(frame::FrameType::kData, flags, id, data);
}

FrameScript& FrameScript::PaddedData(StreamId id, std::string_view data, uint8_t padding, uint8_t flags) {
  const std::string payload =
      StrCat(std::string_view(reinterpret_cast<const char*>(&padding), 1), data, std::string(padding, '\0'));
  return Raw(frame::FrameType::kData, flags | frame::flags::kPadded, id, payload);
}

FrameScript& FrameScript::Priority(StreamId id, const frame::Priority& priority) {
  frame::AppendPriority(out_, id, priority);
  return *this;
}

FrameScript& FrameScript::RstStream(StreamId id, frame::ErrorCode code) {
  frame::AppendRstStream(out_, id, code);
  return *this;
}

FrameScript& FrameScript::PushPromise(StreamId id, StreamId promised, const Fields& fields) {
  frame::AppendPushPromise(out_, encoder_, id, promised, fields);
  return *this;
}

FrameScript& FrameScript::Ping(std::string_view opaque, bool ack) {
  return Raw(frame::FrameType::kPing, ack ? frame::flags::kAck : 0, 0, opaque);
}

FrameScript& FrameScript::GoAway(StreamId last, frame::ErrorCode code, std::string_view debug) {
  frame::AppendGoAway(out_, last, code, debug);
  return *this;
}

FrameScript& FrameScript::WindowUpdate(StreamId id, uint32_t increment) {
  frame::AppendWindowUpdate(out_, id, increment);
  return *this;
}

FrameScript& FrameScript::Raw(frame::FrameType type, uint8_t flags, StreamId id, std::string_view payload) {
  const frame::FrameHeader header{static_cast<uint32_t>(payload.size()), type, flags, id};
  frame::PutFrameHeader(out_.Grow(frame::kFrameHeaderSize), header);
  out_.Append(payload);
  return *this;
}

std::string FrameScript::Bytes() {
  std::string bytes;
  std::array<iovec, 16> pieces;
  while (!out_.empty()) {
    size_t size = 0;
    for (size_t i = 0, n = out_.Gather(pieces); i < n; ++i) {
      bytes.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
      size += pieces[i].iov_len;
    }
    out_.Consume(size);
  }
  return bytes;
}

FrameTranscript::FrameTranscript(From from)
    : framer_(pool_, {.max_frame_size = frame::Framer::kLargestFrame, .expect_preface = from == From::kClient}) {}

std::string FrameTranscript::Read(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    const std::span<uint8_t> space = framer_.Space();
    const size_t n = std::min(space.size(), bytes.size());
    std::copy_n(bytes.begin(), n, space.begin());
    framer_.Feed(n);
    bytes.remove_prefix(n);
    for (;;) {
      const absl::StatusOr<frame::FrameRef> read = framer_.ReadFrame();
      if (!read.ok()) return text + StrCat("error: ", ToStd(read.status().message()), "\n");
      if (!*read) break;
      const frame::Frame& frame = **read;
      std::string line = frame::Describe(frame);
      if (const auto* data = std::get_if<frame::DataFrame>(&frame.body)) {
        data_[frame.header.stream_id].append(data->data.begin(), data->data.end());
      } else if (const size_t length = line.find(" len="); length != line.npos) {
        line.erase(length, std::min(line.find(' ', length + 1), line.size()) - length);
      }
      text += line + "\n";
    }
  }
  return text;
}

}  // namespace culvert::testing_support
