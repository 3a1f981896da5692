#include "transport/http2/errors.h"

namespace culvert::http2 {

absl::StatusCode ToStatusCode(frame::ErrorCode code) {
  switch (code) {
    case frame::ErrorCode::kRefusedStream:
      return absl::StatusCode::kUnavailable;
    case frame::ErrorCode::kCancel:
      return absl::StatusCode::kCancelled;
    case frame::ErrorCode::kEnhanceYourCalm:
      return absl::StatusCode::kResourceExhausted;
    case frame::ErrorCode::kInadequateSecurity:
      return absl::StatusCode::kPermissionDenied;
    case frame::ErrorCode::kHttp11Required:
      return absl::StatusCode::kUnknown;
    default:
      return code < frame::ErrorCode::kHttp11Required ? absl::StatusCode::kInternal : absl::StatusCode::kUnknown;
  }
}

frame::ErrorCode ToErrorCode(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return frame::ErrorCode::kNoError;
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kDeadlineExceeded:
      return frame::ErrorCode::kCancel;
    case absl::StatusCode::kResourceExhausted:
      return frame::ErrorCode::kEnhanceYourCalm;
    case absl::StatusCode::kInvalidArgument:
      return frame::ErrorCode::kProtocolError;
    default:  // kUnavailable too: REFUSED_STREAM would say that nothing was done, and be retried (RFC 9113 8.7)
      return frame::ErrorCode::kInternalError;
  }
}

}  // namespace culvert::http2
