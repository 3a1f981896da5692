#ifndef CULVERT_TRANSPORT_IO_WAIT_H_
#define CULVERT_TRANSPORT_IO_WAIT_H_

// ByteStream::AsyncWait for completion tokens:  auto [ec] = co_await io::Wait(*stream, io::Direction::kRead, kTuple);
// and for Tasks, where it costs least:          co_await io::Wait(*stream, io::Direction::kRead, error);
//
// Cancelling the operation ends the stream's waits, those of the other direction included.

#include <asio/associated_cancellation_slot.hpp>
#include <asio/async_result.hpp>
#include <asio/cancellation_type.hpp>
#include <system_error>
#include <utility>

#include "transport/base/spawn.h"
#include "transport/io/byte_stream.h"

namespace culvert::io {

namespace wait_internal {

template <class Handler>
void Start(ByteStream& stream, Direction direction, Handler handler) {
  auto slot = asio::get_associated_cancellation_slot(handler);
  if (!slot.is_connected()) return stream.AsyncWait(direction, std::move(handler));
  slot.assign([&stream](asio::cancellation_type_t) { stream.CancelWaits(); });
  stream.AsyncWait(direction, [slot, handler = std::move(handler)](std::error_code error) mutable {
    slot.clear();
    std::move(handler)(error);
  });
}

// Resumes a Task that finds the error in its own variable.
template <class Resume>
struct Stored {
  std::error_code* error;
  Resume resume;

  using cancellation_slot_type = asio::cancellation_slot;
  cancellation_slot_type get_cancellation_slot() const noexcept { return asio::get_associated_cancellation_slot(resume); }
  void operator()(std::error_code outcome) {
    *error = outcome;
    std::move(resume)();
  }
};

}  // namespace wait_internal

template <class Token>
auto Wait(ByteStream& stream, Direction direction, Token&& token) {
  return asio::async_initiate<Token, void(std::error_code)>(
      [&stream, direction](auto handler) { wait_internal::Start(stream, direction, std::move(handler)); }, token);
}

// `error` outlives the wait. Throws nothing; see base::Checkpoint.
inline auto Wait(ByteStream& stream, Direction direction, std::error_code& error) {
  return base::Suspend([&stream, direction, &error](auto resume) {
    wait_internal::Start(stream, direction, wait_internal::Stored<decltype(resume)>{&error, std::move(resume)});
  });
}

}  // namespace culvert::io

#endif  // CULVERT_TRANSPORT_IO_WAIT_H_
