#ifndef CULVERT_TRANSPORT_HPACK_ENCODER_H_
#define CULVERT_TRANSPORT_HPACK_ENCODER_H_

// HPACK encoding (RFC 7541). Pure. One per connection; blocks must be sent in the order they were encoded.
//
// Every field enters the dynamic table but those that are sensitive, large, or known to differ from call to call. Strings are sent plain:
// what repeats is one byte anyway. A field that was sent before is found where one like it was found last, without hashing.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "transport/hpack/table.h"
#include "transport/http/header_list.h"

namespace culvert::hpack {

class Encoder {
 public:
  // The dynamic table never exceeds `max_table_size`, whatever the peer allows (its memory is ours).
  explicit Encoder(uint32_t max_table_size = kDefaultTableSize);
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  // The peer's SETTINGS_HEADER_TABLE_SIZE; the next block begins with the size update that RFC 7541 4.2 asks for.
  void SetPeerTableSize(uint32_t size);

  // An upper bound of what Encode writes for these fields.
  size_t Bound(std::span<const http::HeaderField> fields) const;
  // Encodes one header block into `out` (at least Bound bytes) and returns its length. Names must be lower case. Sensitive fields
  // are sent as never indexed.
  size_t Encode(std::span<const http::HeaderField> fields, std::span<uint8_t> out);

 private:
  // Remembers where a field was found: in the static table by its index, in the dynamic one by how many there had been inserted with it.
  struct Hint {
    uint32_t place : 31 = 0;
    uint32_t dynamic : 1 = 0;
  };
  static constexpr size_t kHints = 32;

  Hint& HintFor(const http::HeaderField& field);
  // The index of the field that `hint` stands for; 0 when it has left the table.
  size_t IndexOf(Hint hint) const;
  size_t FindWhole(const http::HeaderField& field);
  size_t FindName(std::string_view name) const;
  TableField At(size_t index) const { return index <= kStaticFields ? kStaticTable[index - 1] : table_.At(index - kStaticFields - 1); }
  uint8_t* PutField(const http::HeaderField& field, uint8_t* out);

  const uint32_t max_table_size_;
  DynamicTable table_;
  uint32_t smallest_limit_;  // since the last block: told before the limit that holds
  bool limit_changed_ = false;
  std::unique_ptr<std::array<Hint, kHints>> hints_;  // once there was something to encode
};

}  // namespace culvert::hpack

#endif  // CULVERT_TRANSPORT_HPACK_ENCODER_H_
