#ifndef CULVERT_TRANSPORT_IO_EVENT_LOOP_H_
#define CULVERT_TRANSPORT_IO_EVENT_LOOP_H_

// One thread's io_context with what its connections share: buffers and timers. A connection belongs to one loop for life, so
// nothing on it needs a lock.
//
//   asio::io_context context(1);                                // bring your own, run it on one thread ...
//   culvert::EventLoop& loop = culvert::EventLoop::Of(context);
//
//   culvert::EventLoopThreads threads(2);                       // ... or let Culvert run some
//
// The loop is an asio service of its context: made at the first Of, it lives until the context is destroyed, after every handler and
// coroutine that was still queued on it. io_context::run returns when nothing is left to do: no connection, no timer; after the last timer
// was cancelled, up to 100 ms later.

#include <asio/execution_context.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "transport/io/block_pool.h"
#include "transport/io/timer_queue.h"

namespace culvert {

class EventLoop final : public asio::execution_context::service {
 public:
  using Executor = asio::io_context::executor_type;

  // The loop of `context`, which must be run by one thread at a time. Any thread.
  static EventLoop& Of(asio::io_context& context);

  static asio::execution_context::id id;
  explicit EventLoop(asio::execution_context& context);  // for asio: call Of

  asio::io_context& context() { return context_; }
  Executor executor() { return context_.get_executor(); }

  // Runs `f` on the loop, later. Any thread.
  template <class F>
  void Post(F&& f) {
    asio::post(context_, std::forward<F>(f));
  }
  // Whether the caller runs on this loop's thread now.
  bool RunsHere() const { return context_.get_executor().running_in_this_thread(); }

  // The rest: on the loop's thread only.
  io::BlockPool& blocks() { return blocks_; }
  io::TimerQueue& timers() { return timers_; }
  // Each connection asks when it has something to do. True when no other has asked since it did last: it has the loop to itself.
  bool IsAlone(const void* connection) { return std::exchange(last_served_, connection) == connection; }

 private:
  using OsTimer = asio::basic_waitable_timer<io::TimerQueue::Clock, asio::wait_traits<io::TimerQueue::Clock>, Executor>;

  void shutdown() noexcept override;
  void Arm(io::TimerQueue::Clock::time_point earliest);

  asio::io_context& context_;
  io::BlockPool blocks_;
  io::TimerQueue timers_;
  const void* last_served_ = nullptr;
  std::optional<OsTimer> os_timer_;  // gone after shutdown
  io::TimerQueue::Clock::time_point armed_for_ = io::TimerQueue::Clock::time_point::max();
};

// Event loops on threads of their own, for programs that have none. The destructor stops and joins them.
class EventLoopThreads {
 public:
  explicit EventLoopThreads(size_t threads);
  ~EventLoopThreads();

  size_t size() const { return loops_.size(); }
  EventLoop& operator[](size_t i);

  // Stops every loop; work that was queued and has not run is dropped. Any thread, any number of times.
  void Stop();

 private:
  struct Loop;
  std::vector<std::unique_ptr<Loop>> loops_;
};

}  // namespace culvert

#endif  // CULVERT_TRANSPORT_IO_EVENT_LOOP_H_
