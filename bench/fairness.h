#ifndef CULVERT_BENCH_FAIRNESS_H_
#define CULVERT_BENCH_FAIRNESS_H_

// How evenly work was shared out. Pure.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace culvert::bench {

// Of the operations that each of several got done in the same time.
struct Spread {
  uint64_t min = 0;
  uint64_t max = 0;
  // Jain's index: 1 when all did the same, 1/n when one of n did everything; 0 when nothing was done.
  double jain = 0;
};

Spread SpreadOf(std::span<const uint64_t> counts);

// The sums of each `size` counts in turn; size divides their number.
std::vector<uint64_t> SumsOfEach(size_t size, std::span<const uint64_t> counts);

}  // namespace culvert::bench

#endif  // CULVERT_BENCH_FAIRNESS_H_
