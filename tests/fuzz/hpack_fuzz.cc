// A header block gives the same fields, or is refused alike, in one piece, cut anywhere, and by nghttp2; it keeps to its limits; and what
// was decoded, encoded again, is the same list to nghttp2.

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "tests/transport/hpack/reference.h"
#include "transport/hpack/decoder.h"
#include "transport/hpack/encoder.h"

using culvert::http::HeaderList;

namespace {

// Blocks of up to 100 bytes, one after the other, on one table.
template <class F>
std::string ReadBlocks(std::span<const uint8_t> stream, F&& read) {
  std::string log;
  while (!stream.empty()) {
    const std::span<const uint8_t> block = stream.first(std::min<size_t>(100, stream.size()));
    stream = stream.subspan(block.size());
    const std::optional<HeaderList> list = read(block);
    if (!list) return log + "error";
    for (const auto& field : *list) log.append(field.name).append("=").append(field.value).append(field.sensitive ? "!" : "\n");
    log += "end";
  }
  return log;
}

std::string ReadByUs(std::span<const uint8_t> stream, size_t piece_size, const culvert::hpack::Decoder::Limits& limits) {
  culvert::hpack::Decoder decoder(4096);
  return ReadBlocks(stream, [&](std::span<const uint8_t> block) -> std::optional<HeaderList> {
    HeaderList list;
    decoder.StartBlock(list, limits);
    while (!block.empty()) {
      const std::span<const uint8_t> piece = block.first(std::min(piece_size, block.size()));
      block = block.subspan(piece.size());
      if (!decoder.Decode(piece, block.empty()).ok()) return std::nullopt;
    }
    if (list.list_size() > limits.max_list_size || list.size() > limits.max_fields) std::abort();
    return list;
  });
}

std::string ReadByReference(std::span<const uint8_t> stream, bool encode_again) {
  culvert::testing::ReferenceDecoder decoder;
  culvert::testing::ReferenceDecoder again;
  culvert::hpack::Encoder encoder;
  return ReadBlocks(stream, [&](std::span<const uint8_t> block) -> std::optional<HeaderList> {
    std::optional<HeaderList> list = decoder.Decode(block);
    if (!list || !encode_again) return list;
    std::vector<uint8_t> ours(encoder.Bound(list->fields()));
    ours.resize(encoder.Encode(list->fields(), ours));
    list = again.Decode(ours);
    if (!list) std::abort();
    return list;
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::span<const uint8_t> stream(data + 1, size - 1);
  const size_t piece = data[0] % 16u + 1;
  const culvert::hpack::Decoder::Limits few{.max_list_size = 1000, .max_fields = 20};
  const culvert::hpack::Decoder::Limits all{.max_list_size = SIZE_MAX, .max_fields = SIZE_MAX};
  if (ReadByUs(stream, 100, few) != ReadByUs(stream, piece, few)) std::abort();
  const std::string reference = ReadByReference(stream, false);
  if (ReadByUs(stream, piece, all) != reference || ReadByReference(stream, true) != reference) std::abort();
  return 0;
}
