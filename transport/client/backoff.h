#ifndef CULVERT_TRANSPORT_CLIENT_BACKOFF_H_
#define CULVERT_TRANSPORT_CLIENT_BACKOFF_H_

// How long to wait before the next attempt to connect (gRPC connection backoff protocol). Pure: the caller brings the randomness.

#include <algorithm>
#include <chrono>

#include "transport/client/options.h"

namespace culvert::client {

class Backoff {
 public:
  explicit Backoff(const Options& options) : options_(options) {}

  // The wait after one more failure. `random` is uniform in [-1, 1].
  std::chrono::milliseconds Next(double random) {
    using Millis = std::chrono::duration<double, std::milli>;
    const Millis base = wait_.count() == 0 ? Millis(options_.initial_backoff) : wait_ * options_.backoff_multiplier;
    wait_ = std::min(base, Millis(options_.max_backoff));
    return std::chrono::duration_cast<std::chrono::milliseconds>(wait_ * (1 + options_.backoff_jitter * random));
  }
  // An attempt succeeded.
  void Reset() { wait_ = {}; }

 private:
  const Options& options_;
  std::chrono::duration<double, std::milli> wait_{0};
};

}  // namespace culvert::client

#endif  // CULVERT_TRANSPORT_CLIENT_BACKOFF_H_
