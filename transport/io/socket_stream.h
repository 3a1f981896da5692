#ifndef CULVERT_TRANSPORT_IO_SOCKET_STREAM_H_
#define CULVERT_TRANSPORT_IO_SOCKET_STREAM_H_

// A connected TCP or Unix socket as a ByteStream.

#include <memory>

#include "transport/io/byte_stream.h"
#include "transport/io/event_loop.h"

namespace culvert::io {

// Takes `fd` over, makes it non-blocking, and TCP_NODELAY where that applies. On the loop's thread.
std::unique_ptr<ByteStream> AdoptSocket(EventLoop& loop, int fd);

}  // namespace culvert::io

#endif  // CULVERT_TRANSPORT_IO_SOCKET_STREAM_H_
