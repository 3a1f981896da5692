#ifndef CULVERT_TRANSPORT_SERVER_OPTIONS_H_
#define CULVERT_TRANSPORT_SERVER_OPTIONS_H_

#include <chrono>
#include <cstddef>

#include "transport/http1/options.h"
#include "transport/http2/options.h"

namespace culvert::server {

struct Options {
  http2::Options http2;
  http1::Options http1;
  // Without it, a request of HTTP/1.1 is answered as what it is to HTTP/2: GOAWAY for a wrong preface.
  bool serve_http1 = true;

  // Connections at once, over all loops; beyond it accepting waits, and the kernel's backlog holds newcomers.
  size_t max_connections = 20000;
  int backlog = 4096;
  // From accepting until the first bytes tell the protocol.
  std::chrono::milliseconds sniff_timeout{10000};
};

}  // namespace culvert::server

#endif  // CULVERT_TRANSPORT_SERVER_OPTIONS_H_
