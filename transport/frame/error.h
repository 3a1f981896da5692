#ifndef CULVERT_TRANSPORT_FRAME_ERROR_H_
#define CULVERT_TRANSPORT_FRAME_ERROR_H_

// The two kinds of error that HTTP/2 knows (RFC 9113 5.4), carried by absl::Status.
//
// A connection error ends the connection with GOAWAY, a stream error ends one stream with RST_STREAM. Each carries a short stable
// token for counters ("data_pad_too_big") and, in the message, the rule that was broken with its numbers, never a header's value.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "transport/frame/constants.h"

namespace culvert::frame {

// An error about the whole connection.
absl::Status ConnectionError(ErrorCode code, std::string_view token, std::string_view why);
// An error about one stream; `id` is not 0.
absl::Status StreamError(StreamId id, ErrorCode code, std::string_view token, std::string_view why);

struct WireError {
  StreamId stream_id = 0;  // 0: connection error
  ErrorCode code = ErrorCode::kNoError;
  std::string token;
};

// What ConnectionError and StreamError put into a status; nullopt for a status that came from elsewhere (I/O, say).
std::optional<WireError> GetWireError(const absl::Status& status);

}  // namespace culvert::frame

#endif  // CULVERT_TRANSPORT_FRAME_ERROR_H_
