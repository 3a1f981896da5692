// Any text is a timeout or not; one that is, sent again, never becomes shorter.

#include <cstdint>
#include <cstdlib>

#include "rpc/timeout.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto timeout = culvert::rpc::ParseTimeout({reinterpret_cast<const char*>(data), size});
  if (!timeout.ok()) return 0;
  char text[culvert::rpc::kMaxTimeoutText];
  const size_t length = culvert::rpc::AppendTimeout(*timeout, text);
  const auto again = culvert::rpc::ParseTimeout({text, length});
  if (!again.ok() || *again < *timeout) std::abort();
  return 0;
}
