#include "transport/http/validate.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace culvert::http {
namespace {

using Fields = std::vector<HeaderField>;

const Fields kGet = {{":method", "GET"}, {":scheme", "http"}, {":authority", "a.b:1"}, {":path", "/c?d"}};

Fields With(Fields fields, const Fields& more) {
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}
Fields Without(Fields fields, std::string_view name) {
  std::erase_if(fields, [&](const HeaderField& field) { return field.name == name; });
  return fields;
}

// "" or why the request is malformed.
std::string WhyNot(const Fields& fields) {
  const absl::StatusOr<RequestHead> head = ReadRequestHead(fields);
  if (head.ok()) return "";
  EXPECT_EQ(head.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(head.status().message());
}
std::string WhyNotResponse(const Fields& fields) {
  const absl::StatusOr<ResponseHead> head = ReadResponseHead(fields);
  return head.ok() ? "" : std::string(head.status().message());
}

TEST(ValidateTest, ARequestIsSplitIntoItsParts) {
  const Fields fields = With(kGet, {{"accept", "*/*"}, {"x", ""}});
  const absl::StatusOr<RequestHead> head = ReadRequestHead(fields);
  ASSERT_TRUE(head.ok()) << head.status();
  EXPECT_EQ(head->method, "GET");
  EXPECT_EQ(head->scheme, "http");
  EXPECT_EQ(head->authority, "a.b:1");
  EXPECT_EQ(head->path, "/c?d");
  EXPECT_EQ(head->protocol, "");
  ASSERT_EQ(head->fields.size(), 2u);
  EXPECT_EQ(head->fields[0].name, "accept");
  EXPECT_EQ(head->fields.data(), fields.data() + 4);  // views, not copies
}

// RFC 9113 8.3: the order of pseudo-header fields among themselves is free.
TEST(ValidateTest, PseudoHeaderFieldsMayComeInAnyOrder) {
  EXPECT_EQ(WhyNot({{":path", "/"}, {":authority", "a"}, {":method", "GET"}, {":scheme", "https"}}), "");
}

// RFC 9113 8.3
TEST(ValidateTest, PseudoHeaderFieldsComeFirst) {
  EXPECT_EQ(WhyNot({{":method", "GET"}, {":scheme", "http"}, {"x", "y"}, {":path", "/"}}), "pseudo-header field after a regular field");
}

TEST(ValidateTest, PseudoHeaderFieldsAreTheKnownOnes) {
  EXPECT_EQ(WhyNot(With(kGet, {{":status", "200"}})), "unknown pseudo-header field in a request");
  EXPECT_EQ(WhyNot(With(kGet, {{":", ""}})), "unknown pseudo-header field in a request");
  EXPECT_EQ(WhyNot(With(kGet, {{":Path", "/"}})), "unknown pseudo-header field in a request");
}

TEST(ValidateTest, PseudoHeaderFieldsAppearOnce) {
  for (const HeaderField& field : kGet) EXPECT_EQ(WhyNot(With(kGet, {field})), "pseudo-header field appears twice") << field.name;
  const Fields extended = {{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "http"}, {":path", "/"}, {":protocol", "x"}};
  EXPECT_EQ(WhyNot(extended), "pseudo-header field appears twice");
}

// RFC 9113 8.3.1
TEST(ValidateTest, MethodSchemeAndPathAreThere) {
  EXPECT_EQ(WhyNot(Without(kGet, ":method")), "request without :method");
  EXPECT_EQ(WhyNot(Without(kGet, ":scheme")), "request without :scheme");
  EXPECT_EQ(WhyNot(Without(kGet, ":path")), "request without :path");
  EXPECT_EQ(WhyNot(With(Without(kGet, ":method"), {{":method", ""}})), "request without :method");
  EXPECT_EQ(WhyNot(With(Without(kGet, ":scheme"), {{":scheme", ""}})), "request without :scheme");
  EXPECT_EQ(WhyNot(With(Without(kGet, ":path"), {{":path", ""}})), "request without :path");
  EXPECT_EQ(WhyNot({}), "request without :method");
}

TEST(ValidateTest, APathBeginsWithASlashOrIsAnAsterisk) {
  EXPECT_EQ(WhyNot({{":method", "OPTIONS"}, {":scheme", "http"}, {":authority", "a"}, {":path", "*"}}), "");
  EXPECT_EQ(WhyNot(With(Without(kGet, ":path"), {{":path", "*"}})), ":path does not begin with /");
  EXPECT_EQ(WhyNot(With(Without(kGet, ":path"), {{":path", "c"}})), ":path does not begin with /");
}

TEST(ValidateTest, HostStandsInForAMissingAuthority) {
  const Fields only_host = With(Without(kGet, ":authority"), {{"host", "h:2"}});
  EXPECT_EQ(ReadRequestHead(only_host)->authority, "h:2");
  const Fields both = With(kGet, {{"host", "h:2"}});
  EXPECT_EQ(ReadRequestHead(both)->authority, "a.b:1");
  EXPECT_EQ(WhyNot(Without(kGet, ":authority")), "");
}

// RFC 9113 8.5
TEST(ValidateTest, ConnectHasAnAuthorityAndNothingElse) {
  const Fields connect = {{":method", "CONNECT"}, {":authority", "a:1"}};
  const absl::StatusOr<RequestHead> head = ReadRequestHead(connect);
  ASSERT_TRUE(head.ok()) << head.status();
  EXPECT_EQ(head->authority, "a:1");
  EXPECT_EQ(WhyNot(With(connect, {{":scheme", "http"}})), "CONNECT with :scheme or :path");
  EXPECT_EQ(WhyNot(With(connect, {{":path", "/"}})), "CONNECT with :scheme or :path");
  EXPECT_EQ(WhyNot({{":method", "CONNECT"}}), "CONNECT without :authority");
  EXPECT_EQ(WhyNot({{":method", "CONNECT"}, {"host", "a:1"}}), "CONNECT without :authority");
}

// RFC 8441 4
TEST(ValidateTest, ExtendedConnectHasSchemeAndPath) {
  const Fields connect = {{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}};
  const absl::StatusOr<RequestHead> head = ReadRequestHead(connect);
  ASSERT_TRUE(head.ok()) << head.status();
  EXPECT_EQ(head->protocol, "websocket");
  EXPECT_EQ(WhyNot(Without(connect, ":scheme")), "request without :scheme");
  EXPECT_EQ(WhyNot(Without(connect, ":path")), "request without :path");
  EXPECT_EQ(WhyNot(With(kGet, {{":protocol", "websocket"}})), ":protocol in a request that is not CONNECT");
}

// RFC 9113 8.2
TEST(ValidateTest, FieldNamesAreLowerCaseTokens) {
  for (const std::string_view name : {"x-y", "a1", "!#$%&'*+-.^_`|~"}) {
    EXPECT_TRUE(IsFieldName(name)) << name;
    EXPECT_EQ(WhyNot(With(kGet, {{name, "v"}})), "") << name;
  }
  using namespace std::string_view_literals;
  for (const std::string_view name : {""sv, "X"sv, "aB"sv, "a b"sv, "a:"sv, "a\0"sv, "a\x7f"sv, "a\xc3"sv, "a("sv, "\ta"sv}) {
    EXPECT_FALSE(IsFieldName(name)) << name;
    EXPECT_EQ(WhyNot(With(kGet, {{name, "v"}})), "field name is not a lower-case token") << name;
  }
}

// RFC 9113 8.2.1, RFC 9110 5.5
TEST(ValidateTest, FieldValuesHaveNoControlCharactersAndNoBlanksAround) {
  using namespace std::string_view_literals;
  for (const std::string_view value : {""sv, "a"sv, "a b"sv, "a\tb"sv, "\xc3\xa4\xff\x80"sv, "\"(,;)\""sv}) {
    EXPECT_TRUE(IsFieldValue(value)) << value;
    EXPECT_EQ(WhyNot(With(kGet, {{"x", value}})), "") << value;
  }
  for (const std::string_view value : {" a"sv, "a "sv, "\ta"sv, "a\t"sv, " "sv, "a\0b"sv, "a\rb"sv, "a\nb"sv, "a\x01"sv, "a\x7f"sv, "a\x1f"sv}) {
    EXPECT_FALSE(IsFieldValue(value)) << value;
    EXPECT_EQ(WhyNot(With(kGet, {{"x", value}})), "field value has a forbidden character, or blanks around it");
    EXPECT_EQ(WhyNot(With(Without(kGet, ":authority"), {{":authority", value}})), "pseudo-header field has a forbidden character");
  }
}

// RFC 9113 8.2.2
TEST(ValidateTest, ConnectionSpecificFieldsAreForbidden) {
  for (const std::string_view name : {"connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"}) {
    const std::string why = "connection-specific field in an HTTP/2 message";
    EXPECT_EQ(WhyNot(With(kGet, {{name, "x"}})), why) << name;
    EXPECT_EQ(WhyNotResponse({{":status", "200"}, {name, "x"}}), why) << name;
    const Fields trailers = {{name, "x"}};
    EXPECT_EQ(ValidateTrailers(trailers).message(), why) << name;
  }
  for (const std::string_view name : {"upgrades", "cannection", "transfer-encodinG-"}) {
    EXPECT_NE(WhyNot(With(kGet, {{name, "x"}})), "connection-specific field in an HTTP/2 message") << name;
  }
}

TEST(ValidateTest, TeMaySayTrailersOnly) {
  EXPECT_EQ(WhyNot(With(kGet, {{"te", "trailers"}})), "");
  for (const std::string_view value : {"", "gzip", "trailers, gzip", "Trailers"}) {
    EXPECT_EQ(WhyNot(With(kGet, {{"te", value}})), "te with a value other than trailers") << value;
  }
}

// RFC 9113 8.3.2
TEST(ValidateTest, AResponseHasAStatusOfThreeDigits) {
  const Fields fields = {{":status", "404"}, {"x", "y"}};
  const absl::StatusOr<ResponseHead> head = ReadResponseHead(fields);
  ASSERT_TRUE(head.ok()) << head.status();
  EXPECT_EQ(head->status, 404);
  EXPECT_EQ(head->fields.size(), 1u);
  EXPECT_EQ(WhyNotResponse({{":status", "100"}}), "");
  EXPECT_EQ(WhyNotResponse({{":status", "999"}}), "");
  EXPECT_EQ(WhyNotResponse({}), "response without :status as its first field");
  EXPECT_EQ(WhyNotResponse({{"x", "y"}, {":status", "200"}}), "response without :status as its first field");
  for (const std::string_view digits : {"", "20", "2000", "20x", "+20", " 20", "-20"}) {
    EXPECT_EQ(WhyNotResponse({{":status", digits}}), ":status is not three digits") << digits;
  }
  EXPECT_EQ(WhyNotResponse({{":status", "099"}}), ":status below 100");
}

TEST(ValidateTest, AResponseHasNoOtherPseudoHeaderField) {
  EXPECT_EQ(WhyNotResponse({{":status", "200"}, {":status", "200"}}), "unexpected pseudo-header field in a response");
  EXPECT_EQ(WhyNotResponse({{":status", "200"}, {"x", "y"}, {":path", "/"}}), "unexpected pseudo-header field in a response");
  EXPECT_EQ(WhyNotResponse({{":status", "200"}, {"X", "y"}}), "field name is not a lower-case token");
}

// RFC 9113 8.1
TEST(ValidateTest, TrailersHaveNoPseudoHeaderFields) {
  const Fields good = {{"grpc-status", "0"}}, pseudo = {{"x", "y"}, {":status", "200"}}, bad = {{"x", "y\n"}};
  EXPECT_TRUE(ValidateTrailers({}).ok());
  EXPECT_TRUE(ValidateTrailers(good).ok());
  EXPECT_EQ(ValidateTrailers(pseudo).message(), "pseudo-header field in trailers");
  EXPECT_EQ(ValidateTrailers(bad).message(), "field value has a forbidden character, or blanks around it");
}

// RFC 9110 8.6
TEST(ValidateTest, ContentLengthIsOneNumber) {
  const auto read = [](const Fields& fields) { return ReadContentLength(fields); };
  EXPECT_EQ(*read({}), -1);
  EXPECT_EQ(*read({{"content-length", "0"}}), 0);
  EXPECT_EQ(*read({{"a", "b"}, {"content-length", "012"}}), 12);
  EXPECT_EQ(*read({{"content-length", "999999999999999999"}}), 999999999999999999);
  EXPECT_EQ(*read({{"content-length", "5"}, {"content-length", "5"}}), 5);
  EXPECT_EQ(read({{"content-length", "5"}, {"content-length", "6"}}).status().message(), "content-length values differ");
  for (const std::string_view value : {"", "-1", "+1", "1,1", "0x1", "1 ", "9999999999999999999"}) {
    EXPECT_EQ(read({{"content-length", value}}).status().message(), "content-length is not a number") << value;
  }
}

}  // namespace
}  // namespace culvert::http
