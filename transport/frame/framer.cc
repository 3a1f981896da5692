#include "transport/frame/framer.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/optimization.h"
#include "transport/base/spare.h"
#include "transport/base/status_macros.h"
#include "transport/base/strings.h"
#include "transport/frame/error.h"
#include "transport/frame/parse.h"
#include "transport/http/header_list.h"

namespace culvert::frame {

namespace {

// A frame that owns what its spans and pointers refer to: with reuse off.
struct OwnedFrame {
  Frame frame;
  std::vector<uint8_t> bytes;
  std::vector<Setting> settings;
  http::HeaderList fields;

  std::span<const uint8_t> Keep(std::span<const uint8_t> lent) {
    bytes.assign(lent.begin(), lent.end());
    return bytes;
  }
};

// A guess at what a peer speaks that does not speak HTTP/2, to be appended to an error; often empty.
std::string_view Hint(std::span<const uint8_t> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.substr(0, 8) == "HTTP/1.1" || text.substr(0, 8) == "HTTP/1.0")
    return "; the bytes look like an HTTP/1.1 response";
  const bool tls =
      (text.substr(0, 1) == "\x16" || text.substr(0, 1) == "\x15") && (text.size() < 2 || text[1] == '\x03');
  if (tls) return "; the bytes look like TLS, here spoken to in plaintext";
  const std::string_view method = text.substr(0, text.find(' '));
  const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (!method.empty() && std::all_of(method.begin(), method.end(), is_upper))
    return "; the bytes look like an HTTP/1.1 request";
  return "";
}

}  // namespace

// What frames are parsed into. A framer needs one only while it reads, and most connections of a server are idle.
struct Framer::Workplace {
  Frame frame;
  http::HeaderList fields;
  std::vector<Setting> settings;

  // Of a header block whose END_HEADERS has not come yet:
  Frame first;  // HEADERS or PUSH_PROMISE
  uint32_t continuations = 0;
  absl::Status stream_error;  // answered once the block is decoded
};

bool Framer::ReuseByDefault() {
  static const bool reuse = [] {
    const char* const value = std::getenv("CULVERT_HTTP2_REUSE_FRAMES");
    return value == nullptr || std::string_view(value) != "0";
  }();
  return reuse;
}

Framer::Framer(io::BlockPool& pool, const Options& options)
    : buffer_(pool),
      options_(options),
      // Until our SETTINGS are acknowledged the peer may use the default (RFC 9113 6.5.3).
      decoder_(std::max(options.header_table_size, kDefaultHeaderTableSize)),
      reuse_(ReuseByDefault()),
      preface_expected_(options.expect_preface) {
  CULVERT_CHECK(
      options.max_frame_size >= kMinMaxFrameSize && options.max_frame_size <= kLargestFrame,
      "max_frame_size out of range");
}

Framer::~Framer() = default;

const FrameHeader& Framer::last_header() const {
  CULVERT_DCHECK(work_ != nullptr, "last_header without an error before");
  return work_->frame.header;
}

std::span<uint8_t> Framer::Space() {
  EndLease();
  return buffer_.Space();
}

void Framer::Feed(size_t n) {
  EndLease();
  buffer_.Commit(n);
}

void Framer::Park() {
  EndLease();
  buffer_.Park();
  if (!in_block_ && work_ != nullptr) base::Spare<Workplace>::Give(std::move(work_));
}

void Framer::EndLease() {
  ++generation_;
  if (work_ != nullptr && !in_block_ && !work_->fields.empty()) work_->fields.Clear();
  buffer_.Poison();
}

absl::StatusOr<FrameRef> Framer::ReadFrame() {
  EndLease();
  if (ABSL_PREDICT_FALSE(!broken_.ok())) return broken_;
  if (work_ == nullptr) work_ = base::Spare<Workplace>::Take();
  if (ABSL_PREDICT_FALSE(preface_expected_)) {
    if (absl::Status status = SkipPreface(); !status.ok()) return Fail(std::move(status));
    if (preface_expected_) return FrameRef();
  }
  for (;;) {
    const std::span<const uint8_t> unread = buffer_.unread();
    if (unread.size() < kFrameHeaderSize) return FrameRef();
    const FrameHeader header = ParseFrameHeader(unread.first<kFrameHeaderSize>());
    if (absl::Status status = CheckHeader(header); ABSL_PREDICT_FALSE(!status.ok())) {
      work_->frame = {.header = header, .body = {}};
      return Fail(std::move(status));
    }
    if (unread.size() - kFrameHeaderSize < header.length) return FrameRef();
    buffer_.Consume(kFrameHeaderSize +
                    header.length);  // what is consumed stays readable until the lease ends
    if (absl::Status status = Parse(header, unread.subspan(kFrameHeaderSize, header.length));
        ABSL_PREDICT_FALSE(!status.ok())) {
      return Fail(std::move(status));
    }
    if (ABSL_PREDICT_TRUE(!in_block_)) return Lend();
  }
}

size_t Framer::PeekStreams(std::span<StreamId> out) const {
  std::span<const uint8_t> unread = buffer_.unread();
  size_t count = 0;
  while (count < out.size() && unread.size() >= kFrameHeaderSize) {
    const FrameHeader header = ParseFrameHeader(unread.first<kFrameHeaderSize>());
    out[count++] = header.stream_id;
    unread = unread.subspan(std::min<size_t>(unread.size(), kFrameHeaderSize + header.length));
  }
  return count;
}

absl::Status Framer::SkipPreface() {
  const std::span<const uint8_t> unread = buffer_.unread();
  const std::string_view text(reinterpret_cast<const char*>(unread.data()),
                              std::min(unread.size(), kConnectionPreface.size()));
  if (text != kConnectionPreface.substr(0, text.size())) {
    return ConnectionError(ErrorCode::kProtocolError, "preface",
                           StrCat("not an HTTP/2 connection preface", Hint(unread)));
  }
  if (text.size() == kConnectionPreface.size()) {
    buffer_.Consume(text.size());
    preface_expected_ = false;
  }
  return absl::OkStatus();
}

absl::Status Framer::CheckHeader(const FrameHeader& header) const {
  if (ABSL_PREDICT_FALSE(header.length > options_.max_frame_size)) {
    return ConnectionError(ErrorCode::kFrameSizeError, "frame_too_long",
                           StrCat("frame of ", header.length, " bytes exceeds ", options_.max_frame_size,
                                  Hint(buffer_.unread())));
  }
  const bool continuation = header.type == FrameType::kContinuation;
  if (ABSL_PREDICT_TRUE(!in_block_ && !continuation)) return absl::OkStatus();
  if (!in_block_) {
    return ConnectionError(ErrorCode::kProtocolError, "continuation_unexpected",
                           "CONTINUATION without a header block to continue");
  }
  const StreamId id = work_->first.header.stream_id;
  if (continuation && header.stream_id == id) return absl::OkStatus();
  return ConnectionError(ErrorCode::kProtocolError, "header_block_interrupted",
                         StrCat(FrameTypeName(header.type), " on stream ", header.stream_id,
                                " within the header block of stream ", id));
}

absl::Status Framer::Parse(const FrameHeader& header, std::span<const uint8_t> payload) {
  work_->frame = {.header = header, .body = {}};
  switch (header.type) {
    case FrameType::kData:
      return ParseData(header, payload, work_->frame.body.emplace<DataFrame>());
    case FrameType::kHeaders: {
      std::span<const uint8_t> fragment;
      HeadersFrame& headers = work_->frame.body.emplace<HeadersFrame>();
      CULVERT_RETURN_IF_ERROR(ParseHeaders(header, payload, headers, fragment));
      work_->stream_error =
          headers.has_priority ? CheckPriority(header.stream_id, headers.priority) : absl::OkStatus();
      decoder_.StartBlock(work_->fields, {options_.max_header_list_size, options_.max_header_fields});
      return DecodeFragment(fragment, header.has(flags::kEndHeaders));
    }
    case FrameType::kPriority:
      return ParsePriority(header, payload, work_->frame.body.emplace<PriorityFrame>());
    case FrameType::kRstStream:
      return ParseRstStream(header, payload, work_->frame.body.emplace<RstStreamFrame>());
    case FrameType::kSettings:
      return ParseSettings(header, payload, work_->settings, work_->frame.body.emplace<SettingsFrame>());
    case FrameType::kPushPromise: {
      std::span<const uint8_t> fragment;
      CULVERT_RETURN_IF_ERROR(
          ParsePushPromise(header, payload, work_->frame.body.emplace<PushPromiseFrame>(), fragment));
      work_->stream_error = absl::OkStatus();
      decoder_.StartBlock(work_->fields, {options_.max_header_list_size, options_.max_header_fields});
      return DecodeFragment(fragment, header.has(flags::kEndHeaders));
    }
    case FrameType::kPing:
      return ParsePing(header, payload, work_->frame.body.emplace<PingFrame>());
    case FrameType::kGoAway:
      return ParseGoAway(header, payload, work_->frame.body.emplace<GoAwayFrame>());
    case FrameType::kWindowUpdate:
      return ParseWindowUpdate(header, payload, work_->frame.body.emplace<WindowUpdateFrame>());
    case FrameType::kContinuation:
      return ContinueBlock(header, payload);
    case FrameType::kPriorityUpdate:
      return ParsePriorityUpdate(header, payload, work_->frame.body.emplace<PriorityUpdateFrame>());
  }
  work_->frame.body.emplace<UnknownFrame>().payload = payload;
  return absl::OkStatus();
}

absl::Status Framer::ContinueBlock(const FrameHeader& header, std::span<const uint8_t> fragment) {
  if (++work_->continuations > options_.max_continuations) {
    return ConnectionError(
        ErrorCode::kEnhanceYourCalm, "continuation_flood",
        StrCat("more than ", options_.max_continuations, " CONTINUATION frames in one header block"));
  }
  const bool end = header.has(flags::kEndHeaders);
  if (end) {
    work_->frame = work_->first;
    work_->frame.header.flags |= flags::kEndHeaders;
  }
  return DecodeFragment(fragment, end);
}

// Decodes the next fragment of the header block. At its end work_->frame is the merged frame.
absl::Status Framer::DecodeFragment(std::span<const uint8_t> fragment, bool end) {
  if (const absl::Status decoded = decoder_.Decode(fragment, end); ABSL_PREDICT_FALSE(!decoded.ok())) {
    return ConnectionError(ErrorCode::kCompressionError, "header_block", ToStd(decoded.message()));
  }
  if (!end) {
    if (!in_block_) {
      work_->first = work_->frame;
      work_->continuations = 0;
    }
    in_block_ = true;
    return absl::OkStatus();
  }
  in_block_ = false;
  if (HeadersFrame* headers = std::get_if<HeadersFrame>(&work_->frame.body)) {
    headers->fields = &work_->fields;
    headers->truncated = decoder_.truncated();
  } else if (PushPromiseFrame* push = std::get_if<PushPromiseFrame>(&work_->frame.body)) {
    push->fields = &work_->fields;
    push->truncated = decoder_.truncated();
  }
  return work_->stream_error;
}

FrameRef Framer::Lend() {
  if (ABSL_PREDICT_TRUE(reuse_)) return FrameRef(&work_->frame, &generation_, generation_);
  auto owned = std::make_shared<OwnedFrame>();
  owned->frame = work_->frame;
  auto& body = owned->frame.body;
  if (DataFrame* data = std::get_if<DataFrame>(&body)) {
    data->data = owned->Keep(data->data);
  } else if (HeadersFrame* headers = std::get_if<HeadersFrame>(&body)) {
    owned->fields = std::exchange(work_->fields, {});
    headers->fields = &owned->fields;
  } else if (PushPromiseFrame* push = std::get_if<PushPromiseFrame>(&body)) {
    owned->fields = std::exchange(work_->fields, {});
    push->fields = &owned->fields;
  } else if (SettingsFrame* settings = std::get_if<SettingsFrame>(&body)) {
    owned->settings = std::exchange(work_->settings, {});
    settings->settings = owned->settings;
  } else if (GoAwayFrame* goaway = std::get_if<GoAwayFrame>(&body)) {
    goaway->debug_data = owned->Keep(goaway->debug_data);
  } else if (PriorityUpdateFrame* update = std::get_if<PriorityUpdateFrame>(&body)) {
    update->field_value = owned->Keep(update->field_value);
  } else if (UnknownFrame* unknown = std::get_if<UnknownFrame>(&body)) {
    unknown->payload = owned->Keep(unknown->payload);
  }
  return FrameRef(std::shared_ptr<const Frame>(owned, &owned->frame));
}

// After a connection error nothing is read any more; what was fed is dropped.
absl::Status Framer::Fail(absl::Status status) {
  const std::optional<WireError> error = GetWireError(status);
  if (!error || error->stream_id == 0) {
    broken_ = status;
    in_block_ = false;
    buffer_.Consume(buffer_.unread().size());
  }
  return status;
}

}  // namespace culvert::frame
