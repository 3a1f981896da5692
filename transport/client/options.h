#ifndef CULVERT_TRANSPORT_CLIENT_OPTIONS_H_
#define CULVERT_TRANSPORT_CLIENT_OPTIONS_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "transport/http2/options.h"
#include "transport/io/tls_context.h"

namespace culvert::client {

// How a client reaches its server.
struct Options {
  // A server may send large messages in few frames: a client has few connections, and each may hold an unfinished one. And as many of them at
  // once as the client has asked for.
  http2::Options http2 = {.max_frame_size = http2::kLargeFrame, .unfinished_budget = SIZE_MAX};

  // Speaks over TLS, made by io::TlsContext::ForClient. The server's certificate must be for the target's host (unix sockets:
  // "localhost"), unless the context names another. Null: plaintext.
  std::shared_ptr<const io::TlsContext> tls;

  // For one attempt: resolving, connecting, the proxy and TLS. The addresses of a name share what resolving has left of it. The server's SETTINGS
  // may then take as long again, or http2.handshake_timeout when that is shorter.
  // The system's resolver cannot be interrupted: the attempt ends in time, but the end of the loop waits for a lookup that has begun, as long as
  // resolv.conf lets it take.
  std::chrono::milliseconds connect_timeout{20000};

  // Between failed attempts (gRPC connection backoff protocol): the first wait, its growth, its bound, and the part of it that is random.
  std::chrono::milliseconds initial_backoff{1000};
  double backoff_multiplier = 1.6;
  std::chrono::milliseconds max_backoff{120000};
  double backoff_jitter = 0.2;

  // "host:port" of an HTTP/1.1 proxy through which to CONNECT (RFC 9110 9.3.6); empty: none.
  std::string proxy;
};

}  // namespace culvert::client

#endif  // CULVERT_TRANSPORT_CLIENT_OPTIONS_H_
