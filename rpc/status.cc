#include "rpc/status.h"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "absl/strings/cord.h"
#include "rpc/base64.h"
#include "transport/base/strings.h"

namespace culvert::rpc {

namespace {

constexpr std::string_view kGrpcStatus = "grpc-status";
constexpr std::string_view kGrpcMessage = "grpc-message";
constexpr std::string_view kGrpcStatusDetails = "grpc-status-details-bin";

constexpr size_t kMaxMessage = 4096;

constexpr bool TravelsAsIs(char c) { return c >= 0x20 && c <= 0x7e && c != '%'; }

// The beginning of `message` that takes about kMaxMessage bytes as it travels, and ends with a whole character of UTF-8.
std::string_view Cut(std::string_view message) {
  size_t n = 0;
  for (size_t sent = 0; n < message.size(); ++n) {
    sent += TravelsAsIs(message[n]) ? 1 : 3;
    if (sent > kMaxMessage) break;
  }
  if (n == message.size()) return message;
  const auto continues = [&](size_t i) { return (static_cast<uint8_t>(message[i]) & 0xc0) == 0x80; };
  for (int i = 0; i < 3 && n > 0 && continues(n); ++i) --n;
  return message.substr(0, n);
}

constexpr int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::string EncodeStatusMessage(std::string_view message) {
  constexpr char kHex[] = "0123456789ABCDEF";
  const size_t escapes = static_cast<size_t>(
      std::count_if(message.begin(), message.end(), [](char c) { return !TravelsAsIs(c); }));
  std::string text;
  text.reserve(message.size() + 2 * escapes);
  for (size_t i = 0; i < message.size(); ++i) {
    const char c = message[i];
    // A field's value has no blanks around it (RFC 9113 8.2.1).
    const bool outer_blank = c == ' ' && (i == 0 || i + 1 == message.size());
    if (TravelsAsIs(c) && !outer_blank) {
      text += c;
    } else {
      const auto byte = static_cast<uint8_t>(c);
      text += '%';
      text += kHex[byte >> 4];
      text += kHex[byte & 0xf];
    }
  }
  return text;
}

std::string DecodeStatusMessage(std::string_view text) {
  std::string message;
  message.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && text.size() - i > 2) {
      const int high = HexValue(text[i + 1]);
      const int low = HexValue(text[i + 2]);
      if (high >= 0 && low >= 0) {
        message += static_cast<char>(high * 16 + low);
        i += 2;
        continue;
      }
    }
    message += text[i];
  }
  return message;
}

absl::StatusCode ParseStatusCode(std::string_view text) {
  const bool one_digit = text.size() == 1 && text[0] >= '0' && text[0] <= '9';
  const bool two_digits = text.size() == 2 && text[0] == '1' && text[1] >= '0' && text[1] <= '6';
  if (one_digit) return static_cast<absl::StatusCode>(text[0] - '0');
  if (two_digits) return static_cast<absl::StatusCode>(10 + text[1] - '0');
  return absl::StatusCode::kUnknown;
}

absl::StatusCode StatusCodeFromHttp(int http_status) {
  switch (http_status) {
    case 400:
      return absl::StatusCode::kInternal;
    case 401:
      return absl::StatusCode::kUnauthenticated;
    case 403:
      return absl::StatusCode::kPermissionDenied;
    case 404:
      return absl::StatusCode::kUnimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return absl::StatusCode::kUnavailable;
    default:
      return absl::StatusCode::kUnknown;
  }
}

absl::Status StatusFromTrailers(std::span<const http::HeaderField> trailers, int http_status) {
  std::optional<std::string_view> code_text;
  std::string_view message_text;
  std::string_view details_text;
  for (const http::HeaderField& field : trailers) {
    if (field.name == kGrpcStatus) {
      if (!code_text) code_text = field.value;
    } else if (field.name == kGrpcMessage) {
      if (message_text.empty()) message_text = field.value;
    } else if (field.name == kGrpcStatusDetails) {
      if (details_text.empty()) details_text = field.value;
    }
  }
  if (!code_text) {
    std::string why = http_status == 0 ? std::string("response without grpc-status")
                                       : StrCat("response without grpc-status, HTTP status ", http_status);
    if (!message_text.empty()) why += ": " + DecodeStatusMessage(message_text);
    return absl::Status(StatusCodeFromHttp(http_status), why);
  }
  const absl::StatusCode code = ParseStatusCode(*code_text);
  if (code == absl::StatusCode::kOk) return absl::OkStatus();
  const bool malformed = code == absl::StatusCode::kUnknown && *code_text != "2";
  absl::Status status(code, malformed && message_text.empty() ? "grpc-status is not a number from 0 to 16"
                                                              : DecodeStatusMessage(message_text));
  std::string details;
  if (!details_text.empty() && DecodeBase64(details_text, &details) && !details.empty()) {
    status.SetPayload(kStatusDetailsUrl, absl::Cord(ToAbsl(details)));
  }
  return status;
}

void AppendStatusFields(const absl::Status& status, http::HeaderList& trailers) {
  if (status.ok()) {
    trailers.Add(kGrpcStatus, "0");
    return;
  }
  // code() folds numbers beyond gRPC's into kUnknown.
  trailers.Add(kGrpcStatus, StrCat(static_cast<int>(status.code())));
  // Peers limit their header lists, gRPC C++ to 8 KiB: a message that breaks the limit would take the code with it.
  const std::string_view message = Cut(ToStd(status.message()));
  if (!message.empty()) trailers.Add(kGrpcMessage, EncodeStatusMessage(message));
  if (const auto details = status.GetPayload(kStatusDetailsUrl); details && !details->empty()) {
    trailers.Add(kGrpcStatusDetails, EncodeBase64(std::string(*details)));
  }
}

}  // namespace culvert::rpc
