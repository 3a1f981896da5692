#ifndef CULVERT_TRANSPORT_IO_CONNECT_H_
#define CULVERT_TRANSPORT_IO_CONNECT_H_

// Outgoing and listening sockets.

#include <memory>

#include "absl/status/statusor.h"
#include "transport/base/task.h"
#include "transport/io/address.h"
#include "transport/io/byte_stream.h"
#include "transport/io/event_loop.h"

namespace culvert::io {

// Connects to `address`; gives up at `deadline`. On the loop. Unavailable with the system's reason.
Task<absl::StatusOr<std::unique_ptr<ByteStream>>> ConnectSocket(EventLoop& loop, SocketAddress address, Timer::Clock::time_point deadline);

struct Listener {
  int fd = -1;            // non-blocking; the caller closes it
  SocketAddress address;  // with the port that was taken
};

// A listening TCP or Unix socket. A port that is taken, or a path that exists, is Unavailable with the address and the system's reason. A
// Unix path left behind by a process that is gone is replaced.
absl::StatusOr<Listener> Listen(const SocketAddress& address, int backlog);

}  // namespace culvert::io

#endif  // CULVERT_TRANSPORT_IO_CONNECT_H_
