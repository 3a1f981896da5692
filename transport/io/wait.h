#ifndef CULVERT_TRANSPORT_IO_WAIT_H_
#define CULVERT_TRANSPORT_IO_WAIT_H_

// ByteStream::AsyncWait for completion tokens:  auto [ec] = co_await io::Wait(*stream, io::Direction::kRead, kTuple);
//
// Cancelling the operation ends the stream's waits, those of the other direction included.

#include <asio/associated_cancellation_slot.hpp>
#include <asio/async_result.hpp>
#include <asio/cancellation_type.hpp>
#include <system_error>
#include <utility>

#include "transport/io/byte_stream.h"

namespace culvert::io {

template <class Token>
auto Wait(ByteStream& stream, Direction direction, Token&& token) {
  return asio::async_initiate<Token, void(std::error_code)>(
      [&stream, direction](auto handler) {
        auto slot = asio::get_associated_cancellation_slot(handler);
        if (!slot.is_connected()) return stream.AsyncWait(direction, std::move(handler));
        slot.assign([&stream](asio::cancellation_type_t) { stream.CancelWaits(); });
        stream.AsyncWait(direction, [slot, handler = std::move(handler)](std::error_code error) mutable {
          slot.clear();
          std::move(handler)(error);
        });
      },
      token);
}

}  // namespace culvert::io

#endif  // CULVERT_TRANSPORT_IO_WAIT_H_
