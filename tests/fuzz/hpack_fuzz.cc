// A header block gives the same fields, or is refused alike, in one piece, cut anywhere, and by nghttp2; it keeps to its limits; and what
// was decoded, encoded again, is the same list to nghttp2.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "tests/fuzz/fuzz.h"
#include "tests/transport/hpack/reference.h"
#include "transport/hpack/decoder.h"
#include "transport/hpack/encoder.h"
#include "transport/http/header_list.h"

using culvert::http::HeaderList;

namespace {

constexpr culvert::hpack::Decoder::Limits kFew{.max_list_size = 1000, .max_fields = 20};
constexpr culvert::hpack::Decoder::Limits kAll{.max_list_size = SIZE_MAX, .max_fields = SIZE_MAX};

// One block; nullopt when it breaks a rule.
std::optional<HeaderList> Decode(culvert::hpack::Decoder& decoder, std::span<const uint8_t> block, size_t piece_size,
                                 const culvert::hpack::Decoder::Limits& limits) {
  HeaderList list;
  decoder.StartBlock(list, limits);
  while (!block.empty()) {
    const std::span<const uint8_t> piece = block.first(std::min(piece_size, block.size()));
    block = block.subspan(piece.size());
    if (!decoder.Decode(piece, block.empty()).ok()) return std::nullopt;
  }
  FUZZ_EXPECT(list.list_size() <= limits.max_list_size && list.size() <= limits.max_fields);
  return list;
}

bool Same(const std::optional<HeaderList>& a, const std::optional<HeaderList>& b) {
  return a && b ? std::ranges::equal(*a, *b) : !a && !b;
}

}  // namespace

// Blocks of up to 100 bytes, one after the other, on one table.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  culvert::fuzz::Input input(data, size);
  const size_t piece = input.Byte() % 16u + 1;
  culvert::hpack::Decoder few(4096), few_in_pieces(4096), all(4096);
  culvert::testing::ReferenceDecoder reference, again;
  culvert::hpack::Encoder encoder;
  for (std::span<const uint8_t> stream = input.rest(); !stream.empty();) {
    const std::span<const uint8_t> block = stream.first(std::min<size_t>(100, stream.size()));
    stream = stream.subspan(block.size());
    const std::optional<HeaderList> limited = Decode(few, block, block.size(), kFew);
    FUZZ_EXPECT(Same(limited, Decode(few_in_pieces, block, piece, kFew)));
    const std::optional<HeaderList> list = Decode(all, block, piece, kAll);
    FUZZ_EXPECT(list.has_value() == limited.has_value());
    FUZZ_EXPECT(Same(list, reference.Decode(block)));
    if (!list) break;
    std::vector<uint8_t> ours(encoder.Bound(list->fields()));
    ours.resize(encoder.Encode(list->fields(), ours));
    FUZZ_EXPECT(Same(list, again.Decode(ours)));
  }
  return 0;
}
