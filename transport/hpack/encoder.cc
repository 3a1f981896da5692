#include "transport/hpack/encoder.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>

#include "transport/base/check.h"
#include "transport/hpack/table_memory.h"

namespace culvert::hpack {

namespace {

// Fields are handed to nghttp2 in groups of this many, from the stack; a block is the concatenation of its
// groups.
constexpr size_t kGroup = 24;

// RFC 7541 5.1: an integer of 32 bits takes at most six octets. A block may begin with two size updates, and
// each field takes one for its representation, and one for each length. A string is sent Huffman-coded only
// where that is shorter.
constexpr size_t kLongestInteger = 6;
constexpr size_t kSizeUpdates = 2 * kLongestInteger;
constexpr size_t kFieldOverhead = 3 * kLongestInteger;

uint8_t* Bytes(std::string_view text) {  // nghttp2_nv is not const-correct; nothing is written
  return const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>(text.data()));
}

}  // namespace

struct Encoder::Deflater {
  explicit Deflater(uint32_t max_table_size) {
    CULVERT_CHECK(nghttp2_hd_deflate_new2(&state, max_table_size, memory.mem()) == 0,
                  "out of memory for an HPACK encoder");
  }
  ~Deflater() { nghttp2_hd_deflate_del(state); }

  TableMemory memory;
  nghttp2_hd_deflater* state = nullptr;
};

Encoder::Encoder(uint32_t max_table_size) : deflater_(std::make_unique<Deflater>(max_table_size)) {}

Encoder::~Encoder() = default;

void Encoder::SetPeerTableSize(uint32_t size) {
  CULVERT_CHECK(nghttp2_hd_deflate_change_table_size(deflater_->state, size) == 0,
                "out of memory for an HPACK encoder");
}

size_t Encoder::Bound(std::span<const http::HeaderField> fields) const {
  size_t bound = kSizeUpdates + kFieldOverhead * fields.size();
  for (const http::HeaderField& field : fields) bound += field.name.size() + field.value.size();
  return bound;
}

size_t Encoder::Encode(std::span<const http::HeaderField> fields, std::span<uint8_t> out) {
  size_t size = 0;
  do {  // at least once: a size update is due even before no fields
    std::array<nghttp2_nv, kGroup> group;
    const size_t count = std::min(fields.size(), kGroup);
    for (size_t i = 0; i < count; ++i) {
      const http::HeaderField& field = fields[i];
      group[i] = {Bytes(field.name), Bytes(field.value), field.name.size(), field.value.size(),
                  static_cast<uint8_t>(field.sensitive ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE)};
    }
    const ssize_t written =
        nghttp2_hd_deflate_hd(deflater_->state, out.data() + size, out.size() - size, group.data(), count);
    CULVERT_CHECK(written >= 0, "HPACK encoding failed: out of room or out of memory");
    size += static_cast<size_t>(written);
    fields = fields.subspan(count);
  } while (!fields.empty());
  return size;
}

}  // namespace culvert::hpack
