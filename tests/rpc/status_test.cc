#include "rpc/status.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "gtest/gtest.h"
#include "transport/http/header_list.h"

namespace culvert::rpc {
namespace {

using http::HeaderList;

std::string AllBytes() {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  return all;
}

absl::Status RoundTrip(const absl::Status& status) {
  HeaderList trailers;
  AppendStatusFields(status, trailers);
  return StatusFromTrailers(trailers.fields(), 200);
}

TEST(StatusMessage, KeepsPrintableAsciiButPercent) {
  EXPECT_EQ(EncodeStatusMessage("no such thing ~!"), "no such thing ~!");
  EXPECT_EQ(EncodeStatusMessage("100%"), "100%25");
  EXPECT_EQ(EncodeStatusMessage("\x1f\x7f\n"), "%1F%7F%0A");
  EXPECT_EQ(EncodeStatusMessage(""), "");
}

// RFC 9113 8.2.1: with blanks around its value the field, and with it the status, would be malformed.
TEST(StatusMessage, HasNoBlanksAroundIt) {
  EXPECT_EQ(EncodeStatusMessage("  a b "), "%20 a b%20");
  EXPECT_EQ(EncodeStatusMessage(" "), "%20");
  EXPECT_EQ(DecodeStatusMessage("%20 a b%20"), "  a b ");
}

TEST(StatusMessage, EncodesUtf8ByteByByte) {
  EXPECT_EQ(EncodeStatusMessage("h\xc3\xa9 \xe2\x98\xba"), "h%C3%A9 %E2%98%BA");
  EXPECT_EQ(DecodeStatusMessage("h%C3%A9 %e2%98%ba"), "h\xc3\xa9 \xe2\x98\xba");
}

TEST(StatusMessage, CarriesAll256BytesInPrintableAscii) {
  const std::string text = EncodeStatusMessage(AllBytes());
  for (const char c : text) EXPECT_TRUE(c >= 0x20 && c <= 0x7e);
  EXPECT_EQ(text.size(), 94u + 3 * 162);
  EXPECT_EQ(DecodeStatusMessage(text), AllBytes());
}

TEST(StatusMessage, KeepsBadEscapesAsTheyAre) {
  for (const std::string_view text :
       {"%", "%%", "%4", "abc%", "abc%1", "%G0", "%0G", "%-1", "% 1", "%+1", "\xff%zz"}) {
    EXPECT_EQ(DecodeStatusMessage(text), text);
  }
  EXPECT_EQ(DecodeStatusMessage("%%41"), "%A");
  EXPECT_EQ(DecodeStatusMessage("%4%41%"), "%4A%");
  EXPECT_EQ(DecodeStatusMessage("%2541"), "%41");
}

TEST(StatusMessage, IsCutBeforePeersRefuseIt) {
  http::HeaderList trailers;
  AppendStatusFields(absl::InternalError(std::string(100000, 'x')), trailers);
  EXPECT_EQ(trailers.Find("grpc-message"), std::string(4096, 'x'));
}

TEST(StatusMessage, IsCutAsItTravelsAndBetweenCharacters) {
  std::string message;
  for (int i = 0; i < 2000; ++i) message += "\xc3\xa4";
  http::HeaderList trailers;
  AppendStatusFields(absl::InternalError(message), trailers);
  const std::string_view sent = trailers.Find("grpc-message").value_or("");
  EXPECT_EQ(sent.size(), 4092u);  // 682 characters of 6 bytes
  EXPECT_EQ(DecodeStatusMessage(sent), message.substr(0, 682 * 2));
}

TEST(StatusCode, IsReadFromZeroToSixteen) {
  for (int code = 0; code <= 16; ++code) {
    EXPECT_EQ(static_cast<int>(ParseStatusCode(std::to_string(code))), code);
  }
}

TEST(StatusCode, IsUnknownForAnythingElse) {
  for (const std::string_view bad : {"", "17", "20", "99", "00", "01", "016", "-1", "+1", " 1", "1 ", "1a",
                                     "a", ":", "1:", "4294967296"}) {
    EXPECT_EQ(ParseStatusCode(bad), absl::StatusCode::kUnknown) << bad;
  }
}

TEST(StatusCode, FollowsTheTableForHttpStatuses) {
  EXPECT_EQ(StatusCodeFromHttp(400), absl::StatusCode::kInternal);
  EXPECT_EQ(StatusCodeFromHttp(401), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(StatusCodeFromHttp(403), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(StatusCodeFromHttp(404), absl::StatusCode::kUnimplemented);
  for (const int status : {429, 502, 503, 504})
    EXPECT_EQ(StatusCodeFromHttp(status), absl::StatusCode::kUnavailable);
  for (const int status : {-1, 0, 100, 200, 204, 302, 405, 415, 500, 501, 505}) {
    EXPECT_EQ(StatusCodeFromHttp(status), absl::StatusCode::kUnknown) << status;
  }
}

TEST(StatusFromTrailers, ReadsCodeAndMessage) {
  const HeaderList trailers{{"x-cost", "3"}, {"grpc-status", "5"}, {"grpc-message", "no%20such%0Athing"}};
  EXPECT_EQ(StatusFromTrailers(trailers.fields(), 200), absl::NotFoundError("no such\nthing"));
}

TEST(StatusFromTrailers, IgnoresMessageAndDetailsOfOk) {
  const HeaderList trailers{
      {"grpc-status", "0"}, {"grpc-message", "fine"}, {"grpc-status-details-bin", "Zm9v"}};
  EXPECT_EQ(StatusFromTrailers(trailers.fields(), 200), absl::OkStatus());
}

TEST(StatusFromTrailers, TrustsGrpcStatusOverTheHttpStatus) {
  const HeaderList trailers{{"grpc-status", "8"}};
  EXPECT_EQ(StatusFromTrailers(trailers.fields(), 503), absl::ResourceExhaustedError(""));
}

TEST(StatusFromTrailers, IsMadeFromTheHttpStatusWhenGrpcStatusIsMissing) {
  EXPECT_EQ(StatusFromTrailers({}, 503),
            absl::UnavailableError("response without grpc-status, HTTP status 503"));
  EXPECT_EQ(StatusFromTrailers({}, 200), absl::UnknownError("response without grpc-status, HTTP status 200"));
  EXPECT_EQ(StatusFromTrailers({}, 0), absl::UnknownError("response without grpc-status"));
  const HeaderList message_only{{"grpc-message", "teapot%21"}};
  EXPECT_EQ(StatusFromTrailers(message_only.fields(), 404),
            absl::UnimplementedError("response without grpc-status, HTTP status 404: teapot!"));
}

TEST(StatusFromTrailers, IsUnknownForAMalformedGrpcStatus) {
  const HeaderList bare{{"grpc-status", "seventeen"}};
  EXPECT_EQ(StatusFromTrailers(bare.fields(), 200),
            absl::UnknownError("grpc-status is not a number from 0 to 16"));
  const HeaderList with_message{{"grpc-status", "17"}, {"grpc-message", "overheated"}};
  EXPECT_EQ(StatusFromTrailers(with_message.fields(), 200), absl::UnknownError("overheated"));
  const HeaderList empty_unknown{{"grpc-status", "2"}};
  EXPECT_EQ(StatusFromTrailers(empty_unknown.fields(), 200), absl::UnknownError(""));
}

TEST(StatusFromTrailers, TakesTheFirstOfRepeatedFields) {
  const HeaderList trailers{
      {"grpc-status", "7"}, {"grpc-status", "0"}, {"grpc-message", "a"}, {"grpc-message", "b"}};
  EXPECT_EQ(StatusFromTrailers(trailers.fields(), 200), absl::PermissionDeniedError("a"));
}

TEST(StatusFromTrailers, KeepsDetailsAsAPayload) {
  const HeaderList trailers{{"grpc-status", "3"}, {"grpc-status-details-bin", "CAMSA2JhZA=="}};
  const absl::Status status = StatusFromTrailers(trailers.fields(), 200);
  ASSERT_TRUE(status.GetPayload(kStatusDetailsUrl).has_value());
  EXPECT_EQ(*status.GetPayload(kStatusDetailsUrl), absl::Cord("\x08\x03\x12\x03"
                                                              "bad"));
}

TEST(StatusFromTrailers, DropsDetailsThatAreNotBase64) {
  const HeaderList trailers{{"grpc-status", "3"}, {"grpc-message", "bad"}, {"grpc-status-details-bin", "!"}};
  EXPECT_EQ(StatusFromTrailers(trailers.fields(), 200), absl::InvalidArgumentError("bad"));
}

TEST(AppendStatusFields, SendsOnlyTheCodeOfOk) {
  HeaderList trailers;
  AppendStatusFields(absl::OkStatus(), trailers);
  EXPECT_EQ(trailers.size(), 1u);
  EXPECT_EQ(trailers.Find("grpc-status"), "0");
}

TEST(AppendStatusFields, EncodesMessageAndDetails) {
  absl::Status status = absl::InvalidArgumentError("caf\xc3\xa9");
  status.SetPayload(kStatusDetailsUrl, absl::Cord("fo"));
  status.SetPayload("example.com/other", absl::Cord("not sent"));
  HeaderList trailers{{"x-cost", "3"}};
  AppendStatusFields(status, trailers);
  EXPECT_EQ(trailers.size(), 4u);
  EXPECT_EQ(trailers.Find("grpc-status"), "3");
  EXPECT_EQ(trailers.Find("grpc-message"), "caf%C3%A9");
  EXPECT_EQ(trailers.Find("grpc-status-details-bin"), "Zm8");
}

TEST(AppendStatusFields, IsReadBackAsItWasForEveryCode) {
  for (int code = 0; code <= 16; ++code) {
    absl::Status status(static_cast<absl::StatusCode>(code), AllBytes());
    status.SetPayload(kStatusDetailsUrl, absl::Cord(AllBytes()));
    EXPECT_EQ(RoundTrip(status), status);
  }
}

TEST(AppendStatusFields, SendsCodesBeyondGrpcAsUnknown) {
  EXPECT_EQ(RoundTrip(absl::Status(static_cast<absl::StatusCode>(42), "odd")), absl::UnknownError("odd"));
}

}  // namespace
}  // namespace culvert::rpc
