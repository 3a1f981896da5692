// Any first bytes: an answer, once given, stays; it is given in time; and what it says is what stands there.

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "tests/fuzz/fuzz.h"
#include "transport/frame/constants.h"
#include "transport/server/sniffer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using culvert::server::Protocol;
  Protocol answer = Protocol::kNeedMore;
  for (size_t n = 0; n <= std::min(size, culvert::server::kMostBytes + 2); ++n) {
    const Protocol now = culvert::server::Classify({data, n});
    FUZZ_EXPECT(answer == Protocol::kNeedMore || now == answer);
    FUZZ_EXPECT(n < culvert::server::kMostBytes || now != Protocol::kNeedMore);
    answer = now;
  }
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  FUZZ_EXPECT((answer == Protocol::kHttp2) == text.starts_with(culvert::frame::kConnectionPreface));
  if (answer == Protocol::kTls) FUZZ_EXPECT(text.starts_with("\x16\x03"));
  return 0;
}
