#ifndef CULVERT_TESTS_SUPPORT_MEMORY_STREAM_MEMORY_STREAM_H_
#define CULVERT_TESTS_SUPPORT_MEMORY_STREAM_MEMORY_STREAM_H_

// Two streams back to back in memory, for tests: what one writes the other reads. Deterministic; no socket.
//
// Each direction holds a bounded number of bytes, so that a writer whose peer does not read is blocked, as on
// a socket. Both ends live on one loop. An end that is closed or destroyed: its peer reads what was written
// and then the end, and its writes break.

#include <cstddef>
#include <memory>
#include <utility>

#include "transport/io/byte_stream.h"
#include "transport/io/event_loop.h"

namespace culvert::testing_support {

struct MemoryStreamOptions {
  size_t capacity = 64 * 1024;  // bytes in flight in each direction
  size_t most_per_call = static_cast<size_t>(
      -1);  // bytes that one TryRead or TryWrite moves: 1 cuts everything into single bytes
};

std::pair<std::unique_ptr<io::ByteStream>, std::unique_ptr<io::ByteStream>> MakeMemoryStreamPair(
    EventLoop& loop, MemoryStreamOptions options = {});

}  // namespace culvert::testing_support

#endif  // CULVERT_TESTS_SUPPORT_MEMORY_STREAM_MEMORY_STREAM_H_
