// Any bytes as a chunked body: data, end and error are the same whole and byte by byte.

#include <cstdlib>
#include <string>

#include "transport/http1/chunked.h"

using Decoder = culvert::http1::ChunkedDecoder;

// Decodes what is presented `step` bytes more at a time; answers the data and, last, the outcome.
static std::string Decode(const uint8_t* data, size_t size, size_t step) {
  Decoder decoder({.extension_bytes = 32, .trailer_bytes = 64, .trailer_count = 4});
  std::string out;
  for (size_t begin = 0, end = 0;; end = end + step > size ? size : end + step) {
    for (;;) {
      const Decoder::Step s = decoder.Next({data + begin, end - begin});
      if ((begin += s.consumed) > end) std::abort();
      out.append(s.data.begin(), s.data.end());
      if (s.kind == Decoder::Kind::kNeedMore) break;
      if (s.kind != Decoder::Kind::kData) return out + (s.kind == Decoder::Kind::kEnd ? "end" : "error");
    }
    if (end == size) return out + "more";
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (Decode(data, size, size + 1) != Decode(data, size, 1)) std::abort();
  return 0;
}
