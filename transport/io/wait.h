#ifndef CULVERT_TRANSPORT_IO_WAIT_H_
#define CULVERT_TRANSPORT_IO_WAIT_H_

// ByteStream::AsyncWait for completion tokens:  auto [ec] = co_await io::Wait(*stream, io::Direction::kRead, kTuple);

#include <asio/async_result.hpp>
#include <system_error>
#include <utility>

#include "transport/io/byte_stream.h"

namespace culvert::io {

template <class Token>
auto Wait(ByteStream& stream, Direction direction, Token&& token) {
  return asio::async_initiate<Token, void(std::error_code)>(
      [&stream, direction](auto handler) { stream.AsyncWait(direction, std::move(handler)); }, token);
}

}  // namespace culvert::io

#endif  // CULVERT_TRANSPORT_IO_WAIT_H_
