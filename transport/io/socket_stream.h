#ifndef CULVERT_TRANSPORT_IO_SOCKET_STREAM_H_
#define CULVERT_TRANSPORT_IO_SOCKET_STREAM_H_

// A connected TCP or Unix socket as a ByteStream.

#include <memory>

#include "transport/io/byte_stream.h"
#include "transport/io/event_loop.h"

namespace culvert::io {

// Takes `fd` over, makes it non-blocking, and where that applies TCP_NODELAY and kept alive. On the loop's thread. Null, and `fd` closed, when
// the loop cannot watch it: the system is short of memory, or of what epoll may watch.
std::unique_ptr<ByteStream> AdoptSocket(EventLoop& loop, int fd);

}  // namespace culvert::io

#endif  // CULVERT_TRANSPORT_IO_SOCKET_STREAM_H_
