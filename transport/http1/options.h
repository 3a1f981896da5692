#ifndef CULVERT_TRANSPORT_HTTP1_OPTIONS_H_
#define CULVERT_TRANSPORT_HTTP1_OPTIONS_H_

// What one HTTP/1.1 connection of a server allows. Defaults are meant for open networks; each names what it
// stops.

#include <chrono>
#include <cstddef>
#include <string_view>

#include "transport/http1/chunked.h"
#include "transport/http1/parser.h"

namespace culvert::http1 {

struct Options {
  // RequestHead::scheme where the target names none: "https" over TLS. Static storage.
  std::string_view scheme = "http";

  // Floods of header bytes.
  HeadLimits head = {};
  // Floods of chunk extensions and trailers. How long a body may be is the handler's affair.
  ChunkedLimits chunked = {};

  // Body bytes handed to the receiver and not yet paid back; beyond it nothing more is read (back-pressure on
  // uploads).
  size_t unconsumed_limit = 64 * 1024;
  // Bytes written and not yet taken by the socket; beyond it writable() is false and no further request is
  // begun (a peer that does not read).
  size_t output_limit = 64 * 1024;
  // Of a request body that its handler did not want, read and dropped so that the connection can be kept;
  // beyond it the connection closes.
  size_t discard_limit = 256 * 1024;

  // From a request's first byte to the end of its head, from the start for the first request; also to discard
  // a body (slowloris).
  std::chrono::milliseconds header_timeout{10000};
  // Between two requests; not while the response before is still going out.
  std::chrono::milliseconds idle_timeout{60000};
  // Between bytes of a request body that is wanted: not while its handler leaves what came before unconsumed.
  std::chrono::milliseconds body_timeout{30000};
  // How long a client that has ended its side after a request is waited for while nothing of the response
  // goes out: it may be gone, and its handler with nobody to answer.
  std::chrono::milliseconds half_close_timeout{60000};
  // A peer that takes nothing from a full socket for this long is cut off.
  std::chrono::milliseconds write_timeout{30000};
  // After our side has ended, how long and how much is read and dropped until the peer ends its own: closing
  // a socket with unread bytes would destroy the response on its way (RFC 9112 9.6).
  std::chrono::milliseconds linger_timeout{1000};
  size_t linger_bytes = 1024 * 1024;
};

}  // namespace culvert::http1

#endif  // CULVERT_TRANSPORT_HTTP1_OPTIONS_H_
