#include "transport/frame/error.h"

#include <charconv>
#include <string>

#include "absl/strings/cord.h"
#include "transport/base/strings.h"

namespace culvert::frame {

namespace {

constexpr std::string_view kPayload = "culvert/http2";

absl::StatusCode ToStatusCode(ErrorCode code) {
  switch (code) {
    case ErrorCode::kRefusedStream:
      return absl::StatusCode::kUnavailable;
    case ErrorCode::kCancel:
      return absl::StatusCode::kCancelled;
    case ErrorCode::kEnhanceYourCalm:
      return absl::StatusCode::kResourceExhausted;
    case ErrorCode::kInadequateSecurity:
      return absl::StatusCode::kPermissionDenied;
    default:
      return absl::StatusCode::kInternal;
  }
}

absl::Status Make(StreamId id, ErrorCode code, std::string_view token, std::string_view why) {
  absl::Status status(ToStatusCode(code), ToAbsl(why));
  const std::string payload = StrCat(id, " ", static_cast<uint32_t>(code), " ", token);
  // By view: g++ and clang do not agree on the symbol of Cord(std::string&&), and Debian's library has only
  // g++'s.
  status.SetPayload(ToAbsl(kPayload), absl::Cord(ToAbsl(payload)));
  return status;
}

}  // namespace

absl::Status ConnectionError(ErrorCode code, std::string_view token, std::string_view why) {
  return Make(0, code, token, why);
}

absl::Status StreamError(StreamId id, ErrorCode code, std::string_view token, std::string_view why) {
  return Make(id, code, token, why);
}

std::optional<WireError> GetWireError(const absl::Status& status) {
  const auto payload = status.GetPayload(ToAbsl(kPayload));
  if (!payload) return std::nullopt;
  const std::string text(*payload);
  const char* const end = text.data() + text.size();
  WireError error;
  uint32_t code = 0;
  const std::from_chars_result id = std::from_chars(text.data(), end, error.stream_id);
  if (id.ec != std::errc() || id.ptr == end) return std::nullopt;
  const std::from_chars_result number = std::from_chars(id.ptr + 1, end, code);
  if (number.ec != std::errc() || number.ptr == end) return std::nullopt;
  error.code = static_cast<ErrorCode>(code);
  error.token.assign(number.ptr + 1, end);
  return error;
}

}  // namespace culvert::frame
