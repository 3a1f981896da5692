#include "transport/base/limit_counts.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <string>

namespace culvert::base {

namespace {

// A name never leaves its slot, and slots fill from the first on: so who reads sees a beginning of the table, and needs no lock.
struct Slot {
  std::atomic<const std::string*> name;  // a copy of its own, for as long as the process lasts
  std::atomic<uint64_t> count;
};

constexpr std::string_view kOther = "other";
constinit std::array<Slot, 256> slots{};

}  // namespace

void CountLimit(std::string_view name) {
  for (Slot& slot : slots) {
    if (&slot == &slots.back()) name = kOther;  // no room for one more
    const std::string* known = slot.name.load(std::memory_order_acquire);
    if (known == nullptr) {
      const auto* const fresh = new std::string(name);
      if (slot.name.compare_exchange_strong(known, fresh, std::memory_order_acq_rel)) {
        known = fresh;
      } else {
        delete fresh;  // another thread took the slot, for this name or the next
      }
    }
    if (*known != name) continue;
    slot.count.fetch_add(1, std::memory_order_relaxed);
    return;
  }
}

uint64_t LimitCount(std::string_view name) {
  for (const Slot& slot : slots) {
    const std::string* const known = slot.name.load(std::memory_order_acquire);
    if (known == nullptr) break;
    if (*known == name) return slot.count.load(std::memory_order_relaxed);
  }
  return 0;
}

std::vector<std::pair<std::string_view, uint64_t>> LimitCounts() {
  std::vector<std::pair<std::string_view, uint64_t>> counts;
  for (const Slot& slot : slots) {
    const std::string* const known = slot.name.load(std::memory_order_acquire);
    if (known == nullptr) break;
    counts.emplace_back(*known, slot.count.load(std::memory_order_relaxed));
  }
  return counts;
}

}  // namespace culvert::base
