// Attacks over HTTP/1.1: requests that two parties would read differently, floods of header bytes, and clients that take their time.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "tests/attack/attacked_server.h"
#include "tests/e2e/raw_peer.h"

namespace culvert::attack {
namespace {

using e2e::RawSocket;

constexpr size_t kMiB = 1024 * 1024;

// All that the server says until it ends its side.
std::string ReceiveAll(RawSocket& socket) { return socket.Receive(kMiB); }

// Its status code; "" when it only closes.
std::string Status(const std::string& response) { return response.starts_with("HTTP/1.1 ") ? response.substr(9, 3) : response; }

std::string Post(std::string_view fields, std::string_view body = {}) {
  return "POST /upload HTTP/1.1\r\nhost: localhost\r\n" + std::string(fields) + "\r\n" + std::string(body);
}

// --- smuggling (RFC 9112 2.2, 5.1, 6.1, 6.3, 7.1) ---

struct Smuggler {
  const char* name;
  std::string request;
  const char* status = "400";
};

const std::vector<Smuggler> kSmugglers = {
    {"LengthAndChunked", Post("content-length: 4\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n")},
    {"ChunkedAndLength", Post("transfer-encoding: chunked\r\ncontent-length: 4\r\n", "0\r\n\r\n")},
    {"TwoLengths", Post("content-length: 4\r\ncontent-length: 5\r\n", "abcd")},
    {"TheSameLengthTwice", Post("content-length: 4\r\ncontent-length: 4\r\n", "abcd")},
    {"LengthsInAList", Post("content-length: 4, 4\r\n", "abcd")},
    {"SignedLength", Post("content-length: +4\r\n", "abcd")},
    {"NegativeLength", Post("content-length: -4\r\n", "abcd")},
    {"SpacedLength", Post("content-length: 4 4\r\n", "abcd")},
    {"HexadecimalLength", Post("content-length: 0x4\r\n", "abcd")},
    {"EmptyLength", Post("content-length:\r\n", "abcd")},
    {"HugeLength", Post("content-length: 18446744073709551620\r\n", "abcd")},
    {"FoldedLine", Post("x-a: b\r\n content-length: 4\r\n", "abcd")},
    {"BareLineFeed", Post("x-a: b\ncontent-length: 4\r\n", "abcd")},
    {"BareCarriageReturn", Post("x-a: b\rcontent-length: 4\r\n", "abcd")},
    {"NulInAValue", Post(std::string("x-a: b\0c\r\n", 10), "abcd")},
    {"SpaceBeforeTheColon", Post("content-length : 4\r\n", "abcd")},
    {"SpaceInTheName", Post("content length: 4\r\n", "abcd")},
    {"LineWithoutAColon", Post("content-length\r\n", "abcd")},
    {"UnknownCoding", Post("transfer-encoding: gzip\r\n", "0\r\n\r\n"), "501"},
    {"CodingsAfterAnother", Post("transfer-encoding: gzip, chunked\r\n", "0\r\n\r\n"), "501"},
    {"NearlyChunked", Post("transfer-encoding: xchunked\r\n", "0\r\n\r\n"), "501"},
    {"VerticalTabChunked", Post("transfer-encoding: \vchunked\r\n", "0\r\n\r\n")},
    {"ChunkedTwice", Post("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n")},
    {"ChunkedInOldVersion", "POST /upload HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"},
    {"NoHost", "GET / HTTP/1.1\r\n\r\n"},
    {"TwoHosts", "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"},
    {"SpaceInTheTarget", "GET /a HTTP/1.1 b HTTP/1.1\r\nhost: a\r\n\r\n"},
    {"NoVersion", "GET /\r\nhost: a\r\n\r\n"},
    {"ChunkSizeWithAnX", Post("transfer-encoding: chunked\r\n", "0x4\r\nabcd\r\n0\r\n\r\n")},
    {"ChunkSizeWithASign", Post("transfer-encoding: chunked\r\n", "+4\r\nabcd\r\n0\r\n\r\n")},
    {"ChunkSizeWithASpace", Post("transfer-encoding: chunked\r\n", " 4\r\nabcd\r\n0\r\n\r\n")},
    {"ChunkSizeThatOverflows", Post("transfer-encoding: chunked\r\n", "10000000000000004\r\nabcd\r\n0\r\n\r\n")},
    {"ChunkLineWithABareLineFeed", Post("transfer-encoding: chunked\r\n", "4;a\nbcd\r\n0\r\n\r\n")},
    {"ChunkLongerThanItsSize", Post("transfer-encoding: chunked\r\n", "3\r\nabcd\r\n0\r\n\r\n")},
    {"FramingInTrailers", Post("transfer-encoding: chunked\r\n", "0\r\ncontent-length: 4\r\n\r\n")},
};

// What follows is never taken for a request: it would be answered, and nothing is.
TEST(Smuggling, IsRefusedAndTheConnectionEnds) {
  AttackedServer server;
  uint64_t refused = 0;
  for (const Smuggler& smuggler : kSmugglers) {
    SCOPED_TRACE(smuggler.name);
    RawSocket socket = RawSocket::Connect(server.address());
    ASSERT_TRUE(socket.Send(smuggler.request + "GET /smuggled HTTP/1.1\r\nhost: localhost\r\n\r\n"));
    const std::string response = ReceiveAll(socket);
    EXPECT_EQ(Status(response), smuggler.status);
    EXPECT_EQ(response.find("HTTP/1.1", 1), std::string::npos) << response;
    server.ExpectCounted("http1_bad_request", ++refused);
    server.ExpectServesOthers();
  }
  EXPECT_EQ(server.Count("http1_bad_request"), refused);
  server.ExpectUnharmed();
}

// --- floods ---

// `begin`, then `more` again and again.
void ExpectFloodStopped(const std::string& begin, const std::string& more, const std::string& status, const std::string& limit) {
  AttackedServer server;
  RawSocket socket = RawSocket::Connect(server.address());
  ASSERT_TRUE(socket.Send(begin));
  server.AttackUntilCounted(limit, socket, [&](int) { return more; });
  EXPECT_EQ(Status(ReceiveAll(socket)), status);
  server.ExpectUnharmed();
}

TEST(Http1Flood, RequestLine) { ExpectFloodStopped("GET /", std::string(1000, 'a'), "414", "http1_uri_too_long"); }

TEST(Http1Flood, FieldBytes) {
  ExpectFloodStopped("GET / HTTP/1.1\r\nx-a: ", std::string(1000, 'a'), "431", "http1_headers_too_large");
}

TEST(Http1Flood, Fields) { ExpectFloodStopped("GET / HTTP/1.1\r\n", "a:\r\na:\r\na:\r\n", "431", "http1_headers_too_large"); }

// CVE-2023-39326
TEST(Http1Flood, ChunkExtensions) {
  ExpectFloodStopped(Post("transfer-encoding: chunked\r\n"), "1;" + std::string(1000, 'a') + "\r\nx\r\n", "400", "http1_bad_request");
}

TEST(Http1Flood, Trailers) {
  ExpectFloodStopped(Post("transfer-encoding: chunked\r\n", "0\r\n"), "a: b\r\n", "400", "http1_bad_request");
  ExpectFloodStopped(Post("transfer-encoding: chunked\r\n", "0\r\na: "), std::string(1000, 'b'), "400", "http1_bad_request");
}

// How long a body may be is the handler's affair: 1 MiB here.
TEST(Http1Flood, Body) {
  AttackedServer server;
  RawSocket socket = RawSocket::Connect(server.address());
  ASSERT_TRUE(socket.Send(Post("content-length: 1000000000\r\n")));
  const std::string piece(100000, 'x');
  for (int i = 0; i < 20; ++i) {
    socket.Send(piece);
    server.ExpectServesOthers();
  }
  EXPECT_EQ(Status(ReceiveAll(socket)), "413");
  server.ExpectUnharmed();
}

TEST(Http1Flood, BodyThatNobodyWants) {
  AttackedServer server;
  RawSocket socket = RawSocket::Connect(server.address());
  ASSERT_TRUE(socket.Send("POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"));
  const std::string piece = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
  server.AttackUntilCounted("http1_linger", socket, [&](int) { return piece; });
  EXPECT_EQ(Status(ReceiveAll(socket)), "200");
  server.ExpectUnharmed();
}

// Requests one behind the other, and nobody reads the responses.
TEST(Http1Flood, PipelinedRequests) {
  AttackedServer server({"--write_timeout=2000"});
  RawSocket socket = RawSocket::Connect(server.address(), 4096);
  std::string requests;
  for (int i = 0; i < 1000; ++i) requests += "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
  server.AttackUntilCounted("http1_write_timeout", socket, [&](int) { return requests; });
  EXPECT_TRUE(socket.ReceiveEnd());
  server.ExpectUnharmed();
}

// --- taking one's time ---

// Slowloris: a head that does not end, whether it goes on or not.
TEST(Http1Slow, Head) {
  AttackedServer server({"--header_timeout=1000"});
  RawSocket silent = RawSocket::Connect(server.address());
  ASSERT_TRUE(silent.Send("GET / HTTP/1.1\r\nhost: local"));
  EXPECT_EQ(Status(ReceiveAll(silent)), "408");
  server.ExpectCounted("http1_header_timeout");
  RawSocket dripping = RawSocket::Connect(server.address());
  ASSERT_TRUE(dripping.Send("GET / HTTP/1.1\r\nhost: "));
  server.AttackUntilCounted("http1_header_timeout", dripping, [](int) { return "a"; });
  EXPECT_EQ(Status(ReceiveAll(dripping)), "408");
  server.ExpectUnharmed();
}

TEST(Http1Slow, Body) {
  AttackedServer server({"--body_timeout=1000"});
  RawSocket socket = RawSocket::Connect(server.address());
  ASSERT_TRUE(socket.Send(Post("content-length: 100\r\n", "only this")));
  server.ExpectServesOthers();
  EXPECT_EQ(Status(ReceiveAll(socket)), "408");
  server.ExpectCounted("http1_body_timeout");
  server.ExpectUnharmed();
}

TEST(Http1Slow, NextRequest) {
  AttackedServer server({"--http1_idle_timeout=1000"});
  RawSocket socket = RawSocket::Connect(server.address());
  ASSERT_TRUE(socket.Send("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"));
  EXPECT_EQ(Status(ReceiveAll(socket)), "200");
  server.ExpectCounted("idle_timeout");
  server.ExpectUnharmed();
}

TEST(Http1Slow, Reader) {
  AttackedServer server({"--write_timeout=2000"});
  RawSocket socket = RawSocket::Connect(server.address(), 4096);
  ASSERT_TRUE(socket.Send("GET /flood HTTP/1.1\r\nhost: localhost\r\n\r\n"));
  for (int i = 0; i < 100; ++i) server.ExpectServesOthers();
  server.ExpectCounted("http1_write_timeout");
  EXPECT_TRUE(socket.ReceiveEnd());
  server.ExpectUnharmed();
}

// The server has said that it closes, and its clients stay: some silent, some talking on.
TEST(Http1Slow, ClientsThatNeverClose) {
  constexpr int kClients = 50;
  AttackedServer server;
  std::vector<RawSocket> stay;
  for (int i = 0; i < kClients; ++i) {
    stay.push_back(RawSocket::Connect(server.address()));
    ASSERT_TRUE(stay.back().Send("GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"));
    EXPECT_EQ(Status(ReceiveAll(stay.back())), "200");
    if (i % 2 == 0) stay.back().Send("GET / HTTP/1.1\r\n");
  }
  server.ExpectServesOthers();
  server.ExpectCounted("http1_linger", kClients);
  server.ExpectUnharmed();
}

}  // namespace
}  // namespace culvert::attack
