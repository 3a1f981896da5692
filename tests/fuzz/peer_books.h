#ifndef CULVERT_TESTS_FUZZ_PEER_BOOKS_H_
#define CULVERT_TESTS_FUZZ_PEER_BOOKS_H_

// The books that a peer could keep of a session (RFC 9113): both directions of the wire go in, and whatever the session may not send ends
// the run. It has a frame reader and windows of its own, and nghttp2 for HPACK, so that it shares no fault with what it checks.
//
// What the peer sends is entered when it is written, before the session has read it: the books never allow less than the session may do. A
// change of SETTINGS counts from its acknowledgement, which is in order with all else that the session sends.
//
// DATA carries a pattern, both ways: a byte that is lost, doubled or of another stream is seen.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <vector>

#include "tests/transport/hpack/reference.h"
#include "transport/frame/constants.h"
#include "transport/http2/options.h"

namespace culvert::fuzz {

// Bytes that tell their stream and position.
void FillPattern(frame::StreamId id, uint64_t position, std::span<uint8_t> out);
bool IsPattern(frame::StreamId id, uint64_t position, std::span<const uint8_t> bytes);

// Bytes into whole frames.
class FrameCutter {
 public:
  struct Frame {
    uint8_t type = 0;
    uint8_t flags = 0;
    uint32_t id = 0;  // with the reserved bit
    std::span<const uint8_t> payload;

    bool has(uint8_t flag) const { return (flags & flag) != 0; }
    uint32_t Number(size_t at) const {
      return uint32_t{payload[at]} << 24 | uint32_t{payload[at + 1]} << 16 | uint32_t{payload[at + 2]} << 8 | payload[at + 3];
    }
  };

  void Add(std::span<const uint8_t> bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  // Skips `n` bytes before the first frame; false while they have not come.
  bool Skip(size_t n);
  // The next frame, good until the next call of Add; false while it is not whole.
  bool Next(Frame& frame);
  // No part of a frame is left.
  bool empty() const { return begin_ == bytes_.size(); }
  std::span<const uint8_t> rest() const { return std::span(bytes_).subspan(begin_); }

 private:
  std::vector<uint8_t> bytes_;
  size_t begin_ = 0;
};

class PeerBooks {
 public:
  struct Stream {
    bool opened = false;
    // By the session:
    bool head = false;
    bool ended = false;
    bool reset = false;
    uint64_t data = 0;        // bytes of DATA
    int64_t send_window = 0;  // what it may send more
    size_t born = 0;          // how many SETTINGS of the peer's its window knows of
    int resets = 0;
    // By the peer:
    bool peer_head = false;
    bool peer_ended = false;
    bool peer_reset = false;
    bool peer_overran = false;   // one of the windows
    uint64_t peer_data = 0;
    int64_t receive_window = 0;  // what the peer may send more
    int frames = 0;
  };

  PeerBooks(http2::Role session, const http2::Options& options);

  void OnPeerWrites(std::span<const uint8_t> bytes);
  void OnSessionWrites(std::span<const uint8_t> bytes);

  Stream& stream(frame::StreamId id);
  const std::map<frame::StreamId, Stream>& streams() const { return streams_; }
  int64_t send_window() const { return send_window_; }
  int64_t receive_window() const { return receive_window_; }
  frame::StreamId highest() const { return highest_; }  // of the client's streams

  // Nothing of a frame or a header block is under way on that side.
  bool peer_at_boundary() const { return from_peer_.empty() && !peer_in_block_; }
  bool session_at_boundary() const { return from_session_.empty() && block_of_ == 0; }
  // SETTINGS and PINGs of the peer's that the session has not answered.
  bool owes_answers() const { return !unacked_.empty() || !pings_.empty(); }
  // What the session wants answered: how many SETTINGS, and the PINGs. The caller takes them out.
  int settings_to_ack = 0;
  std::deque<std::vector<uint8_t>> pings_to_ack;

  bool goaway_sent() const { return goaway_sent_; }
  // The peer has broken no rule: it must not be told that it did.
  bool peer_is_polite = false;
  // The session may say ENHANCE_YOUR_CALM and the like to a polite peer: time has passed.
  bool peer_is_slow = false;

 private:
  struct Settings {
    std::vector<uint32_t> table_sizes;
    int64_t initial_window;
    uint32_t max_frame_size;
    uint32_t max_streams;
  };

  void OnPeerFrame(const FrameCutter::Frame& frame);
  void OnPeerSettings(const FrameCutter::Frame& frame);
  void OnSessionFrame(const FrameCutter::Frame& frame);
  void OnHeaderBlock();
  void OnSessionSettings(const FrameCutter::Frame& frame);
  void OnSettingsAck();
  void OnRefusal(uint32_t code);
  size_t open_streams() const;

  const http2::Role role_;
  const http2::Options options_;
  FrameCutter from_peer_, from_session_;
  bool peer_preface_due_, session_preface_due_;
  bool peer_in_block_ = false;
  std::map<frame::StreamId, Stream> streams_;
  frame::StreamId highest_ = 0;

  // What binds the session:
  int64_t send_window_ = frame::kDefaultWindow;
  uint32_t max_frame_size_ = frame::kMinMaxFrameSize;
  uint32_t max_streams_ = 100;
  Settings latest_;               // of all that the peer has sent
  std::deque<Settings> unacked_;
  size_t settings_sent_ = 0, settings_acked_ = 0;
  int64_t initial_window_ = frame::kDefaultWindow;  // that was acknowledged
  std::deque<std::vector<uint8_t>> pings_;

  // What binds the peer:
  int64_t receive_window_ = frame::kDefaultWindow;
  bool peer_overran_ = false;     // a window of the session's
  bool peer_overflowed_ = false;  // or one of its own

  // What the session has sent:
  testing::ReferenceDecoder decoder_;
  bool settings_seen_ = false;
  bool goaway_sent_ = false;
  bool over_ = false;  // a GOAWAY with an error was the last frame
  uint32_t goaway_last_ = frame::kMaxStreamId;
  frame::StreamId block_of_ = 0;  // CONTINUATION is due
  bool block_ends_ = false;
  std::vector<uint8_t> block_;
};

}  // namespace culvert::fuzz

#endif  // CULVERT_TESTS_FUZZ_PEER_BOOKS_H_
