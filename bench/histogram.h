#ifndef CULVERT_BENCH_HISTOGRAM_H_
#define CULVERT_BENCH_HISTOGRAM_H_

// A log-linear histogram of durations in nanoseconds: every power of two is cut into 64 equal buckets, so that a percentile
// is read off with an error of at most 1/64, over the whole range of uint64_t, in 30 KB. Pure.
//
// One writer, no locks: each thread fills its own, and whoever reports merges them once the threads have stopped.
//
//   histogram.Record(1'250);
//   total.Merge(histogram);
//   total.Percentile(99.9);

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace culvert::bench {

class Histogram {
 public:
  void Record(uint64_t value) {
    ++buckets_[Index(value)];
    ++count_;
    sum_ += value;
    if (value > max_) max_ = value;
  }
  void Merge(const Histogram& other);

  uint64_t count() const { return count_; }
  uint64_t max() const { return max_; }
  double mean() const { return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_); }

  // A value that at least `percent` of all recorded ones do not exceed: the upper edge of the bucket where that is so
  // first, and never more than max(). 0 when nothing was recorded.
  uint64_t Percentile(double percent) const;

 private:
  static constexpr int kBits = 6;  // 64 buckets for a power of two
  static constexpr size_t kBuckets = (65 - kBits) << kBits;

  // Values below 128 have a bucket each; above, the topmost seven bits and their position choose it.
  static size_t Index(uint64_t value) {
    const int width = std::bit_width(value);
    const int shift = width > kBits + 1 ? width - (kBits + 1) : 0;
    return (static_cast<size_t>(shift) << kBits) + static_cast<size_t>(value >> shift);
  }
  static uint64_t UpperEdge(size_t index);

  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  uint64_t sum_ = 0;
  uint64_t max_ = 0;
};

}  // namespace culvert::bench

#endif  // CULVERT_BENCH_HISTOGRAM_H_
