#include "rpc/timeout.h"

#include <charconv>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "transport/base/check.h"

namespace culvert::rpc {

namespace {

constexpr int64_t kMaxValue = 99'999'999;

struct Unit {
  char letter;
  int64_t nanoseconds;
};
// Finest first.
constexpr Unit kUnits[] = {
    {'n', 1},
    {'u', 1'000},
    {'m', 1'000'000},
    {'S', 1'000'000'000},
    {'M', 60'000'000'000},
    {'H', 3'600'000'000'000},
};

size_t Write(int64_t value, char letter, char* out) {
  char* end = std::to_chars(out, out + kMaxTimeoutText - 1, value).ptr;
  *end++ = letter;
  return static_cast<size_t>(end - out);
}

}  // namespace

absl::StatusOr<absl::Duration> ParseTimeout(std::string_view text) {
  if (text.size() >= 2 && text.size() <= kMaxTimeoutText) {
    const std::string_view digits = text.substr(0, text.size() - 1);
    int64_t value = 0;
    bool all_digits = true;
    for (const char c : digits) {
      all_digits = all_digits && absl::ascii_isdigit(static_cast<unsigned char>(c));
      value = value * 10 + (c - '0');
    }
    for (const Unit& unit : kUnits) {
      if (all_digits && unit.letter == text.back()) return value * absl::Nanoseconds(unit.nanoseconds);
    }
  }
  return absl::InternalError("grpc-timeout is not 1 to 8 digits followed by one of H, M, S, m, u, n");
}

size_t AppendTimeout(absl::Duration timeout, char* out) {
  CULVERT_DCHECK(timeout != absl::InfiniteDuration(), "a call without a deadline sends no grpc-timeout");
  if (timeout <= absl::ZeroDuration()) return Write(1, 'n', out);
  for (const Unit& unit : kUnits) {
    absl::Duration rest;
    const int64_t whole =
        absl::IDivDuration(timeout, absl::Nanoseconds(unit.nanoseconds), &rest);  // saturates
    if (whole > kMaxValue) continue;
    const int64_t rounded_up = rest > absl::ZeroDuration() ? whole + 1 : whole;
    if (rounded_up <= kMaxValue) return Write(rounded_up, unit.letter, out);
  }
  return Write(kMaxValue, 'H', out);
}

}  // namespace culvert::rpc
