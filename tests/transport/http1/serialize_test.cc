#include "transport/http1/serialize.h"

#include <array>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "transport/http1/parser.h"
#include "transport/io/block_pool.h"

namespace culvert::http1 {
namespace {

using Body = ResponseFraming::Body;
using Connection = ResponseFraming::Connection;
using Fields = std::vector<http::HeaderField>;

std::string Text(const io::WriteBuffer& out) {
  std::array<iovec, 64> pieces{};
  const size_t count = out.Gather(pieces);
  std::string text;
  for (size_t i = 0; i < count; ++i)
    text.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
  return text;
}

class SerializeTest : public testing::Test {
 protected:
  std::string Response(int status, const Fields& fields, const ResponseFraming& framing) {
    io::WriteBuffer out(pool_);
    AppendResponseHead(out, {status, fields}, framing);
    return Text(out);
  }
  io::BlockPool pool_;
};

TEST_F(SerializeTest, WritesStatusLineFieldsAndFraming) {
  EXPECT_EQ(Response(200, {{"content-type", "text/plain"}}, {Body::kLength, 12, Connection::kUnstated}),
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 12\r\n\r\n");
  EXPECT_EQ(Response(200, {}, {Body::kChunked, 0, Connection::kClose}),
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n");
  EXPECT_EQ(Response(101, {{"upgrade", "echo"}}, {Body::kNone, 0, Connection::kUpgrade}),
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: echo\r\nconnection: upgrade\r\n\r\n");
  EXPECT_EQ(Response(200, {}, {Body::kNone, 0, Connection::kKeepAlive}),
            "HTTP/1.1 200 OK\r\nconnection: keep-alive\r\n\r\n");
}

TEST_F(SerializeTest, TheConnectionsDecisionReplacesTheApplications) {
  EXPECT_EQ(
      Response(
          200,
          {{"content-length", "99"}, {"Transfer-Encoding", "gzip"}, {"connection", "x"}, {"keep-alive", "1"}},
          {Body::kLength, 5, {}}),
      "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
  EXPECT_EQ(Response(304, {{"content-length", "99"}}, {Body::kAsGiven, 0, {}}),
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\n\r\n");
  EXPECT_EQ(Response(204, {{"content-length", "99"}}, {Body::kNone, 0, {}}),
            "HTTP/1.1 204 No Content\r\n\r\n");
}

TEST_F(SerializeTest, LeavesOutFieldsThatWouldSplitTheResponse) {
  EXPECT_EQ(Response(200,
                     {{"a", "b\r\nset-cookie: x"},
                      {"c\r\nd", "e"},
                      {"f", "g\nh"},
                      {"i", std::string_view("j\0k", 3)},
                      {"", "l"},
                      {":status", "1"},
                      {"ok", "m"}},
                     {}),
            "HTTP/1.1 200 OK\r\nok: m\r\n\r\n");
}

TEST_F(SerializeTest, AnUnregisteredStatusHasAnEmptyReason) {
  EXPECT_EQ(Response(299, {}, {}), "HTTP/1.1 299 \r\n\r\n");
  EXPECT_EQ(ReasonPhrase(404), "Not Found");
  EXPECT_EQ(ReasonPhrase(100), "Continue");
  EXPECT_EQ(ReasonPhrase(511), "Network Authentication Required");
  EXPECT_EQ(ReasonPhrase(999), "");
}

TEST_F(SerializeTest, WritesTrailersWithoutFramingFields) {
  io::WriteBuffer out(pool_);
  const Fields trailers = {{"grpc-status", "0"}, {"content-length", "1"}, {"x", "a\r\nb"}};
  AppendTrailers(out, trailers);
  EXPECT_EQ(Text(out), "grpc-status: 0\r\n\r\n");
}

TEST_F(SerializeTest, ErrorResponsesCloseAndParse) {
  io::WriteBuffer out(pool_);
  AppendErrorResponse(out, 431, "too many fields");
  const std::string text = Text(out);
  ResponseParser parser("GET");
  ASSERT_EQ(parser.Parse({reinterpret_cast<const uint8_t*>(text.data()), text.size()}), Parsed::kHead);
  EXPECT_EQ(parser.response().head.status, 431);
  EXPECT_FALSE(parser.response().keep_alive);
  EXPECT_EQ(parser.response().content_length, 16u);
  EXPECT_EQ(text.substr(parser.response().bytes), "too many fields\n");
}

TEST_F(SerializeTest, RequestHeadsParse) {
  io::WriteBuffer out(pool_);
  const Fields fields = {{"host", "a:443"}, {"proxy-authorization", "Basic x"}};
  AppendRequestHead(out, "CONNECT", "a:443", fields);
  EXPECT_EQ(Text(out), "CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\nproxy-authorization: Basic x\r\n\r\n");
}

}  // namespace
}  // namespace culvert::http1
