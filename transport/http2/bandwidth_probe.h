#ifndef CULVERT_TRANSPORT_HTTP2_BANDWIDTH_PROBE_H_
#define CULVERT_TRANSPORT_HTTP2_BANDWIDTH_PROBE_H_

// How much a peer sends within a round trip, and so how large the receive windows should be. Pure.
//
// Windows begin small, as they bound what a peer may make us hold. Where data comes so fast that a window is half used up, a PING goes out, and
// what the application consumes until its acknowledgement is what the path holds. Windows become four times that: as credit is given back by half
// windows, one that bounds the peer shows as half of it arriving. What arrives and is not consumed does not count, so windows grow only for
// applications that keep up.
//
// A round trip is also as long as what waits in the sockets' buffers, which grows with the windows: so the shortest one says how long the path
// is, and bounds them. A larger window than the path needs is a queue that small messages stand in behind large ones.

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace culvert::http2 {

class BandwidthProbe {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Windows grow up to this however short the path is: smaller ones have both ends wait for each other's wake-ups.
  static constexpr uint32_t kShortPathWindow = 1024 * 1024;
  // And beyond it by what a path of 16 Gbit/s holds, twice since credit comes by half windows: 8 MiB at a round trip of 2 ms.
  static constexpr uint64_t kBytesPerNanosecond = 4;

  // `window`: of a stream to begin with; it grows up to `max_window`.
  BandwidthProbe(uint32_t window, uint32_t max_window) : window_(window), max_window_(std::max(window, max_window)) {}

  // What streams' windows should be now.
  uint32_t window() const { return window_; }

  // DATA has come; `half_used`: a window that it belongs to is half used up. True when a PING is to be sent: then OnPing follows.
  bool OnData(bool half_used) const { return half_used && !under_way_ && window_ < limit(); }

  void OnPing(Time now) {
    under_way_ = true;
    bytes_ = 0;
    sent_ = now;
  }

  // The application has consumed n bytes of a stream's.
  void OnConsumed(uint32_t n) {
    if (under_way_) bytes_ = std::min(bytes_ + n, max_window_);  // no more than that matters
  }

  // The PING was acknowledged.
  void OnAck(Time now) {
    if (!under_way_) return;
    under_way_ = false;
    const int64_t elapsed = std::chrono::nanoseconds(now - sent_).count();
    round_trip_ = static_cast<uint32_t>(std::clamp<int64_t>(elapsed, 0, round_trip_));
    window_ = std::max(window_, std::min(4 * bytes_, limit()));
  }

 private:
  uint32_t limit() const {
    return static_cast<uint32_t>(std::min<uint64_t>(std::max<uint64_t>(kBytesPerNanosecond * round_trip_, kShortPathWindow), max_window_));
  }

  uint32_t window_;
  const uint32_t max_window_;         // at most 2^29, so that four times that is no overflow
  uint32_t bytes_ = 0;                // consumed since the PING was sent
  uint32_t round_trip_ = UINT32_MAX;  // the shortest yet, in nanoseconds; four seconds are as good as more
  Time sent_;
  bool under_way_ = false;
};

}  // namespace culvert::http2

#endif  // CULVERT_TRANSPORT_HTTP2_BANDWIDTH_PROBE_H_
