#ifndef CULVERT_TRANSPORT_IO_TIMER_QUEUE_H_
#define CULVERT_TRANSPORT_IO_TIMER_QUEUE_H_

// The timers of one event loop, over a single OS timer: a deadline costs a heap entry, not a timer of its own. Pure: the loop tells the time.
//
// A Timer is embedded in what it belongs to, runs at most once per Start, and may be started again, also from its own callback. It
// cancels itself when destroyed. Callbacks run on the loop, no earlier than asked, normally within a millisecond after.
// Not thread-safe.

#include <chrono>
#include <cstddef>
#include <vector>

namespace culvert::io {

class TimerQueue;

class Timer {
 public:
  using Clock = std::chrono::steady_clock;
  // `self` is what was passed to the constructor.
  using Callback = void (*)(void* self);

  // `queue` outlives the timer.
  Timer(TimerQueue& queue, Callback callback, void* self) : queue_(&queue), callback_(callback), self_(self) {}
  ~Timer() { Cancel(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Runs the callback at `when`; moves a timer that was already started.
  void Start(Clock::time_point when);
  void Cancel();
  bool running() const { return index_ != kNone; }
  Clock::time_point when() const { return when_; }

 private:
  friend class TimerQueue;
  static constexpr size_t kNone = static_cast<size_t>(-1);
  TimerQueue* queue_;
  Callback callback_;
  void* self_;
  Clock::time_point when_{};
  size_t index_ = kNone;  // in the queue's heap
};

class TimerQueue {
 public:
  using Clock = Timer::Clock;

  // Told whenever the earliest time changes to an earlier one, so that the loop can arm its OS timer; and, as time_point::max(), when the last
  // timer was cancelled, so that it need not wait that long any more.
  using EarliestChanged = void (*)(void* self, Clock::time_point earliest);
  TimerQueue(EarliestChanged changed, void* self) : changed_(changed), self_(self) {}
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;

  // Runs every callback due at `now`, those started meanwhile for a time not after `now` included.
  void RunDue(Clock::time_point now);

  bool empty() const { return heap_.empty(); }
  Clock::time_point earliest() const { return heap_.front()->when_; }

 private:
  friend class Timer;
  void Insert(Timer* timer);
  void Remove(Timer* timer);
  void Up(size_t i);
  void Down(size_t i);

  EarliestChanged changed_;
  void* self_;
  std::vector<Timer*> heap_;
};

}  // namespace culvert::io

#endif  // CULVERT_TRANSPORT_IO_TIMER_QUEUE_H_
