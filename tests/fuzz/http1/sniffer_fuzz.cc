// Any first bytes: an answer, once given, stays; and it is given in time.

#include <cstdint>
#include <cstdlib>

#include "transport/server/sniffer.h"

using culvert::server::Protocol;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Protocol answer = Protocol::kNeedMore;
  for (size_t n = 0; n <= size; ++n) {
    const Protocol now = culvert::server::Classify({data, n});
    if (answer != Protocol::kNeedMore && now != answer) std::abort();
    if (n >= culvert::server::kMostBytes && now == Protocol::kNeedMore) std::abort();
    answer = now;
  }
  return 0;
}
