// Any bytes as a request head: the answer is the same whole and byte by byte, and what is accepted keeps the
// promises of Request.

#include <cstdint>
#include <cstdlib>

#include "transport/http1/parser.h"

using culvert::http1::Parsed;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const culvert::http1::HeadLimits limits{.start_line = 64, .field_bytes = 256, .field_count = 8};
  culvert::http1::RequestParser whole(limits), bytewise(limits);
  const Parsed parsed = whole.Parse({data, size});
  Parsed again = Parsed::kNeedMore;
  for (size_t n = 0; n <= size && again == Parsed::kNeedMore; ++n) again = bytewise.Parse({data, n});
  if (again != parsed) std::abort();
  if (parsed == Parsed::kError && whole.error().http_status != bytewise.error().http_status) std::abort();
  if (parsed != Parsed::kHead) return 0;
  const culvert::http1::Request& request = whole.request();
  if (request.bytes != bytewise.request().bytes || request.bytes > size) std::abort();
  if (request.head.method.empty() || (request.head.path.empty() && request.head.method != "CONNECT"))
    std::abort();
  for (const auto& field : request.head.fields) {
    if (field.name.empty() || field.name[0] == ':' || field.value.find('\r') != field.value.npos)
      std::abort();
  }
  return 0;
}
