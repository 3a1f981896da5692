#ifndef CULVERT_BENCH_METER_H_
#define CULVERT_BENCH_METER_H_

// What one thread of a load generator notes down, and the state of the run that all of them look at.
//
// One thread writes a meter. While it runs another may read operations() and errors(); the histogram only when the thread
// has stopped. No locks and no read-modify-write, so that counting an operation costs two plain stores.
//
//   const Meter::Clock::time_point begin = Meter::Clock::now();
//   ... one call ...
//   meter.OnOperation();
//   meter.OnLatency(begin, Meter::Clock::now());

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/strings/string_view.h"
#include "bench/histogram.h"

namespace culvert::bench {

enum class Phase : int { kWarmup, kMeasured, kOver };

class alignas(128) Meter {
 public:
  using Clock = std::chrono::steady_clock;

  // Of the one-way streams, where a message costs little more than reading a clock, only one in so many is timed.
  static constexpr uint64_t kTimedMessages = 16;

  explicit Meter(const std::atomic<Phase>& phase) : phase_(phase) {}

  // Whether to stop: what ends or fails from now on does not count.
  bool over() const { return phase_.load(std::memory_order_relaxed) == Phase::kOver; }
  // Whether what is done now is within the measured window.
  bool measured() const { return phase_.load(std::memory_order_relaxed) == Phase::kMeasured; }

  void OnOperation() { Increment(operations_); }
  // Outside the measured window it is forgotten.
  void OnLatency(Clock::time_point begin, Clock::time_point end) {
    if (!measured()) return;
    latencies_.Record(static_cast<uint64_t>(std::chrono::nanoseconds(end - begin).count()));
  }
  // A call failed. The first few of the process are printed.
  void OnError(absl::string_view text);

  // Since the thread began.
  uint64_t operations() const { return operations_.load(std::memory_order_relaxed); }
  uint64_t errors() const { return errors_.load(std::memory_order_relaxed); }
  const Histogram& latencies() const { return latencies_; }

 private:
  static void Increment(std::atomic<uint64_t>& counter) {
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  const std::atomic<Phase>& phase_;
  std::atomic<uint64_t> operations_{0};
  std::atomic<uint64_t> errors_{0};
  Histogram latencies_;
};

// One run of a load generator: its phase, and a meter for each of its threads. Whoever starts a thread adds the meter, before.
struct Run {
  std::atomic<Phase> phase{Phase::kWarmup};
  std::vector<std::unique_ptr<Meter>> meters;
  std::vector<std::unique_ptr<Meter>> bulk_meters;  // of Workload::bulk_streams, which are reported apart

  Meter& AddMeter() { return *meters.emplace_back(std::make_unique<Meter>(phase)); }
  Meter& AddBulkMeter() { return *bulk_meters.emplace_back(std::make_unique<Meter>(phase)); }
};

}  // namespace culvert::bench

#endif  // CULVERT_BENCH_METER_H_
