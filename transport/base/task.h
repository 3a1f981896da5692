#ifndef CULVERT_TRANSPORT_BASE_TASK_H_
#define CULVERT_TRANSPORT_BASE_TASK_H_

// The coroutine of the house and its completion token.
//
//   culvert::Task<absl::Status> Greet(ByteStream& stream);     // lazily started, runs on the awaiting coroutine's executor
//   auto [ec, n] = co_await socket.async_read_some(buffer, kTuple);
//
// Parameters are taken by value, or by reference only when the caller awaits in the same expression. No capturing lambda is a coroutine.

#include <asio/awaitable.hpp>
#include <asio/experimental/as_tuple.hpp>
#include <asio/use_awaitable.hpp>

namespace culvert {

template <class T>
using Task = asio::awaitable<T>;

// asio's errors as values: an awaited operation yields a tuple that begins with its error code, and nothing throws.
inline constexpr asio::experimental::as_tuple_t<asio::use_awaitable_t<>> kTuple(asio::use_awaitable);

}  // namespace culvert

#endif  // CULVERT_TRANSPORT_BASE_TASK_H_
