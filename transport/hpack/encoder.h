#ifndef CULVERT_TRANSPORT_HPACK_ENCODER_H_
#define CULVERT_TRANSPORT_HPACK_ENCODER_H_

// HPACK encoding (RFC 7541) over nghttp2's deflater. Pure. One per connection; blocks must be sent in the order they were encoded.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "transport/http/header_list.h"

namespace culvert::hpack {

class Encoder {
 public:
  // The dynamic table never exceeds `max_table_size`, whatever the peer allows (its memory is ours).
  explicit Encoder(uint32_t max_table_size = 4096);
  ~Encoder();
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
  struct Deflater;
  std::unique_ptr<Deflater> deflater_;
};

}  // namespace culvert::hpack

#endif  // CULVERT_TRANSPORT_HPACK_ENCODER_H_
