#ifndef CULVERT_TRANSPORT_HTTP_MESSAGE_H_
#define CULVERT_TRANSPORT_HTTP_MESSAGE_H_

// The heads of a request and a response (RFC 9110 6), without a version: HTTP/2's pseudo-header fields and HTTP/1.1's start lines
// both end up here. Views: they live as long as whoever hands the head over says.

#include <span>
#include <string_view>

#include "transport/http/header_list.h"

namespace culvert::http {

struct RequestHead {
  std::string_view method;
  std::string_view scheme;     // empty for CONNECT
  std::string_view authority;  // HTTP/1.1: the Host field, or the authority of an absolute or CONNECT target
  std::string_view path;       // with the query; "*" for OPTIONS *; empty for CONNECT
  std::string_view protocol;   // extended CONNECT (RFC 8441), otherwise empty
  std::span<const HeaderField> fields;  // without pseudo-header fields
};

struct ResponseHead {
  int status = 200;
  std::span<const HeaderField> fields;
};

}  // namespace culvert::http

#endif  // CULVERT_TRANSPORT_HTTP_MESSAGE_H_
