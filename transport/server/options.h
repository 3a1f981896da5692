#ifndef CULVERT_TRANSPORT_SERVER_OPTIONS_H_
#define CULVERT_TRANSPORT_SERVER_OPTIONS_H_

#include <chrono>
#include <cstddef>
#include <memory>

#include "transport/http1/options.h"
#include "transport/http2/options.h"
#include "transport/io/tls_context.h"

namespace culvert::server {

struct Options {
  http2::Options http2;
  http1::Options http1;
  // Without it, a request of HTTP/1.1 is answered as what it is to HTTP/2: GOAWAY for a wrong preface.
  bool serve_http1 = true;

  // Serves over TLS, made by io::TlsContext::ForServer. Null: plaintext alone.
  std::shared_ptr<const io::TlsContext> tls;
  // With `tls`: whether who does not begin with TLS is served as well, on the same port; otherwise it is closed without a word.
  bool plaintext_too = false;

  // Connections at once, over all loops, each until its socket is closed or it was hijacked; beyond it accepting waits, and the kernel's
  // backlog holds newcomers.
  size_t max_connections = 20000;
  int backlog = 4096;
  // From accepting until the first bytes tell the protocol; once more behind a handshake without ALPN.
  std::chrono::milliseconds sniff_timeout{10000};
  // From the first bytes of TLS to the end of its handshake.
  std::chrono::milliseconds tls_handshake_timeout{10000};
};

}  // namespace culvert::server

#endif  // CULVERT_TRANSPORT_SERVER_OPTIONS_H_
