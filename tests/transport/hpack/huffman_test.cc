#include "transport/hpack/huffman.h"

#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "tests/transport/hpack/reference.h"

namespace culvert::hpack {
namespace {

std::optional<std::string> Decode(const std::vector<uint8_t>& in) {
  std::string out(MaxHuffmanDecoded(in.size()), '\0');
  const std::optional<size_t> size = DecodeHuffman(in, out.data());
  if (!size) return std::nullopt;
  out.resize(*size);
  return out;
}

TEST(Huffman, DecodesTheExamplesOfRfc7541) {
  EXPECT_EQ(Decode({0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff}), "www.example.com");
  EXPECT_EQ(Decode({0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf}), "no-cache");
  EXPECT_EQ(Decode({0x64, 0x02}), "302");
}

TEST(Huffman, NothingIsAnEmptyText) { EXPECT_EQ(Decode({}), ""); }

TEST(Huffman, DecodesEverySymbolAtEveryOffset) {
  for (int symbol = 0; symbol < 256; ++symbol) {
    // 'a' has five bits: eight of them before it reach every offset within a byte.
    for (size_t before = 0; before < 8; ++before) {
      const std::string text = std::string(before, 'a') + static_cast<char>(symbol) + "a";
      EXPECT_EQ(Decode(testing::ReferenceHuffman(text)), text) << symbol << " after " << before;
    }
  }
}

TEST(Huffman, RefusesWrongPadding) {
  EXPECT_EQ(Decode({0x18}), std::nullopt) << "'a', then zeros";
  EXPECT_EQ(Decode({0x1f}), "a") << "'a', then the first bits of EOS";
  EXPECT_EQ(Decode({0x1f, 0xff}), std::nullopt) << "eleven bits of padding";
  EXPECT_EQ(Decode({0xff}), std::nullopt) << "eight bits of padding";
  EXPECT_EQ(Decode({0xff, 0xff, 0xff, 0xff}), std::nullopt) << "EOS";
  EXPECT_EQ(Decode({0xff, 0xff, 0xff, 0xfc}), std::nullopt) << "EOS, cut at 30 bits and padded by zeros";
}

TEST(Huffman, EveryPairOfBytesIsReadAsTheReferenceReadsIt) {
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      const std::vector<uint8_t> in = {static_cast<uint8_t>(a), static_cast<uint8_t>(b)};
      EXPECT_EQ(Decode(in), testing::ReferenceUnhuffman(in)) << a << " " << b;
    }
  }
}

}  // namespace
}  // namespace culvert::hpack
