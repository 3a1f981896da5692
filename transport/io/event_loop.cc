#include "transport/io/event_loop.h"

#include <asio/executor_work_guard.hpp>
#include <chrono>
#include <thread>

namespace culvert {

namespace {
constexpr std::chrono::milliseconds kWaitWithoutTimers{100};
}  // namespace

asio::execution_context::id EventLoop::id;

EventLoop& EventLoop::Of(asio::io_context& context) { return asio::use_service<EventLoop>(context); }

EventLoop::EventLoop(asio::execution_context& context)
    : asio::execution_context::service(context),
      context_(static_cast<asio::io_context&>(context)),
      timers_([](void* self, io::TimerQueue::Clock::time_point earliest) { static_cast<EventLoop*>(self)->Arm(earliest); }, this),
      os_timer_(context_.get_executor()) {}

void EventLoop::shutdown() noexcept { os_timer_.reset(); }

void EventLoop::Arm(io::TimerQueue::Clock::time_point earliest) {
  // A wait keeps io_context::run from returning; but to end it with every last timer would cost more than the timer did.
  if (timers_.empty()) earliest = io::TimerQueue::Clock::now() + kWaitWithoutTimers;
  // One that is set for earlier finds out then that there is nothing to do yet: most timers are cancelled long before they are due.
  if (!os_timer_ || armed_for_ <= earliest) return;
  armed_for_ = earliest;
  os_timer_->expires_at(earliest);  // aborts a later wait, which then does nothing
  os_timer_->async_wait([this](std::error_code aborted) {
    if (aborted) return;
    armed_for_ = io::TimerQueue::Clock::time_point::max();
    timers_.RunDue(io::TimerQueue::Clock::now());
    if (!timers_.empty()) Arm(timers_.earliest());
  });
}

struct EventLoopThreads::Loop {
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  EventLoop& loop = EventLoop::Of(context);
  std::thread thread{[this] { context.run(); }};
};

EventLoopThreads::EventLoopThreads(size_t threads) {
  loops_.reserve(threads);
  for (size_t i = 0; i < threads; ++i) loops_.push_back(std::make_unique<Loop>());
}

EventLoopThreads::~EventLoopThreads() {
  Stop();
  for (auto& loop : loops_) loop->thread.join();
}

EventLoop& EventLoopThreads::operator[](size_t i) { return loops_[i]->loop; }

void EventLoopThreads::Stop() {
  for (auto& loop : loops_) loop->context.stop();
}

}  // namespace culvert
