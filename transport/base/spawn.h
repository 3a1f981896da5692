#ifndef CULVERT_TRANSPORT_BASE_SPAWN_H_
#define CULVERT_TRANSPORT_BASE_SPAWN_H_

// How the house starts the coroutines that serve a connection or a call, and lets them stand still: asio::co_spawn and asio::use_awaitable in less
// memory. A stream that waits would otherwise consist of their blocks for more than a third.
//
//   base::Spawn(loop.executor(), Serve(...), [this](std::exception_ptr thrown, absl::Status result) { ... });
//   co_await base::Suspend([this](auto resume) { resume_ = std::move(resume); });      // in a Task; goes on when `resume` is called
//
// It stands on asio's inner face (asio/impl/awaitable.hpp) as versions 1.22 have it; with any other it takes the public way.

#include <asio/any_io_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/cancellation_state.hpp>
#include <asio/co_spawn.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/version.hpp>
#include <exception>
#include <type_traits>
#include <utility>

#include "transport/base/task.h"

// -DCULVERT_PUBLIC_ASIO=1 takes the public way with every version; our tests do, to see that it works.
#if !defined(CULVERT_PUBLIC_ASIO)
#define CULVERT_PUBLIC_ASIO (ASIO_VERSION < 102200 || ASIO_VERSION >= 102300)
#endif

namespace culvert::base {

#if CULVERT_PUBLIC_ASIO

template <class R, class Done>
void Spawn(const asio::any_io_executor& executor, Task<R> task, Done done, asio::cancellation_slot slot = {}) {
  asio::co_spawn(
      executor,
      [](Task<R> inner) -> Task<R> {
        co_await asio::this_coro::throw_if_cancelled(false);
        co_return co_await std::move(inner);
      }(std::move(task)),
      asio::bind_cancellation_slot(slot, std::move(done)));
}

template <class Initiate>
auto Suspend(Initiate initiate) {
  return asio::async_initiate<const asio::use_awaitable_t<>, void()>(std::move(initiate), asio::use_awaitable);
}

#else

namespace spawn_internal {

using Thread = asio::detail::awaitable_thread<asio::any_io_executor>;  // of coroutines that await each other
using Outermost = asio::awaitable<asio::detail::awaitable_thread_entry_point, asio::any_io_executor>;

template <class R, class Done>
Outermost Run(Task<R> task, Done done) {
  std::exception_ptr thrown;
  if constexpr (std::is_void_v<R>) {
    try {
      co_await std::move(task);
    } catch (...) {
      thrown = std::current_exception();
    }
    done(std::move(thrown));
  } else {
    R result{};
    try {
      result = co_await std::move(task);
    } catch (...) {
      thrown = std::current_exception();
    }
    done(std::move(thrown), std::move(result));
  }
}

class ResumeTask : public Thread {
 public:
  explicit ResumeTask(Thread* thread) : Thread(std::move(*thread)) {}
  void operator()() {
    get_cancellation_slot().clear();
    launch();
  }
};

}  // namespace spawn_internal

// Runs `task`; `done` is called with (std::exception_ptr), or (std::exception_ptr, R), where it ends, and may destroy whatever it worked on, the
// owner of the slot included. On the executor's thread, where `slot` is emitted too (terminal cancellation). The task hears of that from what it
// awaits, not by an exception at its next co_await. Whether it begins, and may end, within Spawn is not said. No work is counted for it:
// something else keeps the executor running. Tasks left when the loop ends are dropped without `done`.
template <class R, class Done>
void Spawn(const asio::any_io_executor& executor, Task<R> task, Done done, asio::cancellation_slot slot = {}) {
  spawn_internal::Thread thread(spawn_internal::Run<R>(std::move(task), std::move(done)), executor, slot, asio::cancellation_state(slot));
  thread.throw_if_cancelled(false);
  thread.launch();
}

// To be awaited in a Task: suspends it, then calls `initiate` with a handler without arguments that resumes it, on the task's executor and with its
// cancellation slot as associated ones. The handler is called on that executor's thread. In a task that was cancelled it does not throw as
// other co_awaits do: see Checkpoint.
template <class Initiate>
auto Suspend(Initiate initiate) {
  return [initiate = std::move(initiate)](auto* frame) mutable -> spawn_internal::Thread* {
    initiate(spawn_internal::ResumeTask(frame->detach_thread()));
    return nullptr;
  };
}

#endif

// Does nothing, but what asio does whenever a Task awaits another: if the one was cancelled, and wants to hear of it so, it throws.
//   if (!!(co_await asio::this_coro::cancellation_state).cancelled()) co_await base::Checkpoint();
inline Task<void> Checkpoint() { co_return; }

}  // namespace culvert::base

#endif  // CULVERT_TRANSPORT_BASE_SPAWN_H_
