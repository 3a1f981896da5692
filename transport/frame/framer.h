#ifndef CULVERT_TRANSPORT_FRAME_FRAMER_H_
#define CULVERT_TRANSPORT_FRAME_FRAMER_H_

// Bytes in, frames out (RFC 9113 4, 6). Pure: no socket, no clock, no coroutine. Owned by a session, used on its loop alone.
//
//   for (;;) {
//     size_t n = co_await read(framer.Space());
//     framer.Feed(n);
//     for (;;) {
//       absl::StatusOr<FrameRef> frame = framer.ReadFrame();
//       if (!frame.ok()) ...;            // a stream error: answer it, go on. A connection error: GOAWAY, stop.
//       if (!*frame) break;              // more bytes are needed
//       OnFrame(**frame);                // a plain function: the lease cannot cross a suspension
//     }
//     framer.Park();                     // before waiting: an idle connection holds no buffer, no frame and no header list
//   }
//
// Frames are reused by default: every frame struct, the merged header list and the read buffer serve again, with no allocation per
// frame, and from Park on the other framers of the thread. The lease of a frame, and of every span reachable from it, ends when ReadFrame
// is *called* again (or Space, Feed, Park), not when it returns. Debug builds abort on a stale FrameRef; under AddressSanitizer a stale
// span into the read buffer is reported.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "transport/base/check.h"
#include "transport/frame/frame.h"
#include "transport/hpack/decoder.h"
#include "transport/io/block_pool.h"
#include "transport/io/read_buffer.h"

namespace culvert::frame {

// A borrowed frame and the generation it was born in; empty when more bytes are needed.
class FrameRef {
 public:
  FrameRef() = default;

  explicit operator bool() const { return frame_ != nullptr; }
  const Frame& operator*() const {
    CheckFresh();
    return *frame_;
  }
  const Frame* operator->() const {
    CheckFresh();
    return frame_;
  }

 private:
  friend class Framer;
  FrameRef(const Frame* frame, const uint64_t* live, uint64_t born) : frame_(frame), live_(live), born_(born) {}
  explicit FrameRef(std::shared_ptr<const Frame> owned) : frame_(owned.get()), owned_(std::move(owned)) {}

  void CheckFresh() const {
    CULVERT_DCHECK(frame_ != nullptr, "empty FrameRef used");
    CULVERT_DCHECK(live_ == nullptr || *live_ == born_, "frame used after the next ReadFrame");
  }

  const Frame* frame_ = nullptr;
  const uint64_t* live_ = nullptr;        // the framer's generation; null when the frame owns its memory
  uint64_t born_ = 0;
  std::shared_ptr<const Frame> owned_;    // with reuse off
};

class Framer {
 public:
  // The longest frame that fits into a read block with room to spare for what is read behind it.
  static constexpr uint32_t kLargestFrame = io::BlockPool::kReadBlock / 4 * 3;

  struct Options {
    // What we advertise as SETTINGS_MAX_FRAME_SIZE; at most kLargestFrame. A longer frame is a FRAME_SIZE_ERROR.
    uint32_t max_frame_size = kMinMaxFrameSize;
    // What we advertise as SETTINGS_MAX_HEADER_LIST_SIZE. Past it fields are dropped and the list is marked truncated.
    uint32_t max_header_list_size = 64 * 1024;
    // Most fields in one list; past it likewise (HTTP/2 bombs: many tiny fields).
    uint32_t max_header_fields = 256;
    // Most CONTINUATION frames in one block; past it ENHANCE_YOUR_CALM (CONTINUATION floods).
    uint32_t max_continuations = 8;
    // What we advertise as SETTINGS_HEADER_TABLE_SIZE.
    uint32_t header_table_size = kDefaultHeaderTableSize;
    // The bytes begin with the client's connection preface (RFC 9113 3.4), which is checked and skipped: the server's side.
    bool expect_preface = false;
  };

  // Whether a new framer reuses its frames: true, unless the environment has CULVERT_HTTP2_REUSE_FRAMES=0 (read once).
  static bool ReuseByDefault();

  // `pool` outlives the framer.
  Framer(io::BlockPool& pool, const Options& options);
  ~Framer();
  Framer(const Framer&) = delete;
  Framer& operator=(const Framer&) = delete;

  // With reuse off each frame owns its memory and may be kept for as long as its FrameRef. A compatibility hatch, not a tuning knob.
  // Call it before the first ReadFrame.
  void SetReuseFrames(bool reuse) { reuse_ = reuse; }
  bool reuse_frames() const { return reuse_; }

  // Room to read into, never empty; ends the lease. Then Feed says how many bytes were read there.
  std::span<uint8_t> Space();
  void Feed(size_t n);
  // Gives the buffer back to the pool but for an unfinished frame's bytes; ends the lease. Space takes one again.
  void Park();
  bool holds_nothing() const { return buffer_.holds_nothing(); }
  // A header block waits for its CONTINUATION.
  bool in_header_block() const { return in_block_; }

  // Parses the next frame out of the bytes fed so far, or answers an empty FrameRef when more are needed.
  // Errors: see frame/error.h. After a stream error the framer is in step and may be used further; after a connection error every call
  // answers that error again. A frame that broke a rule is not lent.
  absl::StatusOr<FrameRef> ReadFrame();

  // The streams that the next frames name, as far as their headers have come, and how many those are. Promises nothing about the frames:
  // they are not checked yet. The lease goes on.
  size_t PeekStreams(std::span<StreamId> out) const;

  // Bytes fed and not yet parsed (part of a frame, or frames not yet read); none after a connection error.
  std::span<const uint8_t> unread() const { return buffer_.unread(); }
  // The stream and header of the frame that the last error was about, for logs and replies. Until Park, and of no use when the preface was
  // wrong.
  const FrameHeader& last_header() const;

  // The acknowledgement of our SETTINGS came: the decoder's table may shrink to header_table_size (RFC 7541 4.2).
  void OnSettingsAcked() { decoder_.SetMaxTableSize(options_.header_table_size); }

 private:
  struct Workplace;

  void EndLease();
  absl::Status SkipPreface();
  // What the header alone can break: the length, and the sequence of a header block.
  absl::Status CheckHeader(const FrameHeader& header) const;
  // Parses one whole frame into frame_, or goes on with the open block.
  absl::Status Parse(const FrameHeader& header, std::span<const uint8_t> payload);
  absl::Status ContinueBlock(const FrameHeader& header, std::span<const uint8_t> fragment);
  absl::Status DecodeFragment(std::span<const uint8_t> fragment, bool end);
  FrameRef Lend();
  absl::Status Fail(absl::Status status);

  io::ReadBuffer buffer_;
  const Options options_;
  hpack::Decoder decoder_;
  bool reuse_;
  bool preface_expected_;
  bool in_block_ = false;  // END_HEADERS has not come yet
  uint64_t generation_ = 0;
  std::unique_ptr<Workplace> work_;  // null from Park to the next ReadFrame, unless in_block_
  absl::Status broken_;  // the connection error, once there was one
};

}  // namespace culvert::frame

#endif  // CULVERT_TRANSPORT_FRAME_FRAMER_H_
