// Any bytes: a head, and a chunked body, are the same whole and byte by byte, and keep to their limits.

#include <string>

#include "tests/fuzz/fuzz.h"
#include "transport/http1/chunked.h"
#include "transport/http1/parser.h"

namespace culvert {
namespace {

constexpr http1::HeadLimits kHead{.start_line = 200, .field_bytes = 500, .field_count = 10};

std::string ReadHead(std::span<const uint8_t> bytes, size_t step) {
  http1::RequestParser parser(kHead);
  for (size_t n = std::min(step, bytes.size());; n = std::min(n + step, bytes.size())) {
    switch (parser.Parse(bytes.first(n))) {
      case http1::Parsed::kNeedMore:
        if (n == bytes.size()) return "more";
        break;
      case http1::Parsed::kError:
        FUZZ_EXPECT(parser.error().http_status >= 400);
        return "error " + std::to_string(parser.error().http_status);
      case http1::Parsed::kHead: {
        const http1::Request& request = parser.request();
        FUZZ_EXPECT(request.bytes <= n && request.head.fields.size() <= kHead.field_count);
        std::string log = "head " + std::string(request.head.method) + " " + std::string(request.head.path) + " " +
                          std::string(request.head.authority) + " " + std::to_string(request.bytes) + " " +
                          std::to_string(static_cast<int>(request.body)) + " " + std::to_string(request.content_length);
        for (const http::HeaderField& field : request.head.fields) log.append("\n").append(field.name).append("=").append(field.value);
        return log;
      }
    }
  }
}

std::string ReadChunks(std::span<const uint8_t> bytes, size_t step) {
  http1::ChunkedDecoder decoder({.extension_bytes = 50, .trailer_bytes = 100, .trailer_count = 5});
  std::string log;
  for (size_t shown = std::min(step, bytes.size());;) {
    const http1::ChunkedDecoder::Step next = decoder.Next(bytes.first(shown));
    FUZZ_EXPECT(next.consumed <= shown);
    log.append(next.data.begin(), next.data.end());
    bytes = bytes.subspan(next.consumed);
    shown -= next.consumed;
    switch (next.kind) {
      case http1::ChunkedDecoder::Kind::kData:
        FUZZ_EXPECT(!next.data.empty());
        break;
      case http1::ChunkedDecoder::Kind::kEnd:
        for (const http::HeaderField& field : decoder.trailers()) log.append("\n").append(field.name).append("=").append(field.value);
        return log + " end " + std::to_string(bytes.size());
      case http1::ChunkedDecoder::Kind::kError:
        return log + " error " + std::string(decoder.error().message());
      case http1::ChunkedDecoder::Kind::kNeedMore:
        if (shown == bytes.size()) return log + " more";
        shown = std::min(shown + step, bytes.size());
    }
  }
}

}  // namespace
}  // namespace culvert

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  culvert::fuzz::Input input(data, size);
  const size_t step = input.Byte() % 16u + 1;
  FUZZ_EXPECT(culvert::ReadHead(input.rest(), size + 1) == culvert::ReadHead(input.rest(), step));
  FUZZ_EXPECT(culvert::ReadChunks(input.rest(), size + 1) == culvert::ReadChunks(input.rest(), step));
  return 0;
}
