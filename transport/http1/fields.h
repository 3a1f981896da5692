#ifndef CULVERT_TRANSPORT_HTTP1_FIELDS_H_
#define CULVERT_TRANSPORT_HTTP1_FIELDS_H_

// Field lines of HTTP/1.1 (RFC 9112 5), as heads and trailer sections share them. Pure.

#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "transport/http/header_list.h"

namespace culvert::http1 {

// Adds the field of one line (without its CRLF) to `fields`, name in lower case, blanks around the value
// removed. InvalidArgument: folded line, blank before the colon, a name or a value with a character it must
// not have.
absl::Status AddFieldLine(std::string_view line, http::HeaderList& fields);

// RFC 9110 5.6.2: a token, upper case allowed.
bool IsToken(std::string_view text);

// Equal but for the case of ASCII letters; `lower` is lower case.
bool EqualsIgnoringCase(std::string_view text, std::string_view lower);

// Fields that frame a message or belong to one hop: never taken from an application, never allowed in
// trailers.
bool IsFramingField(std::string_view lower_name);

// Takes the next element of a comma-separated list (RFC 9110 5.6.1) off the front of `list`, trimmed; empty
// elements are skipped. nullopt: there is none left.
std::optional<std::string_view> NextElement(std::string_view& list);

}  // namespace culvert::http1

#endif  // CULVERT_TRANSPORT_HTTP1_FIELDS_H_
