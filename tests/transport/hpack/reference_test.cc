// Ours and nghttp2's HPACK in step over long connections: what one encodes the other decodes, and both refuse the same blocks.

#include "tests/transport/hpack/reference.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "transport/hpack/decoder.h"
#include "transport/hpack/encoder.h"

namespace culvert::hpack {
namespace {

using Fields = std::vector<http::HeaderField>;

// Blocks of fields as calls have them: most repeat, some are new each time, a few are sensitive or large.
class Traffic {
 public:
  explicit Traffic(unsigned seed) : random_(seed) {}

  http::HeaderList Next() {
    http::HeaderList list;
    const size_t count = random_() % 12;
    for (size_t i = 0; i < count; ++i) {
      switch (random_() % 8) {
        case 0:
          list.Add(":method", random_() % 2 == 0 ? "POST" : "GET");
          break;
        case 1:
          list.Add(":path", "/package.Service/Method" + std::to_string(random_() % 20));
          break;
        case 2:
          list.Add("grpc-timeout", std::to_string(random_() % 1000) + "m");
          break;
        case 3:
          list.Add("x-request-id", std::to_string(random_()));
          break;
        case 4:
          list.Add("authorization", "Bearer " + std::to_string(random_() % 5), true);
          break;
        case 5:
          list.Add("x-large", std::string(random_() % 5000, static_cast<char>(random_() % 256)));
          break;
        case 6:
          list.Add(std::string(random_() % 200, 'n'), "");
          break;
        default:
          list.Add("content-type", "application/grpc");
          break;
      }
    }
    return list;
  }

 private:
  std::mt19937 random_;
};

std::optional<http::HeaderList> Decode(Decoder& decoder, std::span<const uint8_t> block) {
  http::HeaderList list;
  decoder.StartBlock(list, {.max_list_size = 1 << 24, .max_fields = 1 << 20});
  if (!decoder.Decode(block, true).ok()) return std::nullopt;
  return list;
}

Fields ToVector(const http::HeaderList& list) { return Fields(list.begin(), list.end()); }

TEST(Reference, DecodesWhatWeEncode) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    Traffic traffic(seed);
    std::mt19937 random(seed);
    Encoder encoder;
    testing::ReferenceDecoder decoder;
    for (int i = 0; i < 300; ++i) {
      if (random() % 40 == 0) {
        const uint32_t size = static_cast<uint32_t>(random() % 3 * 2048);
        encoder.SetPeerTableSize(size);
        decoder.SetTableSize(size);
      }
      const http::HeaderList sent = traffic.Next();
      std::vector<uint8_t> block(encoder.Bound(sent.fields()));
      block.resize(encoder.Encode(sent.fields(), block));
      const std::optional<http::HeaderList> got = decoder.Decode(block);
      ASSERT_TRUE(got) << "seed " << seed << " block " << i;
      ASSERT_EQ(ToVector(*got), ToVector(sent)) << "seed " << seed << " block " << i;
    }
  }
}

TEST(Reference, EncodesWhatWeDecode) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    Traffic traffic(seed);
    std::mt19937 random(seed);
    testing::ReferenceEncoder encoder;
    Decoder decoder(4096);
    for (int i = 0; i < 300; ++i) {
      if (random() % 40 == 0) {
        const uint32_t size = static_cast<uint32_t>(random() % 3 * 2048);
        encoder.SetTableSize(size);
        decoder.SetMaxTableSize(size);
      }
      const http::HeaderList sent = traffic.Next();
      const std::optional<http::HeaderList> got = Decode(decoder, encoder.Encode(sent.fields()));
      ASSERT_TRUE(got) << "seed " << seed << " block " << i;
      ASSERT_EQ(ToVector(*got), ToVector(sent)) << "seed " << seed << " block " << i;
    }
  }
}

TEST(Reference, RefusesWhatWeRefuseAndReadsTheRestAlike) {
  size_t refused = 0;
  for (unsigned seed = 0; seed < 3000; ++seed) {
    std::mt19937 random(seed);
    Traffic traffic(seed);
    testing::ReferenceEncoder encoder;
    testing::ReferenceDecoder reference;
    Decoder decoder(4096);
    for (int i = 0; i < 10; ++i) {
      std::vector<uint8_t> block = encoder.Encode(traffic.Next().fields());
      // A few bytes changed: most blocks break a rule then, some mean something else.
      for (unsigned n = random() % 3; n > 0 && !block.empty(); --n) block[random() % block.size()] ^= static_cast<uint8_t>(1 << random() % 8);
      const std::optional<http::HeaderList> theirs = reference.Decode(block);
      const std::optional<http::HeaderList> ours = Decode(decoder, block);
      ASSERT_EQ(ours.has_value(), theirs.has_value()) << "seed " << seed << " block " << i;
      if (!ours) {
        ++refused;
        break;
      }
      ASSERT_EQ(ToVector(*ours), ToVector(*theirs)) << "seed " << seed << " block " << i;
    }
  }
  EXPECT_GT(refused, 100u);
}

}  // namespace
}  // namespace culvert::hpack
