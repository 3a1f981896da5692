#include "bench/meter.h"

#include <cstdio>

namespace culvert::bench {

void Meter::OnError(absl::string_view text) {
  constexpr int kPrinted = 5;
  static std::atomic<int> printed{0};
  if (over()) return;
  Increment(errors_);
  if (printed.load(std::memory_order_relaxed) >= kPrinted) return;
  const int before = printed.fetch_add(1, std::memory_order_relaxed);
  if (before >= kPrinted) return;
  std::fprintf(stderr, "error: %.*s%s\n", static_cast<int>(text.size()), text.data(),
               before + 1 == kPrinted ? " (more are counted, not printed)" : "");
}

}  // namespace culvert::bench
