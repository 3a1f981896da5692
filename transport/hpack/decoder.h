#ifndef CULVERT_TRANSPORT_HPACK_DECODER_H_
#define CULVERT_TRANSPORT_HPACK_DECODER_H_

// HPACK decoding (RFC 7541). Pure.
//
// A header block is fed in fragments, as HEADERS and CONTINUATION bring them; of a fragment only what it has of an unfinished field is kept
// for the next. Past a limit fields are no longer emitted but still decoded: the dynamic table stays in step with the peer's. In steady
// state decoding allocates nothing from the heap.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "transport/hpack/table.h"
#include "transport/http/header_list.h"

namespace culvert::hpack {

class Decoder {
 public:
  struct Limits {
    size_t max_list_size = 64 * 1024;  // sum of http::FieldSize
    size_t max_fields = 256;
  };

  // `max_table_size`: what the peer's encoder may use from its first block on. Below the default of 4096 that block must begin with a size
  // update (RFC 7541 4.2), so a smaller SETTINGS_HEADER_TABLE_SIZE is set once the peer has acknowledged it.
  explicit Decoder(uint32_t max_table_size) : max_table_size_(max_table_size), table_(max_table_size) {}
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  // Begins a block whose fields are added to `out`, which the caller has emptied and keeps alive until the block's last fragment.
  // The limits count what is in `out`.
  void StartBlock(http::HeaderList& out, const Limits& limits);

  // Decodes one fragment; `end` marks the block's last. The error is a decoding error of RFC 7541, as text without values: a
  // COMPRESSION_ERROR for the connection. After an error the decoder must not be used again. A name or value that is longer than kMaxString
  // as it is encoded is one too.
  absl::Status Decode(std::span<const uint8_t> fragment, bool end);

  // Whether fields of the current block were dropped for a limit.
  bool truncated() const { return truncated_; }

  // The peer has acknowledged a new SETTINGS_HEADER_TABLE_SIZE. Not within a block.
  void SetMaxTableSize(uint32_t size);

  static constexpr uint32_t kMaxString = 64 * 1024;

 private:
  class Input;
  struct Text;

  absl::Status DecodeWhole(std::span<const uint8_t>& bytes);
  absl::Status FinishField(std::span<const uint8_t>& fragment);
  bool DecodeField(Input& in);
  bool DecodeLiteral(Input& in, uint32_t name_index, bool index, bool sensitive);
  bool DecodeSizeUpdate(Input& in, uint32_t size);
  bool Lookup(Input& in, uint32_t index, TableField& field) const;
  void Emit(std::string_view name, std::string_view value, bool sensitive);

  uint32_t max_table_size_;
  bool size_update_due_ = false;  // the limit was lowered below what the table has: the next block tells (RFC 7541 4.2)
  bool at_start_ = false;         // of a block: no field of it yet
  DynamicTable table_;
  std::vector<uint8_t> unfinished_;  // of a field that a fragment ended in
  http::HeaderList* out_ = nullptr;
  Limits limits_;
  bool truncated_ = false;
};

}  // namespace culvert::hpack

#endif  // CULVERT_TRANSPORT_HPACK_DECODER_H_
