#ifndef CULVERT_TRANSPORT_HTTP_VALIDATE_H_
#define CULVERT_TRANSPORT_HTTP_VALIDATE_H_

// Which decoded field lists are well-formed HTTP/2 messages (RFC 9113 8.2, 8.3). Pure.
//
// A violation makes the message malformed: a stream error PROTOCOL_ERROR. The status' text names the rule, never a value.

#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "transport/http/message.h"

namespace culvert::http {

// Splits a request's fields into its head. Views point into `fields`.
absl::StatusOr<RequestHead> ReadRequestHead(std::span<const HeaderField> fields);
absl::StatusOr<ResponseHead> ReadResponseHead(std::span<const HeaderField> fields);

// Trailers: no pseudo-header fields (RFC 9113 8.1), otherwise like any fields.
absl::Status ValidateTrailers(std::span<const HeaderField> fields);

// The value of content-length, or -1 when there is none. Several that differ, or a value that is not a number, are malformed.
absl::StatusOr<int64_t> ReadContentLength(std::span<const HeaderField> fields);

// RFC 9110 5.6.2 token without upper case, and RFC 9110 5.5 without leading or trailing blanks (RFC 9113 8.2.1).
bool IsFieldName(std::string_view name);
bool IsFieldValue(std::string_view value);
// Of a field that HTTP/2 does not have (RFC 9113 8.2.2), by its name in lower case.
bool IsConnectionSpecific(std::string_view name);

}  // namespace culvert::http

#endif  // CULVERT_TRANSPORT_HTTP_VALIDATE_H_
