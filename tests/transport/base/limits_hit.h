#ifndef CULVERT_TESTS_TRANSPORT_BASE_LIMITS_HIT_H_
#define CULVERT_TESTS_TRANSPORT_BASE_LIMITS_HIT_H_

// Which limits have acted since it was made, in the whole process: that it was this one and no other.
//
//   const LimitsHit limits;
//   Flood();
//   EXPECT_EQ(limits.Text(), "reset_flood=1");

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "transport/base/limit_counts.h"

namespace culvert::testing_support {

class LimitsHit {
 public:
  LimitsHit() : before_(Now()) {}

  uint64_t Count(std::string_view name) const {
    const auto before = before_.find(name);
    return base::LimitCount(name) - (before == before_.end() ? 0 : before->second);
  }

  // "a=1 b=2", in alphabetical order; empty when none has.
  std::string Text() const {
    std::string text;
    for (const auto& [name, count] : Now()) {
      if (const uint64_t hits = Count(name); hits != 0) text += (text.empty() ? "" : " ") + name + "=" + std::to_string(hits);
    }
    return text;
  }

 private:
  using Counts = std::map<std::string, uint64_t, std::less<>>;
  static Counts Now() {
    Counts counts;
    for (const auto& [name, count] : base::LimitCounts()) counts.emplace(name, count);
    return counts;
  }

  const Counts before_;
};

}  // namespace culvert::testing_support

#endif  // CULVERT_TESTS_TRANSPORT_BASE_LIMITS_HIT_H_
