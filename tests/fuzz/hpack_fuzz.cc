// A header block gives the same fields, or is refused alike, in one piece, cut anywhere, and by nghttp2, whatever table sizes were agreed
// on before it; under limits it gives the first of them, and says whether those are all. What was decoded, encoded again, is the same list
// to nghttp2 and to us.
//
// The first byte chooses the pieces (% 16); above those, bit 4: before each block a byte says what becomes of the tables; bit 5: behind
// each block comes a field with a Huffman-coded value of many bytes, and before it a byte that says how many; bit 6: our encoder's table is
// small. Then the blocks, of up to 100 bytes.

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tests/fuzz/fuzz.h"
#include "tests/transport/hpack/reference.h"
#include "transport/hpack/decoder.h"
#include "transport/hpack/encoder.h"
#include "transport/hpack/table.h"
#include "transport/http/header_list.h"

namespace culvert::hpack {
namespace {

using Bytes = std::span<const uint8_t>;

// A decoder, and the list that it fills again and again.
class Reader {
 public:
  Reader(size_t max_list_size, size_t max_fields) : limits_{max_list_size, max_fields} {}

  void SetTableSize(uint32_t size) { decoder_.SetMaxTableSize(size); }
  const http::HeaderList& list() const { return list_; }
  bool truncated() const { return decoder_.truncated(); }

  // One block; false when it breaks a rule.
  bool Read(Bytes block, size_t piece_size) {
    list_.Clear();
    decoder_.StartBlock(list_, limits_);
    do {
      const Bytes piece = block.first(std::min(piece_size, block.size()));
      block = block.subspan(piece.size());
      if (!decoder_.Decode(piece, block.empty()).ok()) return false;
    } while (!block.empty());
    FUZZ_EXPECT(list_.list_size() <= limits_.max_list_size && list_.size() <= limits_.max_fields);
    return true;
  }

 private:
  Decoder decoder_{kDefaultTableSize};
  Decoder::Limits limits_;
  http::HeaderList list_;
};

// The next block of the input.
std::vector<uint8_t> TakeBlock(fuzz::Input& input, bool with_long_value) {
  const size_t length = with_long_value ? input.Byte() * size_t{48} : 0;
  const std::string_view text = input.Text(100);
  std::vector<uint8_t> block(text.begin(), text.end());
  if (length < 256) return block;
  // "n", indexed, with a value of zeros, which are five bits of 0 each.
  const size_t more = length - 127;
  block.insert(block.end(), {0x40, 1, 'n', 0xff, static_cast<uint8_t>(0x80 | (more & 0x7f)), static_cast<uint8_t>(more >> 7)});
  block.resize(block.size() + length);
  return block;
}

}  // namespace
}  // namespace culvert::hpack

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace culvert::hpack;  // NOLINT
  static constexpr uint32_t kSizes[] = {4096, 0, 100, 40, 1000, 4097, 65536, 300};
  culvert::fuzz::Input input(data, size);
  const uint8_t first = input.Byte();
  const size_t piece = first % 16u + 1;
  Reader all(SIZE_MAX, SIZE_MAX), few(1000, 20), few_in_pieces(1000, 20), ours(SIZE_MAX, SIZE_MAX);
  culvert::testing::ReferenceDecoder reference, of_ours;
  Encoder encoder((first & 0x40) != 0 ? 200 : kDefaultTableSize);
  while (!input.empty()) {
    if ((first & 0x10) != 0) {
      const uint8_t tables = input.Byte();
      // What we allow peers; and what they allow us, twice: then the smaller one must be told as well.
      if ((tables & 1) != 0) {
        for (Reader* reader : {&all, &few, &few_in_pieces}) reader->SetTableSize(kSizes[tables >> 1 & 7]);
        reference.SetTableSize(kSizes[tables >> 1 & 7]);
      }
      if ((tables & 0x10) != 0) {
        for (const uint32_t most : {kSizes[tables >> 5], kSizes[tables >> 1 & 7]}) {
          encoder.SetPeerTableSize(most);
          of_ours.SetTableSize(most);
          ours.SetTableSize(most);
        }
      }
    }
    const std::vector<uint8_t> block = TakeBlock(input, (first & 0x20) != 0);
    const auto expected = reference.Decode(block);
    FUZZ_EXPECT(all.Read(block, piece) == expected.has_value());
    FUZZ_EXPECT(few.Read(block, block.size()) == expected.has_value());
    FUZZ_EXPECT(few_in_pieces.Read(block, piece) == expected.has_value());
    if (!expected) break;
    FUZZ_EXPECT(std::ranges::equal(all.list(), *expected) && !all.truncated());
    FUZZ_EXPECT(std::ranges::equal(few.list(), few_in_pieces.list()));
    FUZZ_EXPECT(std::ranges::equal(few.list(), expected->fields().first(few.list().size())));
    FUZZ_EXPECT(few.truncated() == (few.list().size() < expected->size()) && few_in_pieces.truncated() == few.truncated());

    std::vector<uint8_t> encoded(encoder.Bound(expected->fields()));
    encoded.resize(encoder.Encode(expected->fields(), encoded));
    const auto again = of_ours.Decode(encoded);
    FUZZ_EXPECT(again && std::ranges::equal(*again, *expected));
    FUZZ_EXPECT(ours.Read(encoded, 64 * piece) && std::ranges::equal(ours.list(), *expected));
  }
  return 0;
}
