#ifndef CULVERT_TRANSPORT_HPACK_HUFFMAN_H_
#define CULVERT_TRANSPORT_HPACK_HUFFMAN_H_

// The Huffman code of HPACK (RFC 7541 5.2, Appendix B), one way: peers send it to us, we send plain text, which costs neither side time.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace culvert::hpack {

// The shortest code has five bits.
constexpr size_t MaxHuffmanDecoded(size_t encoded) { return encoded * 8 / 5; }

// Decodes `in` to `out`, which has room for MaxHuffmanDecoded(in.size()) bytes, and answers how many it wrote; nullopt when `in` holds the
// code of EOS, or ends with anything but fewer than eight bits of it.
std::optional<size_t> DecodeHuffman(std::span<const uint8_t> in, char* out);

}  // namespace culvert::hpack

#endif  // CULVERT_TRANSPORT_HPACK_HUFFMAN_H_
