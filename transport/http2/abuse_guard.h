#ifndef CULVERT_TRANSPORT_HTTP2_ABUSE_GUARD_H_
#define CULVERT_TRANSPORT_HTTP2_ABUSE_GUARD_H_

// What one peer may make us do for nothing, per connection. Pure: the caller tells the time. Each refusal is ENHANCE_YOUR_CALM.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "transport/frame/error.h"

namespace culvert::http2 {

// A bucket of `burst` tokens that refills at `per_second`.
template <int burst, int per_second>
class TokenBucket {
 public:
  using Clock = std::chrono::steady_clock;

  bool Take(Clock::time_point now) {
    if (last_ != Clock::time_point{}) {
      tokens_ = std::min<double>(burst, tokens_ + per_second * std::chrono::duration<double>(now - last_).count());
    }
    last_ = now;
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

 private:
  double tokens_ = burst;
  Clock::time_point last_{};
};

class AbuseGuard {
 public:
  using Clock = std::chrono::steady_clock;

  // CVE-2023-44487 rapid reset, and CVE-2025-8671: streams that the peer makes *us* reset count like its own resets.
  absl::Status OnReset(Clock::time_point now) { return resets_.Take(now) ? absl::OkStatus() : Calm("reset_flood", "too many reset streams"); }

  // CVE-2019-9515 settings flood, CVE-2019-9513 and others: frames that carry nothing for a stream.
  absl::Status OnControl(Clock::time_point now) {
    return control_.Take(now) ? absl::OkStatus() : Calm("control_flood", "too many SETTINGS, PRIORITY, PRIORITY_UPDATE or unknown frames");
  }

  // CVE-2019-9512 ping flood, and keepalive out of measure: the peer asks by PING. The rule is that of gRPC's proposal A8, and so is the text,
  // by which gRPC clients know to ask less often. A ping is early within `min_interval` of the last one that was not; `max_strikes` early
  // ones are let pass, and all is forgiven once a head or data has gone out, since who is sent data may measure its path (one PING a round
  // trip). While streams are open a ping every kPingIntervalWithStreams is never early: so a client may watch over a long and quiet call.
  absl::Status OnPing(Clock::time_point now, bool has_streams, std::chrono::milliseconds min_interval, int max_strikes) {
    if (min_interval.count() <= 0) return absl::OkStatus();
    if (sent_since_ping_) ping_strikes_ = 0;
    const Clock::duration interval = has_streams ? std::min(min_interval, kPingIntervalWithStreams) : min_interval;
    if (std::exchange(sent_since_ping_, false) || now - last_ping_ >= interval) {
      last_ping_ = now;
      return absl::OkStatus();
    }
    return ++ping_strikes_ <= max_strikes ? absl::OkStatus() : Calm("too_many_pings", "too_many_pings");
  }
  void OnHeadSent() {
    ++frames_sent_;
    sent_since_ping_ = true;
  }

  // CVE-2019-9511 data dribble and floods of WINDOW_UPDATE: credit in crumbs makes us send crumbs.
  absl::Status OnWindowUpdate() {
    return ++window_updates_ <= kFreeWindowUpdates + kWindowUpdatesPerFrame * frames_sent_
               ? absl::OkStatus()
               : Calm("window_update_flood", "too many WINDOW_UPDATE frames for the data sent");
  }
  void OnDataSent(size_t bytes) {
    frames_sent_ += 1 + bytes / 4096;
    sent_since_ping_ = true;
  }

  // CVE-2019-9518: DATA without bytes and without END_STREAM.
  absl::Status OnEmptyData() {
    return ++empty_data_ <= kMaxEmptyData ? absl::OkStatus() : Calm("empty_data_flood", "too many empty DATA frames");
  }
  // Useful data pays for earlier empty frames.
  void OnUsefulData() { empty_data_ -= empty_data_ > 0; }

 private:
  static constexpr int kMaxEmptyData = 100;
  // gRPC clients cannot be set to less than 10 s; half of that, as their clocks and ours differ, and packets bunch.
  static constexpr std::chrono::milliseconds kPingIntervalWithStreams{5000};
  // Peers give credit for a stream and for the connection, some for every frame, and some when they open a stream, whatever is sent on it.
  static constexpr uint64_t kFreeWindowUpdates = 1000;
  static constexpr uint64_t kWindowUpdatesPerFrame = 10;

  static absl::Status Calm(std::string_view token, std::string_view why) {
    return frame::ConnectionError(frame::ErrorCode::kEnhanceYourCalm, token, why);
  }

  // Of a legitimate load with deadlines every call may end in a reset; 200 a second for minutes is still let through.
  TokenBucket<2000, 200> resets_;
  // An honest peer sends SETTINGS when it connects and seldom after.
  TokenBucket<1000, 100> control_;
  uint64_t window_updates_ = 0;
  uint64_t frames_sent_ = 0;  // HEADERS and DATA, a large one as several
  int empty_data_ = 0;
  int ping_strikes_ = 0;
  bool sent_since_ping_ = true;  // a head or data; to begin with, so that the first ping is not early
  Clock::time_point last_ping_{};  // that was not early
};

}  // namespace culvert::http2

#endif  // CULVERT_TRANSPORT_HTTP2_ABUSE_GUARD_H_
