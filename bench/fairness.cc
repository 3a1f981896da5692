#include "bench/fairness.h"

#include <algorithm>
#include <numeric>

namespace culvert::bench {

Spread SpreadOf(std::span<const uint64_t> counts) {
  Spread spread;
  if (counts.empty()) return spread;
  const auto [min, max] = std::minmax_element(counts.begin(), counts.end());
  spread.min = *min;
  spread.max = *max;
  double sum = 0, squares = 0;
  for (const uint64_t count : counts) {
    sum += static_cast<double>(count);
    squares += static_cast<double>(count) * static_cast<double>(count);
  }
  if (sum > 0) spread.jain = sum * sum / (static_cast<double>(counts.size()) * squares);
  return spread;
}

std::vector<uint64_t> SumsOfEach(size_t size, std::span<const uint64_t> counts) {
  std::vector<uint64_t> sums;
  for (; !counts.empty(); counts = counts.subspan(size)) {
    const std::span<const uint64_t> group = counts.first(size);
    sums.push_back(std::accumulate(group.begin(), group.end(), uint64_t{0}));
  }
  return sums;
}

}  // namespace culvert::bench
