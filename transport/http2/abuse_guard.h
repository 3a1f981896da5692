#ifndef CULVERT_TRANSPORT_HTTP2_ABUSE_GUARD_H_
#define CULVERT_TRANSPORT_HTTP2_ABUSE_GUARD_H_

// What one peer may make us do for nothing, per connection. Pure: the caller tells the time. Each refusal is ENHANCE_YOUR_CALM.

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "absl/status/status.h"
#include "transport/frame/error.h"

namespace culvert::http2 {

// A bucket of `burst` tokens that refills at `per_second`.
class TokenBucket {
 public:
  using Clock = std::chrono::steady_clock;

  constexpr TokenBucket(double burst, double per_second) : burst_(burst), per_second_(per_second), tokens_(burst) {}

  bool Take(Clock::time_point now) {
    if (last_ != Clock::time_point{}) {
      tokens_ = std::min(burst_, tokens_ + per_second_ * std::chrono::duration<double>(now - last_).count());
    }
    last_ = now;
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

 private:
  double burst_;
  double per_second_;
  double tokens_;
  Clock::time_point last_{};
};

class AbuseGuard {
 public:
  using Clock = TokenBucket::Clock;

  // CVE-2023-44487 rapid reset, and CVE-2025-8671: streams that the peer makes *us* reset count like its own resets.
  absl::Status OnReset(Clock::time_point now) { return resets_.Take(now) ? absl::OkStatus() : Calm("reset_flood", "too many reset streams"); }

  // CVE-2019-9515 settings flood, CVE-2019-9513 and others: frames that carry nothing for a stream. A ping flood (CVE-2019-9512) is
  // stopped by the session, which reads no further while its answers are not read.
  absl::Status OnControl(Clock::time_point now) {
    return control_.Take(now) ? absl::OkStatus() : Calm("control_flood", "too many SETTINGS, PRIORITY or unknown frames");
  }

  // CVE-2019-9511 data dribble and floods of WINDOW_UPDATE: credit in crumbs makes us send crumbs.
  absl::Status OnWindowUpdate() {
    return ++window_updates_ <= kFreeWindowUpdates + kWindowUpdatesPerData * data_sent_
               ? absl::OkStatus()
               : Calm("window_update_flood", "too many WINDOW_UPDATE frames for the data sent");
  }
  void OnDataSent(size_t bytes) { data_sent_ += 1 + bytes / 4096; }

  // CVE-2019-9518: DATA without bytes and without END_STREAM.
  absl::Status OnEmptyData() {
    return ++empty_data_ <= kMaxEmptyData ? absl::OkStatus() : Calm("empty_data_flood", "too many empty DATA frames");
  }
  // Useful data pays for earlier empty frames.
  void OnUsefulData() { empty_data_ -= empty_data_ > 0; }

 private:
  static constexpr int kMaxEmptyData = 100;
  // Peers give credit for a stream and for the connection, some for every frame.
  static constexpr uint64_t kFreeWindowUpdates = 1000;
  static constexpr uint64_t kWindowUpdatesPerData = 10;

  static absl::Status Calm(std::string_view token, std::string_view why) {
    return frame::ConnectionError(frame::ErrorCode::kEnhanceYourCalm, token, why);
  }

  // Of a legitimate load with deadlines every call may end in a reset; 200 a second for minutes is still let through.
  TokenBucket resets_{2000, 200};
  // An honest peer sends SETTINGS when it connects and seldom after.
  TokenBucket control_{1000, 100};
  uint64_t window_updates_ = 0;
  uint64_t data_sent_ = 0;  // frames, a large one as several
  int empty_data_ = 0;
};

}  // namespace culvert::http2

#endif  // CULVERT_TRANSPORT_HTTP2_ABUSE_GUARD_H_
