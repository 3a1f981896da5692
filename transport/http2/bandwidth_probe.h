#ifndef CULVERT_TRANSPORT_HTTP2_BANDWIDTH_PROBE_H_
#define CULVERT_TRANSPORT_HTTP2_BANDWIDTH_PROBE_H_

// How much a peer sends within a round trip, and so how large the receive windows should be. Pure.
//
// Windows begin small, as they bound what a peer may make us hold. Where data comes so fast that a window is half used up, a PING goes out, and
// what arrives until its acknowledgement is what the path holds. Windows become four times that: as credit is given back by half windows, one that
// bounds the peer shows as half of it arriving. Credit is given only for what the application has consumed, so windows grow only for
// applications that keep up.

#include <algorithm>
#include <cstdint>

namespace culvert::http2 {

class BandwidthProbe {
 public:
  // `window`: of a stream to begin with; it grows up to `max_window`.
  BandwidthProbe(uint32_t window, uint32_t max_window) : window_(window), max_window_(std::max(window, max_window)) {}

  // What streams' windows should be now.
  uint32_t window() const { return window_; }

  // n bytes of DATA have come; `half_used`: a window that they belong to is half used up. True when a PING is to be sent.
  [[nodiscard]] bool OnData(uint32_t n, bool half_used) {
    if (under_way_) {
      bytes_ = std::min(bytes_ + n, max_window_);  // no more than that matters
      return false;
    }
    if (!half_used || window_ == max_window_) return false;
    under_way_ = true;
    bytes_ = 0;
    return true;
  }

  // The PING was acknowledged.
  void OnAck() {
    if (!under_way_) return;
    under_way_ = false;
    window_ = std::clamp(4 * bytes_, window_, max_window_);
  }

 private:
  uint32_t window_;
  const uint32_t max_window_;  // at most 2^29, so that four times that is no overflow
  uint32_t bytes_ = 0;         // since the PING was sent
  bool under_way_ = false;
};

}  // namespace culvert::http2

#endif  // CULVERT_TRANSPORT_HTTP2_BANDWIDTH_PROBE_H_
