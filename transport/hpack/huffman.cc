#include "transport/hpack/huffman.h"

#include <array>

namespace culvert::hpack {

namespace {

constexpr size_t kSymbols = 257;
constexpr size_t kEos = 256;
constexpr int kLongest = 30;

// RFC 7541 Appendix B, the lengths in bits. The code is canonical: codes of one length are consecutive, in the order of their symbols, and
// follow those of the length before; so the lengths say everything.
constexpr std::array<uint8_t, kSymbols> kLengths = {
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
};

// Codes of up to this many bits are looked up; they are nearly all that text consists of. The rest is compared with each longer length's
// first code.
constexpr int kLookupBits = 10;

struct Tables {
  struct Entry {
    uint8_t symbol = 0;
    uint8_t length = 0;  // 0: longer than kLookupBits
  };
  struct Length {
    uint32_t end = 0;      // one past the last code, as the first bits of 32
    uint32_t first = 0;    // the first code
    uint16_t symbols = 0;  // where in by_code its symbols begin
  };
  std::array<Entry, 1 << kLookupBits> lookup{};
  std::array<Length, kLongest + 1> lengths{};
  std::array<uint16_t, kSymbols> by_code{};
};

constexpr Tables MakeTables() {
  Tables tables;
  uint32_t code = 0;
  uint16_t count = 0;
  for (int length = 1; length <= kLongest; ++length) {
    code <<= 1;
    tables.lengths[length].first = code;
    tables.lengths[length].symbols = count;
    for (size_t symbol = 0; symbol < kSymbols; ++symbol) {
      if (kLengths[symbol] != length) continue;
      tables.by_code[count++] = static_cast<uint16_t>(symbol);
      if (length <= kLookupBits) {
        const int rest = kLookupBits - length;
        for (uint32_t i = 0; i < (1u << rest); ++i) {
          tables.lookup[(code << rest) + i] = {static_cast<uint8_t>(symbol), static_cast<uint8_t>(length)};
        }
      }
      ++code;
    }
    // Of the longest it would be 2^32; its comparison is never made.
    if (length < kLongest) tables.lengths[length].end = code << (32 - length);
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

}  // namespace

std::optional<size_t> DecodeHuffman(std::span<const uint8_t> in, char* out) {
  const char* const start = out;
  uint64_t bits = 0;  // the first `have` bits, from the top, are not yet decoded; below them zeros
  int have = 0;
  size_t at = 0;
  for (;;) {
    while (have <= 56 && at < in.size()) {
      bits |= uint64_t{in[at++]} << (56 - have);
      have += 8;
    }
    if (have == 0) return static_cast<size_t>(out - start);
    const Tables::Entry entry = kTables.lookup[bits >> (64 - kLookupBits)];
    int length = entry.length;
    char symbol = static_cast<char>(entry.symbol);
    if (length == 0) {
      const uint32_t top = static_cast<uint32_t>(bits >> 32);
      length = kLookupBits + 1;
      while (length < kLongest && top >= kTables.lengths[length].end) ++length;
      const Tables::Length& codes = kTables.lengths[length];
      const size_t index = codes.symbols + (top >> (32 - length)) - codes.first;
      if (length <= have) {
        if (kTables.by_code[index] == kEos) return std::nullopt;
        symbol = static_cast<char>(kTables.by_code[index]);
      }
    }
    if (length > have) {
      // What is left is no whole code: padding, which is the first bits of EOS, all ones.
      const bool ones = bits >> (64 - have) == (uint64_t{1} << have) - 1;
      if (have >= 8 || !ones) return std::nullopt;
      return static_cast<size_t>(out - start);
    }
    *out++ = symbol;
    bits <<= length;
    have -= length;
  }
}

}  // namespace culvert::hpack
