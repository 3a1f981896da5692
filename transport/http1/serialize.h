#ifndef CULVERT_TRANSPORT_HTTP1_SERIALIZE_H_
#define CULVERT_TRANSPORT_HTTP1_SERIALIZE_H_

// Heads of HTTP/1.1 messages, written (RFC 9112 3 to 6). Pure.
//
// What the connection decides (length, coding, persistence) replaces whatever an application put into the
// fields about it; a field whose name or value has a forbidden character is left out, so that no value can
// end its line and begin another.

#include <cstdint>
#include <span>
#include <string_view>

#include "transport/http/header_list.h"
#include "transport/http/message.h"
#include "transport/io/write_buffer.h"

namespace culvert::http1 {

// RFC 9110 15; "" for a status without a registered phrase.
std::string_view ReasonPhrase(int status);

struct ResponseFraming {
  enum class Body {
    kNone,     // neither length nor coding: 1xx, 204, CONNECT, or a body that ends with the connection
    kAsGiven,  // the application's content-length stands: HEAD, 304
    kLength,   // content-length: `length`
    kChunked,  // transfer-encoding: chunked
  };
  enum class Connection {
    kUnstated,
    kClose,
    kKeepAlive,  // to a client of HTTP/1.0 that asked for it
    kUpgrade,
  };
  Body body = Body::kNone;
  uint64_t length = 0;
  Connection connection = Connection::kUnstated;
};

// Always as HTTP/1.1 (RFC 9110 6.2: our version, not the request's).
void AppendResponseHead(io::WriteBuffer& out, const http::ResponseHead& head, const ResponseFraming& framing);

// The trailer section and the empty line after it; goes behind kLastChunk.
void AppendTrailers(io::WriteBuffer& out, std::span<const http::HeaderField> trailers);

// For a client: `target` is in the form the request needs, and `fields` are complete, Host included.
void AppendRequestHead(io::WriteBuffer& out, std::string_view method, std::string_view target,
                       std::span<const http::HeaderField> fields);

// A whole response with `text` as its plain-text body; says Connection: close. `head_only`: to HEAD, which
// gets no body (RFC 9110 9.3.2).
void AppendErrorResponse(io::WriteBuffer& out, int status, std::string_view text, bool head_only = false);

}  // namespace culvert::http1

#endif  // CULVERT_TRANSPORT_HTTP1_SERIALIZE_H_
