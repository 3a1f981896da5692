#ifndef CULVERT_TRANSPORT_HTTP2_ERRORS_H_
#define CULVERT_TRANSPORT_HTTP2_ERRORS_H_

// HTTP/2 error codes and the canonical codes of a neutral face, one to the other. Pure.

#include "absl/status/status.h"
#include "transport/frame/constants.h"

namespace culvert::http2 {

// What a peer's RST_STREAM or GOAWAY means to the party above. The table is that of gRPC over HTTP/2, section Errors.
absl::StatusCode ToStatusCode(frame::ErrorCode code);

// The RST_STREAM that tells a peer why we gave a stream up.
frame::ErrorCode ToErrorCode(absl::StatusCode code);

}  // namespace culvert::http2

#endif  // CULVERT_TRANSPORT_HTTP2_ERRORS_H_
