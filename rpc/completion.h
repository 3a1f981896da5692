#ifndef CULVERT_RPC_COMPLETION_H_
#define CULVERT_RPC_COMPLETION_H_

// A user's completion handler, ready to be called from the channel's loop: it runs on its associated executor, which is kept busy until then,
// or right here when that is the loop itself or when it has none.

#include <asio/any_io_executor.hpp>
#include <asio/associated_executor.hpp>
#include <asio/dispatch.hpp>
#include <asio/executor_work_guard.hpp>
#include <exception>
#include <type_traits>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "transport/base/waiter.h"
#include "transport/io/event_loop.h"

namespace culvert::rpc {

template <class R>
using Completion = absl::AnyInvocable<void(R)>;

template <class Executor>
bool RunsOn(const Executor& executor, EventLoop& loop) {
  if constexpr (std::is_same_v<Executor, EventLoop::Executor>) {
    return executor == loop.executor();
  } else if constexpr (std::is_same_v<Executor, asio::any_io_executor>) {
    const auto* target = base::TargetOf<EventLoop::Executor>(executor);
    return target != nullptr && *target == loop.executor();
  } else {
    return false;
  }
}

// Calls into the user's code from the loop. What it throws leaves by way of the loop's run(), as with asio, but not through the connection that
// we are called from.
template <class F>
void RunUsersCode(EventLoop& loop, F&& f) {
  try {
    std::forward<F>(f)();
  } catch (...) {
    loop.Post([thrown = std::current_exception()] { std::rethrow_exception(thrown); });
  }
}

template <class R, class Handler>
Completion<R> MakeCompletion(EventLoop& loop, Handler handler) {
  auto executor = asio::get_associated_executor(handler, loop.executor());
  if (RunsOn(executor, loop)) {
    return [&loop, handler = std::move(handler)](R result) mutable {
      RunUsersCode(loop, [&] { std::move(handler)(std::move(result)); });
    };
  }
  return [handler = std::move(handler), work = asio::make_work_guard(executor)](R result) mutable {
    asio::dispatch(work.get_executor(),
                   [handler = std::move(handler), result = std::move(result)]() mutable { std::move(handler)(std::move(result)); });
    work.reset();
  };
}

}  // namespace culvert::rpc

#endif  // CULVERT_RPC_COMPLETION_H_
