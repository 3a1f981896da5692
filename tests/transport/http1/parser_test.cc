#include "transport/http1/parser.h"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace culvert::http1 {
namespace {

// What a parser said about a message, in one comparable line.
std::string Describe(const Request& r) {
  std::string out =
      absl::StrCat(std::string(r.head.method), " [", std::string(r.head.scheme), "] [",
                   std::string(r.head.authority), "] [", std::string(r.head.path), "] 1.", r.minor_version,
                   r.keep_alive ? " keep" : " close", r.expects_continue ? " continue" : "");
  if (r.body == BodyKind::kLength) absl::StrAppend(&out, " length=", r.content_length);
  if (r.body == BodyKind::kChunked) absl::StrAppend(&out, " chunked");
  for (const http::HeaderField& f : r.head.fields)
    absl::StrAppend(&out, " {", std::string(f.name), "=", std::string(f.value), "}");
  return out;
}

std::string Describe(const Response& r) {
  std::string out = absl::StrCat(r.head.status, " 1.", r.minor_version, r.keep_alive ? " keep" : " close");
  if (r.body == BodyKind::kLength) absl::StrAppend(&out, " length=", r.content_length);
  if (r.body == BodyKind::kChunked) absl::StrAppend(&out, " chunked");
  if (r.body == BodyKind::kUntilClose) absl::StrAppend(&out, " until-close");
  for (const http::HeaderField& f : r.head.fields)
    absl::StrAppend(&out, " {", std::string(f.name), "=", std::string(f.value), "}");
  return out;
}

const Request& Result(const RequestParser& p) { return p.request(); }
const Response& Result(const ResponseParser& p) { return p.response(); }
std::string Why(const RequestParser& p) {
  return absl::StrCat("error ", p.error().http_status, ": ", p.error().why.message());
}
std::string Why(const ResponseParser& p) { return absl::StrCat("error: ", p.error().message()); }

// Feeds prefixes of the given lengths, each in memory of its own, as a read buffer that moves would.
template <class Parser>
std::string Feed(Parser parser, std::string_view text, const std::vector<size_t>& lengths) {
  std::unique_ptr<uint8_t[]> memory;
  for (size_t length : lengths) {
    auto moved = std::make_unique<uint8_t[]>(length);
    std::copy(text.begin(), text.begin() + static_cast<ptrdiff_t>(length), moved.get());
    memory = std::move(moved);
    switch (parser.Parse({memory.get(), length})) {
      case Parsed::kNeedMore:
        continue;
      case Parsed::kHead:
        EXPECT_EQ(Result(parser).bytes, text.find("\r\n\r\n") + 4);
        return Describe(Result(parser));
      case Parsed::kError:
        return Why(parser);
    }
  }
  return "need more";
}

// Whole, one byte at a time, and at every split: always the same.
template <class Parser>
std::string RunAllWays(const Parser& parser, std::string_view text) {
  const std::string whole = Feed(parser, text, {text.size()});
  std::vector<size_t> bytewise;
  for (size_t n = 0; n <= text.size(); ++n) bytewise.push_back(n);
  EXPECT_EQ(Feed(parser, text, bytewise), whole);
  for (size_t n = 0; n < text.size(); ++n)
    EXPECT_EQ(Feed(parser, text, {n, text.size()}), whole) << "split at " << n;
  return whole;
}

std::string Parse(std::string_view text, HeadLimits limits = {}) {
  return RunAllWays(RequestParser(limits), text);
}
std::string ParseResponse(std::string_view text, std::string_view method = "GET") {
  return RunAllWays(ResponseParser(method), text);
}

// A GET whose fields are Host and `fields`.
std::string ParseWith(std::string_view fields) {
  return Parse(absl::StrCat("POST / HTTP/1.1\r\nHost: a\r\n", std::string(fields), "\r\n"));
}
bool Refuses(const std::string& parsed, int status) {
  return parsed.starts_with(absl::StrCat("error ", status, ":"));
}

TEST(RequestParser, ReadsAPlainGet) {
  EXPECT_EQ(Parse("GET /x?y=1 HTTP/1.1\r\nHost: example.org:80\r\nX-Thing:  a b \t\r\n\r\nbody"),
            "GET [] [example.org:80] [/x?y=1] 1.1 keep {host=example.org:80} {x-thing=a b}");
}

TEST(RequestParser, NeedsMoreUntilTheEmptyLine) {
  EXPECT_EQ(Parse(""), "need more");
  EXPECT_EQ(Parse("GET / HTTP/1.1\r\nHost: a\r\n\r"), "need more");
}

TEST(RequestParser, SkipsAFewEmptyLinesBeforeTheRequestLine) {
  EXPECT_EQ(Parse("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), "GET [] [a] [/] 1.1 keep {host=a}");
  EXPECT_TRUE(Refuses(Parse("\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n"), 400));
}

TEST(RequestParser, IsUsedAgainAfterReset) {
  const std::string text = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n";
  RequestParser parser;
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(parser.Parse({reinterpret_cast<const uint8_t*>(text.data()), text.size()}), Parsed::kHead);
    EXPECT_EQ(Describe(parser.request()), "GET [] [a] [/1] 1.1 keep {host=a}");
    parser.Reset();
  }
}

TEST(RequestParser, ReadsEveryFormOfTarget) {
  EXPECT_EQ(Parse("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), "OPTIONS [] [a] [*] 1.1 keep {host=a}");
  EXPECT_EQ(Parse("CONNECT [::1]:443 HTTP/1.1\r\nHost: b\r\n\r\n"),
            "CONNECT [] [[::1]:443] [] 1.1 keep {host=b}");
  EXPECT_EQ(Parse("GET http://c:8/p?q HTTP/1.1\r\nHost: a\r\n\r\n"),
            "GET [http] [c:8] [/p?q] 1.1 keep {host=a}");
  EXPECT_EQ(Parse("GET http://c HTTP/1.1\r\nHost: a\r\n\r\n"), "GET [http] [c] [/] 1.1 keep {host=a}");
  EXPECT_EQ(Parse("GET http://c?q HTTP/1.1\r\nHost: a\r\n\r\n"), "GET [http] [c] [/?q] 1.1 keep {host=a}");
  EXPECT_EQ(Parse("OPTIONS http://c HTTP/1.1\r\nHost: a\r\n\r\n"),
            "OPTIONS [http] [c] [*] 1.1 keep {host=a}");
}

// RFC 9110 7.4
TEST(RequestParser, RefusesTheSchemeOfAnotherKindOfConnection) {
  const auto parse = [](std::string_view scheme, std::string_view target) {
    return RunAllWays(RequestParser({}, scheme),
                      absl::StrCat("GET ", std::string(target), " HTTP/1.1\r\nHost: a\r\n\r\n"));
  };
  EXPECT_EQ(parse("http", "HTTP://c/"), "GET [http] [c] [/] 1.1 keep {host=a}");
  EXPECT_EQ(parse("https", "Https://c/"), "GET [https] [c] [/] 1.1 keep {host=a}");
  EXPECT_EQ(parse("http", "ws://c/"), "GET [ws] [c] [/] 1.1 keep {host=a}");
  EXPECT_TRUE(Refuses(parse("http", "https://c/"), 421));
  EXPECT_TRUE(Refuses(parse("http", "HTTPS://c/"), 421));
  EXPECT_TRUE(Refuses(parse("https", "http://c/"), 421));
}

TEST(RequestParser, RefusesBadTargets) {
  for (const char* line :
       {"GET * HTTP/1.1", "GET a HTTP/1.1", "GET a:80 HTTP/1.1", "GET http:///x HTTP/1.1",
        "GET http://u@h/ HTTP/1.1", "GET 1http://h/ HTTP/1.1", "GET /a#b HTTP/1.1", "GET /a\x7f HTTP/1.1",
        "GET /\xc3\xa9 HTTP/1.1", "GET http://:80/ HTTP/1.1", "CONNECT / HTTP/1.1", "CONNECT a HTTP/1.1",
        "CONNECT a: HTTP/1.1", "CONNECT :1 HTTP/1.1", "CONNECT a:99999 HTTP/1.1", "CONNECT a:x HTTP/1.1",
        "CONNECT http://a:1 HTTP/1.1", "CONNECT [a:1 HTTP/1.1"}) {
    EXPECT_TRUE(Refuses(Parse(absl::StrCat(line, "\r\nHost: a\r\n\r\n")), 400)) << line;
  }
}

TEST(RequestParser, RefusesBadRequestLines) {
  for (const char* line :
       {"GET / HTTP/1.1 ", "GET  / HTTP/1.1", " GET / HTTP/1.1", "GET /  HTTP/1.1", "GET /a b HTTP/1.1",
        "GET /", "GET", "G(T / HTTP/1.1", "GET\t/ HTTP/1.1", "GET / http/1.1", "GET / HTTP/11",
        "GET / HTTP/1.1x", "GET / HTTP/1,1", "GET / HTTP 1.1", "GET /\r HTTP/1.1", "/ HTTP/1.1"}) {
    EXPECT_TRUE(Refuses(Parse(absl::StrCat(line, "\r\nHost: a\r\n\r\n")), 400)) << line;
  }
}

TEST(RequestParser, RefusesOtherVersions) {
  for (const char* version : {"HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "HTTP/3.0"}) {
    EXPECT_TRUE(Refuses(Parse(absl::StrCat("GET / ", version, "\r\nHost: a\r\n\r\n")), 505)) << version;
  }
}

TEST(RequestParser, Http10ClosesByDefaultAndNeedsNoHost) {
  EXPECT_EQ(Parse("GET / HTTP/1.0\r\n\r\n"), "GET [] [] [/] 1.0 close");
  EXPECT_EQ(Parse("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"),
            "GET [] [] [/] 1.0 keep {connection=Keep-Alive}");
  EXPECT_TRUE(Refuses(Parse("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400));
}

TEST(RequestParser, ConnectionCloseAmongOtherOptions) {
  EXPECT_EQ(ParseWith("Connection: x, CLOSE ,y\r\n"),
            "POST [] [a] [/] 1.1 close {host=a} {connection=x, CLOSE ,y}");
}

TEST(RequestParser, FramesTheBody) {
  EXPECT_EQ(ParseWith("Content-Length: 12\r\n"),
            "POST [] [a] [/] 1.1 keep length=12 {host=a} {content-length=12}");
  EXPECT_EQ(ParseWith("Content-Length: 0\r\n"), "POST [] [a] [/] 1.1 keep {host=a} {content-length=0}");
  EXPECT_EQ(ParseWith("Transfer-Encoding: Chunked\r\n"),
            "POST [] [a] [/] 1.1 keep chunked {host=a} {transfer-encoding=Chunked}");
}

// RFC 9112 2.2, 5.1, 5.2, 6.1, 6.3: each of these is seen differently by lenient parties.
TEST(RequestParser, RefusesWhatSmugglesRequests) {
  for (const char* fields : {
           "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
           "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
           "Content-Length: 5\r\nContent-Length: 5\r\n",
           "Content-Length: 5\r\nContent-Length: 6\r\n",
           "Content-Length: 5, 5\r\n",
           "Content-Length: +5\r\n",
           "Content-Length: -5\r\n",
           "Content-Length: 5 5\r\n",
           "Content-Length: 0x5\r\n",
           "Content-Length: 5a\r\n",
           "Content-Length:\r\n",
           "Content-Length: 9999999999999999999\r\n",
           "Content-Length: \xd9\xa5\r\n",
           "Content-Length : 5\r\n",
           "Content-Length\t: 5\r\n",
           "Content-Length\r\n : 5\r\n",
           "X: a\r\n b\r\n",
           "X: a\r\n\tb\r\n",
           "X: a\rb\r\n",
           "X: a\r\r\n",
           "X: a\nY: b\r\n",
           "X: a\n",
           "X\r: a\r\n",
           "Transfer-Encoding: chunked, chunked\r\n",
           "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
           "Transfer-Encoding:\r\n",
           "Transfer-Encoding: ,\r\n",
           "Host: a\r\n",
           "Host: b\r\n",
       }) {
    EXPECT_TRUE(Refuses(ParseWith(fields), 400)) << fields << ParseWith(fields);
  }
  for (const char* fields : {"Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding: identity\r\n",
                             "Transfer-Encoding: chunked, gzip\r\n", "Transfer-Encoding: \"chunked\"\r\n",
                             "Transfer-Encoding: chunked;q=1\r\n", "Transfer-Encoding: xchunked\r\n",
                             "Transfer-Encoding: chunked gzip\r\n"}) {
    EXPECT_TRUE(Refuses(ParseWith(fields), 501)) << fields;
  }
  // A vertical tab is no blank: the value is not trimmed into "chunked".
  EXPECT_TRUE(Refuses(ParseWith("Transfer-Encoding: \vchunked\r\n"), 400));
  EXPECT_TRUE(Refuses(Parse("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), 400));
  EXPECT_TRUE(Refuses(Parse("GET / HTTP/1.1\r\n X: y\r\nHost: a\r\n\r\n"), 400));
  EXPECT_TRUE(Refuses(Parse("GET / HTTP/1.1\nHost: a\r\n\r\n"), 400));
  EXPECT_TRUE(Refuses(Parse("GET / HTTP/1.1\r\nHost: a\r\n\n"), 400));
}

TEST(RequestParser, RefusesBadNamesAndValues) {
  using namespace std::string_literals;
  for (const std::string& fields :
       {": x\r\n"s, "a b: x\r\n"s, "a\x80: x\r\n"s, "a(: x\r\n"s, "nocolon\r\n"s, "a: x\0y\r\n"s,
        "a: \x01\r\n"s, "a: \x7f\r\n"s, "a\0: x\r\n"s, ":path: x\r\n"s}) {
    EXPECT_TRUE(Refuses(ParseWith(fields), 400)) << testing::PrintToString(fields);
  }
  EXPECT_EQ(ParseWith("A: \xc3\xa9\ty\r\n"), "POST [] [a] [/] 1.1 keep {host=a} {a=\xc3\xa9\ty}");
}

TEST(RequestParser, RefusesMissingAndBadHosts) {
  EXPECT_TRUE(Refuses(Parse("GET / HTTP/1.1\r\n\r\n"), 400));
  EXPECT_TRUE(Refuses(Parse("GET http://a/ HTTP/1.1\r\n\r\n"), 400));
  for (const char* host :
       {"a b", "a/b", "a@b", "a,b", "a:b", "a:1:2", "[::1", "[]", "a\"", "a?", "\xc3\xa9"}) {
    EXPECT_TRUE(Refuses(Parse(absl::StrCat("GET / HTTP/1.1\r\nHost: ", host, "\r\n\r\n")), 400)) << host;
  }
  for (const char* host : {"", "a", "a.b-c_d", "127.0.0.1:80", "[::1]:80", "a:"}) {
    EXPECT_FALSE(Parse(absl::StrCat("GET / HTTP/1.1\r\nHost: ", host, "\r\n\r\n")).starts_with("error"))
        << host;
  }
}

TEST(RequestParser, ConnectHasNoBody) {
  EXPECT_TRUE(Refuses(Parse("CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"), 400));
  EXPECT_TRUE(Refuses(Parse("CONNECT a:1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), 400));
  EXPECT_FALSE(Refuses(Parse("CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"), 400));
}

TEST(RequestParser, KnowsOneExpectation) {
  EXPECT_EQ(ParseWith("Expect: 100-Continue\r\nContent-Length: 1\r\n"),
            "POST [] [a] [/] 1.1 keep continue length=1 {host=a} {expect=100-Continue} {content-length=1}");
  EXPECT_TRUE(Refuses(ParseWith("Expect: tea\r\n"), 417));
  // Without a body, or from HTTP/1.0, there is nothing to be told.
  EXPECT_EQ(ParseWith("Expect: 100-continue\r\n"), "POST [] [a] [/] 1.1 keep {host=a} {expect=100-continue}");
}

TEST(RequestParser, HoldsToItsLimits) {
  const HeadLimits limits{.start_line = 24, .field_bytes = 30, .field_count = 3};
  EXPECT_EQ(Parse("GET /2345678901 HTTP/1.1\r\nHost: a\r\n\r\n", limits),
            "GET [] [a] [/2345678901] 1.1 keep {host=a}");
  EXPECT_TRUE(Refuses(Parse("GET /23456789012 HTTP/1.1\r\nHost: a\r\n\r\n", limits), 414));
  EXPECT_TRUE(Refuses(Parse(std::string(100, 'x'), limits), 414));
  EXPECT_EQ(Parse("GET / HTTP/1.1\r\nHost: a\r\nX: 45678901234567\r\n\r\n", limits),
            "GET [] [a] [/] 1.1 keep {host=a} {x=45678901234567}");
  EXPECT_TRUE(Refuses(Parse("GET / HTTP/1.1\r\nHost: a\r\nX: 456789012345678\r\n\r\n", limits), 431));
  EXPECT_TRUE(Refuses(Parse("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(100, 'x'), limits), 431));
  EXPECT_EQ(Parse("GET / HTTP/1.1\r\nHost: a\r\nX:\r\nY:\r\n\r\n", limits),
            "GET [] [a] [/] 1.1 keep {host=a} {x=} {y=}");
  EXPECT_TRUE(Refuses(Parse("GET / HTTP/1.1\r\nHost: a\r\nX:\r\nY:\r\nZ:\r\n\r\n", limits), 431));
}

TEST(RequestParser, DefaultLimitsAreTheDocumentedOnes) {
  const std::string host = "Host: a\r\n\r\n";
  const auto parse = [](std::string_view text) { return Feed(RequestParser(), text, {text.size()}); };
  EXPECT_FALSE(
      parse(absl::StrCat("GET /", std::string(8192 - 14, 'x'), " HTTP/1.1\r\n", host)).starts_with("error"));
  EXPECT_TRUE(Refuses(parse(absl::StrCat("GET /", std::string(8192 - 13, 'x'), " HTTP/1.1\r\n", host)), 414));
  const std::string field = absl::StrCat("X: ", std::string(1000, 'x'), "\r\n");
  std::string fields;
  for (int i = 0; i < 65; ++i) fields += field;
  EXPECT_FALSE(parse(absl::StrCat("GET / HTTP/1.1\r\n", fields, host)).starts_with("error"));
  EXPECT_TRUE(Refuses(parse(absl::StrCat("GET / HTTP/1.1\r\n", fields, field, host)), 431));
  std::string many;
  for (int i = 0; i < 127; ++i) many += "a:\r\n";
  EXPECT_FALSE(parse(absl::StrCat("GET / HTTP/1.1\r\n", many, host)).starts_with("error"));
  EXPECT_TRUE(Refuses(parse(absl::StrCat("GET / HTTP/1.1\r\n", many, "a:\r\n", host)), 431));
}

// A scan that began again at each byte would look at 2 GiB here.
TEST(RequestParser, IsLinearByteByByte) {
  const std::string text =
      absl::StrCat("GET / HTTP/1.1\r\nHost: a\r\nX: ", std::string(64 * 1024 - 20, 'x'), "\r\n\r\n");
  RequestParser parser;
  const auto begin = std::chrono::steady_clock::now();
  Parsed parsed = Parsed::kNeedMore;
  for (size_t n = 0; n <= text.size(); ++n)
    parsed = parser.Parse({reinterpret_cast<const uint8_t*>(text.data()), n});
  EXPECT_EQ(parsed, Parsed::kHead);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
}

TEST(ResponseParser, ReadsStatusAndFields) {
  EXPECT_EQ(ParseResponse("HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\ntunnel", "CONNECT"),
            "200 1.1 keep {via=x}");
  EXPECT_EQ(ParseResponse("HTTP/1.1 407\r\n\r\n"), "407 1.1 close until-close");
  EXPECT_EQ(ParseResponse("HTTP/1.0 200 \r\n\r\n", "CONNECT"), "200 1.0 close");
}

// RFC 9112 6.3
TEST(ResponseParser, FramesTheBody) {
  EXPECT_EQ(ParseResponse("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"),
            "200 1.1 keep length=3 {content-length=3}");
  EXPECT_EQ(ParseResponse("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "HEAD"),
            "200 1.1 keep {content-length=3}");
  EXPECT_EQ(ParseResponse("HTTP/1.1 304 x\r\nContent-Length: 3\r\n\r\n"), "304 1.1 keep {content-length=3}");
  EXPECT_EQ(ParseResponse("HTTP/1.1 100 x\r\n\r\n"), "100 1.1 keep");
  EXPECT_EQ(ParseResponse("HTTP/1.1 204 x\r\n\r\n"), "204 1.1 keep");
  EXPECT_EQ(ParseResponse("HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n"),
            "200 1.1 keep chunked {transfer-encoding=chunked}");
  EXPECT_EQ(ParseResponse("HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n", "CONNECT"),
            "200 1.1 keep {transfer-encoding=chunked}");
  EXPECT_EQ(ParseResponse("HTTP/1.1 200 x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
            "200 1.1 close {connection=close} {content-length=0}");
}

TEST(ResponseParser, RefusesMalformedOnes) {
  for (const char* text :
       {"HTTP/1.1 20 x\r\n\r\n", "HTTP/1.1 2000 x\r\n\r\n", "HTTP/1.1 099 x\r\n\r\n",
        "HTTP/2.0 200 x\r\n\r\n", "HTP/1.1 200 x\r\n\r\n", "HTTP/1.1  200 x\r\n\r\n", "HTTP/1.1\r\n\r\n",
        "HTTP/1.1 200 a\rb\r\n\r\n", "HTTP/1.1 200 x\n\r\n", "HTTP/1.1 200 x\r\na : b\r\n\r\n",
        "HTTP/1.1 200 x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
    EXPECT_TRUE(ParseResponse(text).starts_with("error")) << text;
  }
}

}  // namespace
}  // namespace culvert::http1
