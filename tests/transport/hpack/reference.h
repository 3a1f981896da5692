#ifndef CULVERT_TESTS_TRANSPORT_HPACK_REFERENCE_H_
#define CULVERT_TESTS_TRANSPORT_HPACK_REFERENCE_H_

// nghttp2's HPACK, against which ours is held.

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "transport/http/header_list.h"

namespace culvert::testing {

class ReferenceEncoder {
 public:
  ReferenceEncoder() { nghttp2_hd_deflate_new(&state_, 4096); }
  ~ReferenceEncoder() { nghttp2_hd_deflate_del(state_); }
  ReferenceEncoder(const ReferenceEncoder&) = delete;
  ReferenceEncoder& operator=(const ReferenceEncoder&) = delete;

  void SetTableSize(uint32_t size) { nghttp2_hd_deflate_change_table_size(state_, size); }

  std::vector<uint8_t> Encode(std::span<const http::HeaderField> fields) {
    std::vector<nghttp2_nv> nvs;
    for (const http::HeaderField& field : fields) {
      nvs.push_back({Bytes(field.name), Bytes(field.value), field.name.size(), field.value.size(),
                     static_cast<uint8_t>(field.sensitive ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE)});
    }
    std::vector<uint8_t> out(nghttp2_hd_deflate_bound(state_, nvs.data(), nvs.size()));
    out.resize(static_cast<size_t>(nghttp2_hd_deflate_hd(state_, out.data(), out.size(), nvs.data(), nvs.size())));
    return out;
  }

 private:
  static uint8_t* Bytes(std::string_view text) { return const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>(text.data())); }

  nghttp2_hd_deflater* state_ = nullptr;
};

class ReferenceDecoder {
 public:
  ReferenceDecoder() { nghttp2_hd_inflate_new(&state_); }
  ~ReferenceDecoder() { nghttp2_hd_inflate_del(state_); }
  ReferenceDecoder(const ReferenceDecoder&) = delete;
  ReferenceDecoder& operator=(const ReferenceDecoder&) = delete;

  void SetTableSize(uint32_t size) { nghttp2_hd_inflate_change_table_size(state_, size); }

  // The fields of a block; nullopt when it breaks a rule.
  std::optional<http::HeaderList> Decode(std::span<const uint8_t> block) {
    http::HeaderList list;
    for (;;) {
      nghttp2_nv field;
      int flags = 0;
      const ssize_t used = nghttp2_hd_inflate_hd2(state_, &field, &flags, block.data(), block.size(), 1);
      if (used < 0) return std::nullopt;
      block = block.subspan(static_cast<size_t>(used));
      if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
        list.Add(Text(field.name, field.namelen), Text(field.value, field.valuelen), (field.flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0);
      } else if (block.empty()) {
        break;
      }
      if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
    }
    nghttp2_hd_inflate_end_headers(state_);
    return list;
  }

 private:
  static std::string_view Text(const uint8_t* bytes, size_t size) { return {reinterpret_cast<const char*>(bytes), size}; }

  nghttp2_hd_inflater* state_ = nullptr;
};

// What a Huffman-coded text stands for; nullopt when it is none.
inline std::optional<std::string> ReferenceUnhuffman(std::span<const uint8_t> coded) {
  std::vector<uint8_t> block = {0x00, 0x01, 'n', static_cast<uint8_t>(0x80 | coded.size())};
  block.insert(block.end(), coded.begin(), coded.end());
  const std::optional<http::HeaderList> list = ReferenceDecoder().Decode(block);
  if (!list) return std::nullopt;
  return std::string((*list)[0].value);
}

// A text Huffman-coded.
inline std::vector<uint8_t> ReferenceHuffman(std::string_view text) {
  // nghttp2 codes only where that is shorter: many short symbols behind the text make sure of it, and are searched for and cut off by
  // decoding ever longer prefixes with the padding that ends them.
  const std::string padded = std::string(text) + std::string(60, '0');
  const http::HeaderField field{"n", padded, true};
  const std::vector<uint8_t> block = ReferenceEncoder().Encode({&field, 1});
  const std::vector<uint8_t> coded(block.begin() + 4, block.end());
  for (size_t bits = 0; bits <= coded.size() * 8; ++bits) {
    std::vector<uint8_t> prefix(coded.begin(), coded.begin() + static_cast<std::ptrdiff_t>((bits + 7) / 8));
    if (bits % 8 != 0) prefix.back() |= static_cast<uint8_t>(0xff >> (bits % 8));
    if (ReferenceUnhuffman(prefix) == text) return prefix;
  }
  return {};
}

}  // namespace culvert::testing

#endif  // CULVERT_TESTS_TRANSPORT_HPACK_REFERENCE_H_
