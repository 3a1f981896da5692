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

// Resolves the target when it is a name, then tries its addresses in turn until one answers; each has its share of the time that is left. On
// the loop. With options.tls, what it returns is the TLS stream, its handshake done. Unavailable says which address failed last and how. Both arguments outlive the task; cancelling it gives up.
Task<absl::StatusOr<std::unique_ptr<io::ByteStream>>> Connect(EventLoop& loop, const Target& target, const Options& options);

}  // namespace culvert::client

#endif  // CULVERT_TRANSPORT_CLIENT_CONNECTOR_H_
