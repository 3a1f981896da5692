#ifndef CULVERT_TRANSPORT_CLIENT_CONNECTOR_H_
#define CULVERT_TRANSPORT_CLIENT_CONNECTOR_H_

// From a target to a stream of bytes that reaches it.

#include <memory>

#include "absl/status/statusor.h"
#include "transport/base/task.h"
#include "transport/client/options.h"
#include "transport/client/target.h"
#include "transport/io/byte_stream.h"
#include "transport/io/event_loop.h"

namespace culvert::client {

// Resolves the target when it is a name, then tries its addresses in turn until one has answered, the proxy's CONNECT and the TLS handshake
// included; each has its share of the time that is left. On the loop. With options.tls, what it returns is the TLS stream, its handshake
// done. Unavailable says how the last address failed, or rather, if some accepted the connection, the last of those. All arguments outlive the task;
// cancelling it gives up, with the failure of the address that was being tried.
//
// A lookup that was given up runs to its end on the loop's resolver thread (getaddrinfo cannot be interrupted), and its answer is dropped. Until then
// other lookups of the loop wait behind it, io_context::run does not return by itself, and the end of the io_context waits for it.
Task<absl::StatusOr<std::unique_ptr<io::ByteStream>>> Connect(EventLoop& loop, const Target& target, const Options& options);

}  // namespace culvert::client

#endif  // CULVERT_TRANSPORT_CLIENT_CONNECTOR_H_
