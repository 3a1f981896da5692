#include "transport/hpack/encoder.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "bench/allocation_counter/allocation_counter.h"
#include "transport/hpack/decoder.h"

namespace culvert::hpack {
namespace {

using http::HeaderField;

std::vector<uint8_t> Encode(Encoder& encoder, std::span<const HeaderField> fields) {
  std::vector<uint8_t> block(encoder.Bound(fields));
  block.resize(encoder.Encode(fields, block));
  return block;
}

http::HeaderList Decode(Decoder& decoder, std::span<const uint8_t> block) {
  http::HeaderList list;
  decoder.StartBlock(list, {.max_list_size = 1 << 20, .max_fields = 1 << 20});
  const absl::Status status = decoder.Decode(block, true);
  EXPECT_TRUE(status.ok()) << status;
  return list;
}

std::vector<HeaderField> Request() {
  return {{":method", "POST"},
          {":scheme", "http"},
          {":path", "/helloworld.Greeter/SayHello"},
          {":authority", "localhost:50051"},
          {"content-type", "application/grpc"},
          {"te", "trailers"},
          {"grpc-timeout", "1S"},
          {"x-token", "s3cr3t", true}};
}

TEST(Encoder, WhatItEncodesIsDecodedAsItWas) {
  Encoder encoder;
  Decoder decoder(4096);
  const std::vector<HeaderField> fields = Request();
  for (int i = 0; i < 3; ++i) {
    const http::HeaderList list = Decode(decoder, Encode(encoder, fields));
    EXPECT_EQ(std::vector<HeaderField>(list.begin(), list.end()), fields);
  }
}

TEST(Encoder, ASecondBlockRefersToTheFirst) {
  Encoder encoder;
  const size_t first = Encode(encoder, Request()).size();
  EXPECT_LT(Encode(encoder, Request()).size(), first / 2);
}

TEST(Encoder, SensitiveFieldsAreNeverIndexed) {
  Encoder encoder;
  const std::vector<HeaderField> fields = {{"x-token", "s3cr3t", true}};
  const std::vector<uint8_t> first = Encode(encoder, fields);
  EXPECT_EQ(first[0] & 0xf0, 0x10) << "not the never-indexed form of RFC 7541 6.2.3";
  EXPECT_EQ(Encode(encoder, fields), first) << "the field has entered the table";
  Decoder decoder(4096);
  EXPECT_TRUE(Decode(decoder, first)[0].sensitive);
}

TEST(Encoder, BoundIsNeverExceeded) {
  Encoder encoder;
  for (const std::string_view value : {"", "a", "\xff\xff\xff\xff", "\x01\x02\x03"}) {
    for (const size_t n : {size_t{0}, size_t{1}, size_t{23}, size_t{24}, size_t{25}, size_t{500}}) {
      std::vector<std::string> names;
      for (size_t i = 0; i < n; ++i) names.push_back(std::to_string(i) + std::string(i % 40, '\x7f'));
      std::vector<HeaderField> fields;
      for (size_t i = 0; i < n; ++i) fields.push_back({names[i], value, i % 3 == 0});
      encoder.SetPeerTableSize(static_cast<uint32_t>(n % 2 == 0 ? 0 : 4096));
      encoder.SetPeerTableSize(4096);
      std::vector<uint8_t> block(encoder.Bound(fields));
      EXPECT_LE(encoder.Encode(fields, block), block.size());
    }
  }
}

TEST(Encoder, ALongListKeepsItsOrderAcrossGroups) {
  Encoder encoder;
  Decoder decoder(4096);
  std::vector<std::string> values;
  for (int i = 0; i < 1000; ++i) values.push_back(std::to_string(i));
  std::vector<HeaderField> fields;
  for (const std::string& value : values) fields.push_back({"n", value});
  const http::HeaderList list = Decode(decoder, Encode(encoder, fields));
  EXPECT_EQ(std::vector<HeaderField>(list.begin(), list.end()), fields);
}

TEST(Encoder, NoFieldsMakeAnEmptyBlock) {
  Encoder encoder;
  EXPECT_TRUE(Encode(encoder, {}).empty());
}

TEST(Encoder, ASmallerPeerTableIsAnnouncedAndKept) {
  Encoder encoder;
  Decoder decoder(4096);
  Decode(decoder, Encode(encoder, Request()));
  encoder.SetPeerTableSize(0);
  decoder.SetMaxTableSize(0);
  const std::vector<HeaderField> fields = Request();
  const std::vector<uint8_t> block = Encode(encoder, fields);
  EXPECT_EQ(block[0], 0x20) << "not a size update to 0 (RFC 7541 6.3)";
  const http::HeaderList list = Decode(decoder, block);
  EXPECT_EQ(std::vector<HeaderField>(list.begin(), list.end()), fields);
  EXPECT_EQ(Encode(encoder, fields).size() + 1, block.size()) << "without a table nothing gets shorter";
}

TEST(Encoder, ALargerPeerTableIsNotUsedBeyondOurOwnLimit) {
  Encoder encoder(4096);
  encoder.SetPeerTableSize(1 << 20);
  Decoder decoder(4096);  // would refuse a size update above 4096
  for (int i = 0; i < 300; ++i) {
    const std::string value(100, static_cast<char>('a' + i % 26));
    const std::string name = "n" + std::to_string(i);
    const std::vector<HeaderField> fields = {{name, value}};
    ASSERT_EQ(Decode(decoder, Encode(encoder, fields))[0].value, value);
  }
}

TEST(Encoder, AnEncoderWithoutATableWorks) {
  Encoder encoder(0);
  Decoder decoder(4096);
  const std::vector<HeaderField> fields = Request();
  for (int i = 0; i < 3; ++i) {
    const http::HeaderList list = Decode(decoder, Encode(encoder, fields));
    EXPECT_EQ(std::vector<HeaderField>(list.begin(), list.end()), fields);
  }
}

TEST(Encoder, SteadyStateAllocatesNothing) {
  Encoder encoder;
  std::string id = "0000000000000000";
  std::vector<HeaderField> fields = Request();
  fields.push_back({"x-request-id", id});
  std::vector<uint8_t> block(encoder.Bound(fields));
  const auto turn = [&] {
    for (char& digit : id) {  // a field that is new each time, and drives others out of the table
      if (digit++ != '9') break;
      digit = '0';
    }
    encoder.Encode(fields, block);
  };
  for (int i = 0; i < 500; ++i) turn();
  const testing::AllocationCounter counter;
  for (int i = 0; i < 500; ++i) turn();
  EXPECT_EQ(counter.Count(), 0u);
}

}  // namespace
}  // namespace culvert::hpack
