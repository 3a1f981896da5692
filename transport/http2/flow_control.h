#ifndef CULVERT_TRANSPORT_HTTP2_FLOW_CONTROL_H_
#define CULVERT_TRANSPORT_HTTP2_FLOW_CONTROL_H_

// Flow-control windows (RFC 9113 5.2, 6.9), one per stream and one per connection, for each direction. Pure.

#include <algorithm>
#include <cstdint>

#include "transport/frame/constants.h"

namespace culvert::http2 {

// What the peer lets us send. May be negative after the peer shrank SETTINGS_INITIAL_WINDOW_SIZE (RFC 9113 6.9.2).
class SendWindow {
 public:
  explicit SendWindow(uint32_t size) : available_(static_cast<int32_t>(size)) {}

  int64_t available() const { return available_; }
  void Take(size_t n) { available_ -= static_cast<int32_t>(n); }

  // Both answer false when the window would pass 2^31-1: a FLOW_CONTROL_ERROR.
  [[nodiscard]] bool Expand(uint32_t increment) { return Adjust(increment); }
  [[nodiscard]] bool Adjust(int64_t delta) {
    if (available_ + delta > static_cast<int64_t>(frame::kMaxWindow)) return false;
    available_ = static_cast<int32_t>(available_ + delta);
    return true;
  }

 private:
  int32_t available_;  // from -(2^31-1) to 2^31-1
};

// What we let the peer send. Credit given back is announced in batches: one WINDOW_UPDATE per half window.
class ReceiveWindow {
 public:
  // `believed`: what the peer may take it for, until it has acknowledged our SETTINGS (RFC 9113 6.5.3).
  explicit ReceiveWindow(uint32_t size, uint32_t believed = 0) : size_(size), available_(std::max(size, believed)) {}

  uint32_t size() const { return size_; }
  bool half_used() const { return available_ <= size_ / 2; }

  // The peer sent n bytes; false when that was more than allowed: a FLOW_CONTROL_ERROR.
  [[nodiscard]] bool Receive(uint32_t n) {
    if (n > available_) return false;
    available_ -= n;
    return true;
  }

  // n bytes were consumed. Returns the increment to announce now, or 0 while it is less than half the window: of what the window is without the
  // bytes that are `withheld`, to be given later.
  [[nodiscard]] uint32_t Consume(uint32_t n, uint32_t withheld = 0) {
    unannounced_ += n;
    if (unannounced_ < std::min(size_ / 2, std::max((size_ - withheld) / 2, kLeastIncrement))) return 0;
    const uint32_t increment = unannounced_;
    unannounced_ = 0;
    available_ += increment;
    return increment;
  }

  // Grows the window; returns the increment to announce.
  [[nodiscard]] uint32_t GrowTo(uint32_t size) {
    const uint32_t increment = GrowWithheld(size);
    available_ += increment;
    return increment;
  }
  // Grows the window by bytes that are withheld, and returns how many those are.
  [[nodiscard]] uint32_t GrowWithheld(uint32_t size) {
    const uint32_t more = size - std::min(size, size_);
    size_ += more;
    return more;
  }

 private:
  static constexpr uint32_t kLeastIncrement = frame::kMinMaxFrameSize;  // where most is withheld: no credit in crumbs

  uint32_t size_;
  uint32_t available_;        // what the peer may still send
  uint32_t unannounced_ = 0;  // consumed, not yet given back
};

}  // namespace culvert::http2

#endif  // CULVERT_TRANSPORT_HTTP2_FLOW_CONTROL_H_
