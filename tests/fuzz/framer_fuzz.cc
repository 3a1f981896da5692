// Any bytes, in pieces of any size, give the same frames and errors as in one piece, lent or owned.

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>

#include "transport/frame/describe.h"
#include "transport/frame/error.h"
#include "transport/frame/framer.h"

static std::string Read(const uint8_t* data, size_t size, size_t piece, bool preface, bool reuse) {
  static culvert::io::BlockPool pool;  // a read block is large: made anew for each run, it would take most of the time
  culvert::frame::Framer framer(
      pool, {.max_header_list_size = 500, .max_header_fields = 10, .expect_preface = preface});
  framer.SetReuseFrames(reuse);
  std::string log;
  for (size_t n = 0; size != 0; data += n, size -= n) {
    const std::span<uint8_t> space = framer.Space();
    n = std::min({space.size(), size, piece});
    std::copy_n(data, n, space.begin());
    framer.Feed(n);
    absl::StatusOr<culvert::frame::FrameRef> frame;
    while (!(frame = framer.ReadFrame()).ok() || *frame) {
      std::array<culvert::frame::StreamId, 3> next;
      framer.PeekStreams(next);
      if (frame.ok()) {
        log += culvert::frame::Describe(**frame);
      } else {
        const auto error = culvert::frame::GetWireError(frame.status()).value();
        if (log.append(error.token); error.stream_id == 0) return log;
      }
    }
    if (!reuse) framer.Park();
  }
  return log;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const bool preface = size != 0 && data[0] >= 128;
  if (size != 0 && Read(data + 1, size - 1, size, preface, true) !=
                       Read(data + 1, size - 1, data[0] % 64u + 1, preface, false))
    std::abort();
  return 0;
}
