#include "transport/frame/serialize.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "bench/allocation_counter/allocation_counter.h"
#include "transport/frame/framer.h"

namespace culvert::frame {
namespace {

using http::HeaderField;

std::string Bytes(const io::WriteBuffer& out) {
  std::array<iovec, 64> pieces;
  const size_t count = out.Gather(pieces);
  std::string bytes;
  for (size_t i = 0; i < count; ++i)
    bytes.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
  return bytes;
}

std::string Written(const std::function<void(io::WriteBuffer&)>& append) {
  io::BlockPool pool;
  io::WriteBuffer out(pool);
  append(out);
  return Bytes(out);
}

std::string operator""_b(const char* text, size_t size) { return {text, size}; }

TEST(PutFrameHeader, WritesTheNineOctets) {
  std::array<uint8_t, 9> bytes;
  PutFrameHeader(bytes.data(), {0x123456, FrameType::kContinuation, 0x2c, 0x7abcdef0});
  EXPECT_EQ(bytes, (std::array<uint8_t, 9>{0x12, 0x34, 0x56, 9, 0x2c, 0x7a, 0xbc, 0xde, 0xf0}));
}

TEST(Append, WritesTheBytesOfTheRfc) {
  EXPECT_EQ(Written([](auto& out) { std::memcpy(AppendDataFrame(out, 1, 2, true), "hi", 2); }),
            "\0\0\2\0\1\0\0\0\1hi"_b);
  EXPECT_EQ(Written([](auto& out) { AppendDataFrame(out, 1, 0, false); }), "\0\0\0\0\0\0\0\0\1"_b);
  EXPECT_EQ(Written([](auto& out) { AppendDataFrame(out, 3, io::SharedBytes{}, true); }),
            "\0\0\0\0\1\0\0\0\3"_b);
  EXPECT_EQ(
      Written([](auto& out) { AppendPriority(out, 3, {.depends_on = 1, .exclusive = true, .weight = 9}); }),
      "\0\0\5\2\0\0\0\0\3\x80\0\0\1\x09"_b);
  EXPECT_EQ(Written([](auto& out) { AppendRstStream(out, 5, ErrorCode::kCancel); }),
            "\0\0\4\3\0\0\0\0\5\0\0\0\x8"_b);
  EXPECT_EQ(Written([](auto& out) {
              AppendSettings(out, std::array{Setting{SettingId::kInitialWindowSize, 0x10203}});
            }),
            "\0\0\6\4\0\0\0\0\0\0\4\0\1\2\3"_b);
  EXPECT_EQ(Written([](auto& out) { AppendSettings(out, {}); }), "\0\0\0\4\0\0\0\0\0"_b);
  EXPECT_EQ(Written([](auto& out) { AppendSettingsAck(out); }), "\0\0\0\4\1\0\0\0\0"_b);
  EXPECT_EQ(Written([](auto& out) { AppendPing(out, {1, 2, 3, 4, 5, 6, 7, 8}, true); }),
            "\0\0\x8\6\1\0\0\0\0\1\2\3\4\5\6\7\x8"_b);
  EXPECT_EQ(Written([](auto& out) { AppendGoAway(out, 7, ErrorCode::kEnhanceYourCalm, "no"); }),
            "\0\0\x0a\7\0\0\0\0\0\0\0\0\7\0\0\0\x0bno"_b);
  EXPECT_EQ(Written([](auto& out) { AppendWindowUpdate(out, 1, 0x7fffffff); }),
            "\0\0\4\x8\0\0\0\0\1\x7f\xff\xff\xff"_b);
}

TEST(AppendDataFrame, ALargePayloadIsNotCopied) {
  io::BlockPool pool;
  io::WriteBuffer out(pool);
  const io::SharedBytes payload = io::SharedBytes::Copy(std::string(5000, 's'));
  AppendDataFrame(out, 1, payload, true);
  std::array<iovec, 4> pieces;
  ASSERT_EQ(out.Gather(pieces), 2u);
  EXPECT_EQ(pieces[0].iov_len, kFrameHeaderSize);
  EXPECT_EQ(pieces[1].iov_base, payload.data);
}

// Reads `bytes` back and answers the merged fields of the one HEADERS or PUSH_PROMISE in it.
http::HeaderList ReadFields(std::string_view bytes) {
  io::BlockPool pool;
  Framer framer(pool,
                {.max_header_list_size = 1 << 20, .max_header_fields = 10000, .max_continuations = 1000});
  http::HeaderList fields;
  while (!bytes.empty()) {
    const std::span<uint8_t> space = framer.Space();
    const size_t n = std::min(space.size(), bytes.size());
    std::memcpy(space.data(), bytes.data(), n);
    framer.Feed(n);
    bytes.remove_prefix(n);
    for (;;) {
      const absl::StatusOr<FrameRef> frame = framer.ReadFrame();
      EXPECT_TRUE(frame.ok()) << frame.status();
      if (!frame.ok() || !*frame) break;
      if (const HeadersFrame* headers = std::get_if<HeadersFrame>(&(*frame)->body)) fields = *headers->fields;
      if (const PushPromiseFrame* push = std::get_if<PushPromiseFrame>(&(*frame)->body))
        fields = *push->fields;
    }
  }
  return fields;
}

TEST(AppendHeaders, ABlockOfAnySizeIsCutIntoFramesThatFit) {
  for (const size_t value_size : {0, 1, 5, 90, 91, 92, 93, 94, 95, 96, 97, 190, 300, 20000}) {
    const std::string value(value_size, '\x01');  // longer when Huffman-coded, so sent as it is
    const std::vector<HeaderField> fields = {{":status", "200"}, {"v", value}};
    const std::string bytes = Written([&](auto& out) {
      hpack::Encoder encoder;
      AppendHeaders(out, encoder, 1, fields, true, 100);
    });
    const http::HeaderList read = ReadFields(bytes);
    EXPECT_EQ(std::vector<HeaderField>(read.begin(), read.end()), fields) << value_size;
    // Every frame but the last is full, the first is HEADERS, and only the last has END_HEADERS.
    std::string_view rest = bytes;
    bool first = true;
    while (!rest.empty()) {
      const size_t length = static_cast<uint8_t>(rest[1]) * 256u + static_cast<uint8_t>(rest[2]);
      ASSERT_LE(kFrameHeaderSize + length, rest.size());
      const bool last = kFrameHeaderSize + length == rest.size();
      EXPECT_EQ(rest[3], first ? 1 : 9);
      EXPECT_EQ(rest[4], (first ? flags::kEndStream : 0) | (last ? flags::kEndHeaders : 0));
      if (last) {
        EXPECT_TRUE(first || length > 0);
      } else {
        EXPECT_EQ(length, 100u);
      }
      rest.remove_prefix(kFrameHeaderSize + length);
      first = false;
    }
  }
}

TEST(AppendHeaders, NoFieldsMakeAnEmptyFrame) {
  hpack::Encoder encoder;
  EXPECT_EQ(Written([&](auto& out) { AppendHeaders(out, encoder, 1, {}, true, kMinMaxFrameSize); }),
            "\0\0\0\1\5\0\0\0\1"_b);
}

TEST(AppendHeaders, GivesBackTheRoomItDidNotNeed) {
  io::BlockPool pool;
  io::WriteBuffer out(pool);
  hpack::Encoder encoder;
  const std::vector<HeaderField> fields = {{":status", "200"}};
  AppendHeaders(out, encoder, 1, fields, false, kMinMaxFrameSize);
  EXPECT_EQ(out.size(), kFrameHeaderSize + 1);
  AppendDataFrame(out, 1, 0, true);
  std::array<iovec, 4> pieces;
  EXPECT_EQ(out.Gather(pieces), 1u) << "frames lie side by side";
}

TEST(AppendPushPromise, IsReadBack) {
  hpack::Encoder encoder;
  const std::vector<HeaderField> fields = {{":method", "GET"}, {"a", "b"}};
  const http::HeaderList read =
      ReadFields(Written([&](auto& out) { AppendPushPromise(out, encoder, 1, 2, fields); }));
  EXPECT_EQ(std::vector<HeaderField>(read.begin(), read.end()), fields);
}

TEST(Append, SteadyStateAllocatesNothing) {
  io::BlockPool pool;
  io::WriteBuffer out(pool);
  hpack::Encoder encoder;
  const io::SharedBytes payload = io::SharedBytes::Copy(std::string(5000, 's'));
  const std::vector<HeaderField> fields = {
      {":status", "200"}, {"content-type", "application/grpc"}, {"n", "v", true}};
  const std::array<Setting, 1> settings = {Setting{SettingId::kInitialWindowSize, 65535}};
  const auto turn = [&] {
    AppendHeaders(out, encoder, 1, fields, false, 16);
    std::memset(AppendDataFrame(out, 1, 100, false), 'x', 100);
    AppendDataFrame(out, 1, payload, false);
    AppendHeaders(out, encoder, 1, fields, true, kMinMaxFrameSize);
    AppendWindowUpdate(out, 1, 5);
    AppendRstStream(out, 1, ErrorCode::kCancel);
    AppendSettings(out, settings);
    AppendSettingsAck(out);
    AppendPing(out, {}, true);
    AppendPriority(out, 1, {});
    AppendGoAway(out, 1, ErrorCode::kNoError, "bye");
    out.Consume(out.size() / 2);
    out.Consume(out.size());
  };
  for (int i = 0; i < 10; ++i) turn();
  const testing::AllocationCounter counter;
  for (int i = 0; i < 100; ++i) turn();
  EXPECT_EQ(counter.Count(), 0u);
}

}  // namespace
}  // namespace culvert::frame
