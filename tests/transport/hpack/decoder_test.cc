#include "transport/hpack/decoder.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "gtest/gtest.h"
#include "bench/allocation_counter/allocation_counter.h"
#include "transport/base/strings.h"

namespace culvert::hpack {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

std::string Hex(std::string_view hex) { return absl::HexStringToBytes(ToAbsl(hex)); }

std::span<const uint8_t> Span(std::string_view bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

Fields Pairs(const http::HeaderList& list) {
  Fields pairs;
  for (const http::HeaderField& field : list) pairs.emplace_back(field.name, field.value);
  return pairs;
}

// Decodes one block in one piece.
absl::StatusOr<Fields> Decode(Decoder& decoder, std::string_view block, const Decoder::Limits& limits = {}) {
  http::HeaderList list;
  decoder.StartBlock(list, limits);
  const absl::Status status = decoder.Decode(Span(block), true);
  if (!status.ok()) return status;
  return Pairs(list);
}

struct Vector {
  std::string_view section;
  uint32_t table_size;
  std::vector<std::string> blocks;
  std::vector<Fields> fields;
};

// RFC 7541 appendix C.2 to C.6. The response examples have a table of 256 octets, which their first block is
// made to announce here.
std::vector<Vector> Rfc7541Vectors() {
  const std::vector<Fields> requests = {
      {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "www.example.com"}},
      {{":method", "GET"},
       {":scheme", "http"},
       {":path", "/"},
       {":authority", "www.example.com"},
       {"cache-control", "no-cache"}},
      {{":method", "GET"},
       {":scheme", "https"},
       {":path", "/index.html"},
       {":authority", "www.example.com"},
       {"custom-key", "custom-value"}},
  };
  const std::vector<Fields> responses = {
      {{":status", "302"},
       {"cache-control", "private"},
       {"date", "Mon, 21 Oct 2013 20:13:21 GMT"},
       {"location", "https://www.example.com"}},
      {{":status", "307"},
       {"cache-control", "private"},
       {"date", "Mon, 21 Oct 2013 20:13:21 GMT"},
       {"location", "https://www.example.com"}},
      {{":status", "200"},
       {"cache-control", "private"},
       {"date", "Mon, 21 Oct 2013 20:13:22 GMT"},
       {"location", "https://www.example.com"},
       {"content-encoding", "gzip"},
       {"set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"}},
  };
  return {
      {"C.2.1",
       4096,
       {Hex("400a637573746f6d2d6b65790d637573746f6d2d686561646572")},
       {{{"custom-key", "custom-header"}}}},
      {"C.2.2", 4096, {Hex("040c2f73616d706c652f70617468")}, {{{":path", "/sample/path"}}}},
      {"C.2.3", 4096, {Hex("100870617373776f726406736563726574")}, {{{"password", "secret"}}}},
      {"C.2.4", 4096, {Hex("82")}, {{{":method", "GET"}}}},
      {"C.3",
       4096,
       {Hex("828684410f7777772e6578616d706c652e636f6d"), Hex("828684be58086e6f2d6361636865"),
        Hex("828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565")},
       requests},
      {"C.4",
       4096,
       {Hex("828684418cf1e3c2e5f23a6ba0ab90f4ff"), Hex("828684be5886a8eb10649cbf"),
        Hex("828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf")},
       requests},
      {"C.5",
       256,
       {Hex("3fe101"
            "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768"
            "747470733a"
            "2f2f7777772e6578616d706c652e636f6d"),
        Hex("4803333037c1c0bf"),
        Hex("88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153"
            "444a4b4851"
            "4b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31")},
       responses},
      {"C.6",
       256,
       {Hex("3fe101"
            "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8"
            "e9ae82ae43"
            "d3"),
        Hex("4883640effc1c0bf"),
        Hex("88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b"
            "3960d5af27"
            "087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007")},
       responses},
  };
}

TEST(Decoder, DecodesTheExamplesOfRfc7541) {
  for (const Vector& vector : Rfc7541Vectors()) {
    Decoder decoder(vector.table_size);
    for (size_t i = 0; i < vector.blocks.size(); ++i) {
      const absl::StatusOr<Fields> fields = Decode(decoder, vector.blocks[i]);
      ASSERT_TRUE(fields.ok()) << vector.section << "." << i + 1 << fields.status();
      EXPECT_EQ(*fields, vector.fields[i]) << vector.section << "." << i + 1;
    }
  }
}

TEST(Decoder, DecodesTheSameOneByteAtATime) {
  for (const Vector& vector : Rfc7541Vectors()) {
    Decoder decoder(vector.table_size);
    for (size_t i = 0; i < vector.blocks.size(); ++i) {
      http::HeaderList list;
      decoder.StartBlock(list, {});
      for (const char& byte : vector.blocks[i]) {
        const bool end = &byte == &vector.blocks[i].back();
        ASSERT_TRUE(decoder.Decode(Span({&byte, 1}), end).ok()) << vector.section;
      }
      EXPECT_EQ(Pairs(list), vector.fields[i]) << vector.section << "." << i + 1;
    }
  }
}

TEST(Decoder, DecodesTheSameCutAtEveryByte) {
  for (const Vector& vector : Rfc7541Vectors()) {
    size_t longest = 0;
    for (const std::string& block : vector.blocks) longest = std::max(longest, block.size());
    for (size_t cut = 0; cut <= longest; ++cut) {
      Decoder decoder(vector.table_size);
      for (size_t i = 0; i < vector.blocks.size(); ++i) {
        const std::string& block = vector.blocks[i];
        const size_t at = std::min(cut, block.size());
        http::HeaderList list;
        decoder.StartBlock(list, {});
        ASSERT_TRUE(decoder.Decode(Span(std::string_view(block).substr(0, at)), false).ok());
        ASSERT_TRUE(decoder.Decode({}, false).ok());
        ASSERT_TRUE(decoder.Decode(Span(std::string_view(block).substr(at)), true).ok());
        EXPECT_EQ(Pairs(list), vector.fields[i]) << vector.section << "." << i + 1 << " cut at " << at;
      }
    }
  }
}

TEST(Decoder, AnEmptyBlockHasNoFields) {
  Decoder decoder(4096);
  EXPECT_EQ(Decode(decoder, "").value(), Fields{});
  EXPECT_EQ(Decode(decoder, Hex("82")).value(), (Fields{{":method", "GET"}}));
}

TEST(Decoder, MarksNeverIndexedFieldsSensitive) {
  Decoder decoder(4096);
  http::HeaderList list;
  decoder.StartBlock(list, {});
  // password: never indexed (C.2.3); :path: without indexing (C.2.2); custom-key: with indexing (C.2.1).
  ASSERT_TRUE(decoder
                  .Decode(Span(Hex("100870617373776f726406736563726574"
                                   "040c2f73616d706c652f70617468"
                                   "400a637573746f6d2d6b65790d637573746f6d2d686561646572")),
                          true)
                  .ok());
  ASSERT_EQ(list.size(), 3u);
  EXPECT_TRUE(list[0].sensitive);
  EXPECT_FALSE(list[1].sensitive);
  EXPECT_FALSE(list[2].sensitive);
}

TEST(Decoder, KeepsWhatItEmittedAfterTheFragmentIsGone) {
  Decoder decoder(4096);
  http::HeaderList list;
  decoder.StartBlock(list, {});
  std::string block = Hex("400a637573746f6d2d6b65790d637573746f6d2d686561646572");
  ASSERT_TRUE(decoder.Decode(Span(block), true).ok());
  block.assign(block.size(), '!');
  EXPECT_EQ(list[0].value, "custom-header");
}

TEST(Decoder, RefusesWhatRfc7541Forbids) {
  struct Case {
    std::string_view rule;
    std::string block;
  };
  const std::vector<Case> cases = {
      {"index 0 (6.1)", Hex("80")},
      {"index beyond both tables (2.3.3)", Hex("be")},
      {"index far beyond both tables", Hex("ffffff7f")},
      {"name index beyond both tables", Hex("7f7f0161")},
      {"integer that overflows (5.1)", Hex("ffffffffffffffffffffff")},
      {"string length that overflows", Hex("400161ffffffffffffffff7f")},
      {"Huffman padding longer than seven bits (5.2)", Hex("00016182ffff")},
      {"Huffman padding that is not the prefix of EOS", Hex("0001618118")},
      {"Huffman-coded EOS", Hex("00016184ffffffff")},
      {"block that ends within an integer", Hex("ff")},
      {"block that ends within a name", Hex("400a6375")},
      {"block that ends within a value", Hex("400161057465")},
      {"block that ends before a value", Hex("400161")},
      {"size update above the limit (6.3)", Hex("3fe21f82")},
      {"size update after a field (4.2)", Hex("8220")},
  };
  for (const Case& c : cases) {
    Decoder whole(4096);
    EXPECT_EQ(Decode(whole, c.block).status().code(), absl::StatusCode::kInvalidArgument) << c.rule;
    // The same in pieces of one byte.
    Decoder pieces(4096);
    http::HeaderList list;
    pieces.StartBlock(list, {});
    absl::Status status;
    for (size_t i = 0; i < c.block.size() && status.ok(); ++i) {
      status = pieces.Decode(Span(std::string_view(c.block).substr(i, 1)), i + 1 == c.block.size());
    }
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.rule;
  }
}

TEST(Decoder, AnEmptyNameIsAName) {
  Decoder decoder(4096);
  // A field without a name and a value, with indexing; then one that takes its name from it.
  EXPECT_EQ(Decode(decoder, Hex("4000007e00")).value(), (Fields{{"", ""}, {"", ""}}));
}

TEST(Decoder, ErrorsDoNotTellValues) {
  Decoder decoder(4096);
  const absl::Status status =
      Decode(decoder, Hex("1008") + "password" + Hex("06") + "secret" + Hex("80")).status();
  EXPECT_EQ(status.message().find("secret"), absl::string_view::npos) << status;
}

TEST(Decoder, PastTheListSizeStopsEmittingButStaysInStep) {
  Decoder decoder(4096);
  http::HeaderList list;
  decoder.StartBlock(list, {.max_list_size = http::FieldSize("aa", "1"), .max_fields = 100});
  // Three fields with indexing: aa=1, bb=2, cc=3.
  ASSERT_TRUE(decoder
                  .Decode(Span(Hex("400261610131"
                                   "400262620132"
                                   "400263630133")),
                          true)
                  .ok());
  EXPECT_TRUE(decoder.truncated());
  EXPECT_EQ(Pairs(list), (Fields{{"aa", "1"}}));
  // All three are in the table all the same, the last one first.
  EXPECT_EQ(Decode(decoder, Hex("bebfc0")).value(), (Fields{{"cc", "3"}, {"bb", "2"}, {"aa", "1"}}));
  EXPECT_FALSE(decoder.truncated());
}

TEST(Decoder, PastTheNumberOfFieldsStopsEmittingButStaysInStep) {
  Decoder decoder(4096);
  http::HeaderList list;
  decoder.StartBlock(list, {.max_list_size = 1000, .max_fields = 2});
  ASSERT_TRUE(decoder.Decode(Span(Hex("8286844002636301")), false).ok());
  ASSERT_TRUE(decoder.Decode(Span(Hex("33")), true).ok());
  EXPECT_TRUE(decoder.truncated());
  EXPECT_EQ(list.size(), 2u);
  EXPECT_EQ(Decode(decoder, Hex("be")).value(), (Fields{{"cc", "3"}}));
}

TEST(Decoder, EmitsNothingAfterTheFieldThatWasTooMuch) {
  Decoder decoder(4096);
  http::HeaderList list;
  decoder.StartBlock(list, {.max_list_size = 100, .max_fields = 100});
  const std::string large(90, 'v');
  ASSERT_TRUE(decoder.Decode(Span(Hex("400161") + Hex("5a") + large + Hex("82")), true).ok());
  EXPECT_TRUE(decoder.truncated());
  EXPECT_TRUE(list.empty());
}

TEST(Decoder, ALimitThatIsJustMetIsNotExceeded) {
  Decoder decoder(4096);
  http::HeaderList list;
  decoder.StartBlock(list, {.max_list_size = http::FieldSize(":method", "GET"), .max_fields = 1});
  ASSERT_TRUE(decoder.Decode(Span(Hex("82")), true).ok());
  EXPECT_FALSE(decoder.truncated());
  EXPECT_EQ(list.size(), 1u);
}

TEST(Decoder, ASmallerTableMustBeAnnouncedByTheNextBlock) {
  Decoder silent(4096);
  silent.SetMaxTableSize(0);
  EXPECT_FALSE(Decode(silent, Hex("82")).ok());

  Decoder empty(4096);
  empty.SetMaxTableSize(0);
  EXPECT_FALSE(Decode(empty, "").ok()) << "a block without fields is one too";

  Decoder told(4096);
  ASSERT_TRUE(Decode(told, Hex("400261610131")).ok());
  told.SetMaxTableSize(0);
  EXPECT_EQ(Decode(told, Hex("2082")).value(), (Fields{{":method", "GET"}}));
  EXPECT_FALSE(Decode(told, Hex("be")).ok()) << "the table was emptied";
}

TEST(Decoder, ALargerTableNeedsNoAnnouncementAndHoldsMore) {
  Decoder decoder(4096);
  decoder.SetMaxTableSize(65536);
  ASSERT_TRUE(Decode(decoder, Hex("3fe1ff0382")).ok());  // size update to 65536
  const std::string value(10000, 'v');
  ASSERT_TRUE(Decode(decoder, Hex("4001617f914d") + value).ok());  // 127 + 9873
  EXPECT_EQ(Decode(decoder, Hex("be")).value(), (Fields{{"a", value}}));
}

TEST(Decoder, AFieldLargerThanTheTableEmptiesIt) {
  Decoder decoder(4096);
  ASSERT_TRUE(Decode(decoder, Hex("400261610131")).ok());
  ASSERT_TRUE(Decode(decoder, Hex("4001617f914d") + std::string(10000, 'v')).ok());
  EXPECT_FALSE(Decode(decoder, Hex("be")).ok());
}

TEST(Decoder, SteadyStateAllocatesNothing) {
  Decoder decoder(4096);
  http::HeaderList list;
  // Every block adds fields to the table, Huffman-coded and plain, so that others leave it.
  const std::string block =
      Hex("828684418cf1e3c2e5f23a6ba0ab90f4ff"
          "5886a8eb10649cbf"
          "400a637573746f6d2d6b65790c637573746f6d2d76616c7565"
          "100870617373776f726406736563726574");
  const auto turn = [&] {
    list.Clear();
    decoder.StartBlock(list, {});
    const bool ok = decoder.Decode(Span(block).first(20), false).ok() &&
                    decoder.Decode(Span(block).subspan(20), true).ok();
    EXPECT_TRUE(ok);
  };
  for (int i = 0; i < 200; ++i) turn();
  const testing::AllocationCounter counter;
  for (int i = 0; i < 200; ++i) turn();
  EXPECT_EQ(counter.Count(), 0u);
  EXPECT_EQ(list.size(), 7u);
}

}  // namespace
}  // namespace culvert::hpack
