#include "transport/frame/describe.h"

#include <array>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "transport/frame/serialize.h"
#include "transport/hpack/encoder.h"

namespace culvert::frame {
namespace {

std::span<const uint8_t> Span(std::string_view bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

template <class Body>
Frame Make(FrameType type, uint8_t flags, StreamId id, uint32_t length, Body body) {
  return {.header = {length, type, flags, id}, .body = body};
}

TEST(Describe, ShowsHeaderFields) {
  const http::HeaderList fields{{":method", "POST"}, {":path", "/a.B/C"}};
  EXPECT_EQ(Describe(Make(FrameType::kHeaders, flags::kEndStream | flags::kEndHeaders, 1, 34,
                          HeadersFrame{.fields = &fields})),
            "HEADERS stream=1 len=34 END_STREAM END_HEADERS :method=POST :path=/a.B/C");
}

TEST(Describe, HidesSecretsButForTheirLength) {
  const http::HeaderList fields{{"authorization", "Bearer abc"}, {"cookie", "id=1"},
                                {"set-cookie", "id=2"},          {"proxy-authorization", "x"},
                                {"x-key", "12345", true},        {"x-open", "seen"}};
  const std::string text = Describe(Make(FrameType::kHeaders, 0, 1, 0, HeadersFrame{.fields = &fields}));
  EXPECT_EQ(text,
            "HEADERS stream=1 len=0 authorization=<10 bytes> cookie=<4 bytes> set-cookie=<4 bytes> "
            "proxy-authorization=<1 bytes> x-key=<5 bytes> x-open=seen");
}

TEST(Describe, EscapesWhatThePeerSent) {
  const http::HeaderList fields{{"na\nme", "va\r\nlue\x01\xff"}};
  EXPECT_EQ(Describe(Make(FrameType::kHeaders, 0, 1, 0, HeadersFrame{.fields = &fields})),
            "HEADERS stream=1 len=0 na\\nme=va\\r\\nlue\\x01\\xff");
  const std::string debug = "bye\n\x02";
  EXPECT_EQ(Describe(Make(FrameType::kGoAway, 0, 0, 13, GoAwayFrame{7, ErrorCode::kNoError, Span(debug)})),
            "GOAWAY len=13 last=7 NO_ERROR debug=bye\\n\\x02");
}

TEST(Describe, ShowsOnlyTheBeginOfData) {
  const std::string data = std::string("\0\0\0\0\x10", 5) + "seventy_one" + "more";
  EXPECT_EQ(Describe(Make(FrameType::kData, flags::kEndStream, 1, 20, DataFrame{.data = Span(data)})),
            "DATA stream=1 len=20 END_STREAM data=\\x00\\x00\\x00\\x00\\x10seventy_one...");
  EXPECT_EQ(Describe(Make(FrameType::kData, 0, 1, 0, DataFrame{})), "DATA stream=1 len=0");
}

TEST(Describe, ShowsThePriorityOfAPriorityUpdate) {
  const std::string value = "u=1, i\n";
  EXPECT_EQ(Describe(Make(FrameType::kPriorityUpdate, 0, 0, 11, PriorityUpdateFrame{5, Span(value)})),
            "PRIORITY_UPDATE len=11 prioritized=5 priority=u=1, i\\n");
  EXPECT_EQ(DescribeBytes(Span(std::string_view("\0\0\7\x10\0\0\0\0\0\0\0\0\5u=1", 16))),
            "PRIORITY_UPDATE len=7 prioritized=5 priority=u=1");
}

TEST(Describe, MarksATruncatedList) {
  const http::HeaderList fields{{"a", "b"}};
  EXPECT_EQ(Describe(Make(FrameType::kHeaders, 0, 1, 9, HeadersFrame{.fields = &fields, .truncated = true})),
            "HEADERS stream=1 len=9 a=b (truncated)");
}

TEST(Describe, NamesUnknownValuesByNumber) {
  EXPECT_EQ(Describe(Make(FrameType::kRstStream, 0, 1, 4, RstStreamFrame{static_cast<ErrorCode>(99)})),
            "RST_STREAM stream=1 len=4 UNKNOWN(99)");
  EXPECT_EQ(Describe(Make(static_cast<FrameType>(200), 3, 0, 0, UnknownFrame{})),
            "UNKNOWN(200) len=0 flags=3");
}

std::string Written() {
  io::BlockPool pool;
  io::WriteBuffer out(pool);
  hpack::Encoder encoder;
  out.Append(kConnectionPreface);
  AppendSettings(out, std::array{Setting{SettingId::kInitialWindowSize, 65535},
                                 Setting{SettingId::kMaxFrameSize, 16384}});
  const std::vector<http::HeaderField> fields = {{":status", "200"}, {"x", std::string_view("\xff\xff", 2)}};
  AppendHeaders(out, encoder, 1, fields, false, 4);
  std::memcpy(AppendDataFrame(out, 1, 3, true), "abc", 3);
  AppendPushPromise(out, encoder, 1, 2, {});
  AppendPriority(out, 3, {.depends_on = 1, .exclusive = false, .weight = 255});
  AppendRstStream(out, 3, ErrorCode::kRefusedStream);
  AppendPing(out, {0, 1, 2, 3, 4, 5, 6, 255}, false);
  AppendWindowUpdate(out, 0, 10);
  AppendGoAway(out, 1, ErrorCode::kNoError, "");
  std::array<iovec, 8> pieces;
  const size_t count = out.Gather(pieces);
  std::string bytes;
  for (size_t i = 0; i < count; ++i)
    bytes.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
  return bytes;
}

TEST(DescribeBytes, ShowsEachFrameWithItsHeaderBlockLeftEncoded) {
  EXPECT_EQ(DescribeBytes(Span(Written())),
            "PREFACE\n"
            "SETTINGS len=12 INITIAL_WINDOW_SIZE=65535 MAX_FRAME_SIZE=16384\n"
            "HEADERS stream=1 len=4\n"
            "CONTINUATION stream=1 len=3 END_HEADERS\n"
            "DATA stream=1 len=3 END_STREAM data=abc\n"
            "PUSH_PROMISE stream=1 len=4 END_HEADERS promised=2\n"
            "PRIORITY stream=3 len=5 depends_on=1 weight=256\n"
            "RST_STREAM stream=3 len=4 REFUSED_STREAM\n"
            "PING len=8 00010203040506ff\n"
            "WINDOW_UPDATE len=4 increment=10\n"
            "GOAWAY len=8 last=1 NO_ERROR");
}

TEST(DescribeBytes, SaysWhereTheBytesAreTorn) {
  const std::string bytes = Written().substr(kConnectionPreface.size());
  EXPECT_EQ(DescribeBytes({}), "");
  EXPECT_EQ(DescribeBytes(Span(bytes).first(5)), "torn: 5 bytes of a frame header");
  EXPECT_EQ(DescribeBytes(Span(bytes).first(12)), "SETTINGS len=12 torn: 3 bytes of its payload");
  for (size_t n = 0; n <= bytes.size(); ++n) DescribeBytes(Span(bytes).first(n));
}

TEST(DescribeBytes, SaysWhatIsMalformed) {
  EXPECT_EQ(DescribeBytes(Span(std::string_view("\0\0\1\6\0\0\0\0\0x", 10))),
            "PING len=1 malformed: PING of 1 bytes");
}

}  // namespace
}  // namespace culvert::frame
