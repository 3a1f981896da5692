// A header block gives the same fields, or fails alike, in one piece and cut anywhere, and keeps to its
// limits.

#include <algorithm>
#include <cstdlib>
#include <string>

#include "transport/hpack/decoder.h"

static std::string Read(std::span<const uint8_t> stream, size_t piece_size) {
  culvert::hpack::Decoder decoder(4096);
  std::string log;
  while (!stream.empty()) {  // blocks of up to 100 bytes, one after the other, on one table
    std::span<const uint8_t> block = stream.first(std::min<size_t>(100, stream.size()));
    stream = stream.subspan(block.size());
    culvert::http::HeaderList list;
    decoder.StartBlock(list, {.max_list_size = 1000, .max_fields = 20});
    while (!block.empty()) {
      const std::span<const uint8_t> piece = block.first(std::min(piece_size, block.size()));
      block = block.subspan(piece.size());
      if (!decoder.Decode(piece, block.empty()).ok()) return log + "error";
    }
    if (list.list_size() > 1000 || list.size() > 20) std::abort();
    for (const auto& field : list)
      log.append(field.name).append("=").append(field.value).append(field.sensitive ? "!" : "\n");
    log += decoder.truncated() ? "truncated" : "";
  }
  return log;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size != 0 && Read({data + 1, size - 1}, 100) != Read({data + 1, size - 1}, data[0] % 16u + 1))
    std::abort();
  return 0;
}
