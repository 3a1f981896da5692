// Any text is a grpc-timeout or not; one that is, sent again, is never shorter and hardly longer. And so is any duration.

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "rpc/timeout.h"
#include "tests/fuzz/fuzz.h"

static void SendAgain(absl::Duration timeout) {
  if (timeout == absl::InfiniteDuration()) return;  // is not sent
  char out[culvert::rpc::kMaxTimeoutText];
  const size_t length = culvert::rpc::AppendTimeout(timeout, out);
  FUZZ_EXPECT(length >= 2 && length <= sizeof(out));
  const absl::StatusOr<absl::Duration> again = culvert::rpc::ParseTimeout({out, length});
  FUZZ_EXPECT(again.ok());
  if (timeout <= absl::ZeroDuration()) {
    FUZZ_EXPECT(*again == absl::Nanoseconds(1));
  } else if (timeout <= absl::Hours(99'999'999)) {
    // Rounded up to a unit of which it has at least 100000, since it has too many of the next finer one; or to a nanosecond.
    FUZZ_EXPECT(*again >= timeout && *again - timeout <= absl::Nanoseconds(1) + timeout / 100'000);
  } else {
    FUZZ_EXPECT(*again == absl::Hours(99'999'999));
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const absl::StatusOr<absl::Duration> timeout = culvert::rpc::ParseTimeout(text); timeout.ok()) {
    FUZZ_EXPECT(size >= 2 && size <= 9 && *timeout >= absl::ZeroDuration());
    SendAgain(*timeout);
  }
  culvert::fuzz::Input input(data, size);
  const auto seconds = static_cast<int64_t>(input.Long()) >> (input.Byte() % 64);
  SendAgain(absl::Seconds(seconds) + absl::Nanoseconds(input.Number()));
  return 0;
}
