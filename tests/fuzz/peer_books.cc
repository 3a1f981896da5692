#include "tests/fuzz/peer_books.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <random>
#include <string_view>
#include <utility>

#include "tests/fuzz/fuzz.h"
#include "transport/http/header_list.h"

namespace culvert::fuzz {

namespace {

using frame::ErrorCode;
using frame::FrameType;
using frame::SettingId;
using http2::Role;

constexpr int64_t kMaxWindow = frame::kMaxWindow;

template <class E>
uint32_t Code(E code) {
  return static_cast<uint32_t>(code);
}

// The pattern repeats after this many bytes, a prime: no length of a frame is a multiple of it by chance.
constexpr size_t kPeriod = 4093;

// Twice the pattern, so that kPeriod bytes from any place in the first lie together: they are copied and compared at once, since each
// comparison of a byte would be one for libFuzzer to look at.
const std::array<uint8_t, 2 * kPeriod>& Pattern() {
  static const std::array<uint8_t, 2 * kPeriod> pattern = [] {
    std::array<uint8_t, 2 * kPeriod> bytes{};
    std::minstd_rand random(1);
    for (size_t i = 0; i < kPeriod; ++i) bytes[i] = bytes[i + kPeriod] = static_cast<uint8_t>(random() >> 8);
    return bytes;
  }();
  return pattern;
}

// In pieces of up to kPeriod bytes: f(the pattern there, offset into the bytes, length).
template <class F>
void OverPattern(frame::StreamId id, uint64_t position, size_t size, F f) {
  for (size_t done = 0; done < size;) {
    const size_t n = std::min(size - done, kPeriod);
    f(Pattern().data() + (uint64_t{id} * 641 + position + done) % kPeriod, done, n);
    done += n;
  }
}

}  // namespace

void FillPattern(frame::StreamId id, uint64_t position, std::span<uint8_t> out) {
  OverPattern(id, position, out.size(), [&](const uint8_t* pattern, size_t at, size_t n) { std::memcpy(out.data() + at, pattern, n); });
}

bool IsPattern(frame::StreamId id, uint64_t position, std::span<const uint8_t> bytes) {
  bool is = true;
  OverPattern(id, position, bytes.size(),
              [&](const uint8_t* pattern, size_t at, size_t n) { is &= std::memcmp(bytes.data() + at, pattern, n) == 0; });
  return is;
}

bool FrameCutter::Skip(size_t n) {
  if (bytes_.size() - begin_ < n) return false;
  begin_ += n;
  return true;
}

bool FrameCutter::Next(Frame& frame) {
  if (begin_ == bytes_.size()) {
    bytes_.clear();
    begin_ = 0;
  }
  const std::span<const uint8_t> in = rest();
  if (in.size() < frame::kFrameHeaderSize) return false;
  const size_t length = size_t{in[0]} << 16 | size_t{in[1]} << 8 | in[2];
  if (in.size() - frame::kFrameHeaderSize < length) return false;
  frame.type = in[3];
  frame.flags = in[4];
  frame.id = uint32_t{in[5]} << 24 | uint32_t{in[6]} << 16 | uint32_t{in[7]} << 8 | in[8];
  frame.payload = in.subspan(frame::kFrameHeaderSize, length);
  begin_ += frame::kFrameHeaderSize + length;
  return true;
}

PeerBooks::PeerBooks(Role session, const http2::Options& options)
    : role_(session),
      options_(options),
      peer_preface_due_(session == Role::kServer),
      session_preface_due_(session == Role::kClient),
      latest_{.table_sizes = {}, .initial_window = frame::kDefaultWindow, .max_frame_size = frame::kMinMaxFrameSize, .max_streams = 100} {}

PeerBooks::Stream& PeerBooks::stream(frame::StreamId id) {
  const auto [at, made] = streams_.try_emplace(id);
  if (made) at->second.receive_window = options_.initial_window;
  return at->second;
}

// --- what the peer sends ---

void PeerBooks::OnPeerWrites(std::span<const uint8_t> bytes) {
  from_peer_.Add(bytes);
  if (peer_preface_due_) {
    if (!from_peer_.Skip(frame::kConnectionPreface.size())) return;
    peer_preface_due_ = false;
  }
  for (FrameCutter::Frame frame; from_peer_.Next(frame);) OnPeerFrame(frame);
}

void PeerBooks::OnPeerFrame(const FrameCutter::Frame& frame) {
  const frame::StreamId id = frame.id & frame::kMaxStreamId;
  Stream& stream = this->stream(id);
  ++stream.frames;
  switch (static_cast<FrameType>(frame.type)) {
    case FrameType::kHeaders:
      peer_in_block_ = !frame.has(frame::flags::kEndHeaders);
      if (role_ == Role::kServer && !stream.opened) {
        stream.opened = true;
        stream.send_window += latest_.initial_window;
        stream.born = settings_sent_;
        highest_ = std::max(highest_, id);
      }
      stream.peer_head = true;
      stream.peer_ended |= frame.has(frame::flags::kEndStream);
      return;
    case FrameType::kData: {
      const auto size = static_cast<int64_t>(frame.payload.size());
      receive_window_ -= size;
      stream.receive_window -= size;
      stream.peer_overran |= stream.receive_window < 0 || receive_window_ < 0;
      peer_overran_ |= receive_window_ < 0;
      stream.peer_ended |= frame.has(frame::flags::kEndStream);
      return;
    }
    case FrameType::kRstStream:
      stream.peer_reset = true;
      return;
    case FrameType::kSettings:
      if (!frame.has(frame::flags::kAck)) OnPeerSettings(frame);
      return;
    case FrameType::kPing:
      if (!frame.has(frame::flags::kAck)) pings_.emplace_back(frame.payload.begin(), frame.payload.end());
      return;
    case FrameType::kWindowUpdate: {
      if (frame.payload.size() != 4) return;
      int64_t& window = id == 0 ? send_window_ : stream.send_window;
      window += frame.Number(0) & frame::kMaxWindow;
      // A client's stream of which the HEADERS were not read yet has the window that it was opened with on top.
      int64_t unread = 0;
      if (id != 0 && !stream.opened) {
        unread = std::max<int64_t>(initial_window_, latest_.initial_window);
        for (const Settings& settings : unacked_) unread = std::max<int64_t>(unread, settings.initial_window);
      }
      peer_overflowed_ |= window + unread > kMaxWindow;
      return;
    }
    case FrameType::kContinuation:
      peer_in_block_ = !frame.has(frame::flags::kEndHeaders);
      return;
    default:
      return;
  }
}

void PeerBooks::OnPeerSettings(const FrameCutter::Frame& frame) {
  if (settings_sent_++ == 0) latest_.max_streams = UINT32_MAX;  // RFC 9113 6.5.2: unlimited unless it says otherwise
  latest_.table_sizes.clear();
  for (size_t at = 0; at + 6 <= frame.payload.size(); at += 6) {
    const uint32_t value = frame.Number(at + 2);
    switch (static_cast<SettingId>(frame.payload[at] << 8 | frame.payload[at + 1])) {
      case SettingId::kHeaderTableSize:
        latest_.table_sizes.push_back(value);
        break;
      case SettingId::kMaxConcurrentStreams:
        latest_.max_streams = value;
        break;
      case SettingId::kInitialWindowSize:
        latest_.initial_window = value;
        for (const auto& [id, stream] : streams_) peer_overflowed_ |= stream.send_window + value > kMaxWindow;
        break;
      case SettingId::kMaxFrameSize:
        latest_.max_frame_size = value;
        break;
      default:
        break;
    }
  }
  unacked_.push_back(latest_);
}

// --- what the session sends ---

void PeerBooks::OnSessionWrites(std::span<const uint8_t> bytes) {
  from_session_.Add(bytes);
  if (session_preface_due_) {
    const std::span<const uint8_t> begin = from_session_.rest();
    if (!from_session_.Skip(frame::kConnectionPreface.size())) return;
    FUZZ_EXPECT(std::equal(frame::kConnectionPreface.begin(), frame::kConnectionPreface.end(), begin.begin()));
    session_preface_due_ = false;
  }
  for (FrameCutter::Frame frame; from_session_.Next(frame);) OnSessionFrame(frame);
}

void PeerBooks::OnSessionFrame(const FrameCutter::Frame& frame) {
  FUZZ_EXPECT(!over_);                                           // RFC 9113 5.4.1
  FUZZ_EXPECT(frame.id <= frame::kMaxStreamId);                  // 4.1: the reserved bit
  FUZZ_EXPECT(frame.payload.size() <= max_frame_size_);          // 4.2
  const auto type = static_cast<FrameType>(frame.type);
  FUZZ_EXPECT(settings_seen_ || type == FrameType::kSettings);   // 3.4
  // 6.10
  FUZZ_EXPECT(type == FrameType::kContinuation ? block_of_ != 0 && frame.id == block_of_ : block_of_ == 0);
  Stream* const stream = frame.id == 0 ? nullptr : &this->stream(frame.id);
  // 5.1: nothing on an idle stream, but a client's HEADERS. (5.1.1: those that a client has passed over are closed.)
  const bool idle = frame.id % 2 == 0 || frame.id > highest_;
  FUZZ_EXPECT(stream == nullptr || !idle || (role_ == Role::kClient && type == FrameType::kHeaders));
  // 5.1: after RST_STREAM only more of them, in answer to what the peer sends on.
  FUZZ_EXPECT(stream == nullptr || !stream->reset || type == FrameType::kRstStream);
  const auto only_flags = [&](uint8_t allowed) { FUZZ_EXPECT((frame.flags & ~allowed) == 0); };
  switch (type) {
    case FrameType::kHeaders: {
      only_flags(frame::flags::kEndStream | frame::flags::kEndHeaders);
      FUZZ_EXPECT(stream != nullptr && !stream->ended);
      if (!stream->opened) {  // 5.1.1, 5.1.2
        FUZZ_EXPECT(frame.id % 2 == 1 && frame.id > highest_ && open_streams() < max_streams_);
        highest_ = frame.id;
        stream->opened = true;
        stream->send_window += initial_window_;
        stream->born = settings_acked_;
      }
      block_.clear();
      block_of_ = frame.id;
      block_ends_ = frame.has(frame::flags::kEndStream);
      [[fallthrough]];
    }
    case FrameType::kContinuation:
      if (type == FrameType::kContinuation) only_flags(frame::flags::kEndHeaders);
      block_.insert(block_.end(), frame.payload.begin(), frame.payload.end());
      if (frame.has(frame::flags::kEndHeaders)) OnHeaderBlock();
      return;
    case FrameType::kData: {
      only_flags(frame::flags::kEndStream);
      FUZZ_EXPECT(stream != nullptr && stream->head && !stream->ended);
      const auto size = static_cast<int64_t>(frame.payload.size());
      FUZZ_EXPECT(size == 0 || (size <= send_window_ && size <= stream->send_window));  // 6.9.1
      send_window_ -= size;
      stream->send_window -= size;
      FUZZ_EXPECT(IsPattern(frame.id, stream->data, frame.payload));
      stream->data += frame.payload.size();
      stream->ended = frame.has(frame::flags::kEndStream);
      return;
    }
    case FrameType::kRstStream:
      only_flags(0);
      FUZZ_EXPECT(stream != nullptr && frame.payload.size() == 4);
      FUZZ_EXPECT(stream->resets++ <= stream->frames);  // 5.4.2: no two for the same cause
      stream->reset = true;
      FUZZ_EXPECT(frame.Number(0) != Code(ErrorCode::kFlowControlError) || stream->peer_overran || peer_overflowed_);
      OnRefusal(frame.Number(0));
      return;
    case FrameType::kSettings:
      only_flags(frame::flags::kAck);
      FUZZ_EXPECT(frame.id == 0);
      if (frame.has(frame::flags::kAck)) {
        FUZZ_EXPECT(frame.payload.empty());
        OnSettingsAck();
      } else {
        OnSessionSettings(frame);
      }
      return;
    case FrameType::kPing:
      only_flags(frame::flags::kAck);
      FUZZ_EXPECT(frame.id == 0 && frame.payload.size() == 8);
      if (!frame.has(frame::flags::kAck)) {
        pings_to_ack.emplace_back(frame.payload.begin(), frame.payload.end());
        return;
      }
      FUZZ_EXPECT(!pings_.empty() && std::ranges::equal(pings_.front(), frame.payload));
      pings_.pop_front();
      return;
    case FrameType::kGoAway: {
      only_flags(0);
      FUZZ_EXPECT(frame.id == 0 && frame.payload.size() >= 8);
      const uint32_t last = frame.Number(0);
      FUZZ_EXPECT(last <= goaway_last_);  // 6.8
      goaway_last_ = last;
      goaway_sent_ = true;
      const uint32_t code = frame.Number(4);
      over_ = code != 0;
      FUZZ_EXPECT(code != Code(ErrorCode::kFlowControlError) || peer_overran_ || peer_overflowed_);
      OnRefusal(code);
      return;
    }
    case FrameType::kWindowUpdate: {
      only_flags(0);
      FUZZ_EXPECT(frame.payload.size() == 4);
      int64_t& window = stream == nullptr ? receive_window_ : stream->receive_window;
      window += frame.Number(0);
      FUZZ_EXPECT(frame.Number(0) != 0 && window <= kMaxWindow);  // 6.9, 6.9.1
      return;
    }
    default:
      FUZZ_EXPECT(!"a frame of this type is never sent");
  }
}

// A polite peer is told of no fault.
void PeerBooks::OnRefusal(uint32_t code) {
  if (!peer_is_polite) return;
  switch (static_cast<ErrorCode>(code)) {
    case ErrorCode::kProtocolError:
    case ErrorCode::kFlowControlError:
    case ErrorCode::kFrameSizeError:
    case ErrorCode::kCompressionError:
      FUZZ_EXPECT(!"an error, of a peer that made none");
      return;
    case ErrorCode::kEnhanceYourCalm:
    case ErrorCode::kSettingsTimeout:
      FUZZ_EXPECT(peer_is_slow);
      return;
    default:
      return;
  }
}

void PeerBooks::OnHeaderBlock() {
  Stream& stream = this->stream(block_of_);
  block_of_ = 0;
  const std::optional<http::HeaderList> fields = decoder_.Decode(block_);
  FUZZ_EXPECT(fields.has_value());
  const std::string_view first = fields->empty() ? std::string_view() : (*fields)[0].name;
  if (!stream.head) {
    FUZZ_EXPECT(first == (role_ == Role::kClient ? ":method" : ":status"));
  } else {
    FUZZ_EXPECT(!first.starts_with(':') && block_ends_);  // 8.1
  }
  stream.head = true;
  stream.ended = block_ends_;
}

void PeerBooks::OnSessionSettings(const FrameCutter::Frame& frame) {
  FUZZ_EXPECT(!std::exchange(settings_seen_, true) && frame.payload.size() % 6 == 0);
  ++settings_to_ack;
  for (size_t at = 0; at + 6 <= frame.payload.size(); at += 6) {
    const uint32_t value = frame.Number(at + 2);
    switch (static_cast<SettingId>(frame.payload[at] << 8 | frame.payload[at + 1])) {
      case SettingId::kEnablePush:
        FUZZ_EXPECT(role_ == Role::kClient && value == 0);
        break;
      case SettingId::kInitialWindowSize:
        FUZZ_EXPECT(value == options_.initial_window);
        break;
      case SettingId::kMaxConcurrentStreams:
        FUZZ_EXPECT(value == options_.max_concurrent_streams);
        break;
      default:
        break;
    }
  }
}

void PeerBooks::OnSettingsAck() {
  FUZZ_EXPECT(!unacked_.empty());
  const Settings settings = unacked_.front();
  unacked_.pop_front();
  ++settings_acked_;
  for (auto& [id, stream] : streams_) {  // 6.9.2
    if (stream.opened && stream.born < settings_acked_) stream.send_window += settings.initial_window - initial_window_;
  }
  initial_window_ = settings.initial_window;
  max_frame_size_ = settings.max_frame_size;
  max_streams_ = settings.max_streams;
  for (const uint32_t size : settings.table_sizes) decoder_.SetTableSize(size);
}

size_t PeerBooks::open_streams() const {
  size_t count = 0;
  for (const auto& [id, s] : streams_) count += s.opened && !s.reset && !s.peer_reset && !(s.ended && s.peer_ended);
  return count;
}

}  // namespace culvert::fuzz
