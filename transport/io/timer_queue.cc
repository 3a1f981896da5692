#include "transport/io/timer_queue.h"

#include <utility>

namespace culvert::io {

void Timer::Start(Clock::time_point when) {
  if (index_ != kNone) queue_->Remove(this);
  when_ = when;
  queue_->Insert(this);
}

void Timer::Cancel() {
  if (index_ == kNone) return;
  queue_->Remove(this);
  if (queue_->empty()) queue_->changed_(queue_->self_, Clock::time_point::max());
}

void TimerQueue::Insert(Timer* timer) {
  const bool earlier = heap_.empty() || timer->when_ < heap_.front()->when_;
  timer->index_ = heap_.size();
  heap_.push_back(timer);
  Up(timer->index_);
  if (earlier) changed_(self_, timer->when_);
}

void TimerQueue::Remove(Timer* timer) {
  const size_t i = timer->index_;
  timer->index_ = Timer::kNone;
  Timer* last = heap_.back();
  heap_.pop_back();
  if (last == timer) return;
  heap_[i] = last;
  last->index_ = i;
  Up(i);
  Down(last->index_);
}

void TimerQueue::RunDue(Clock::time_point now) {
  while (!heap_.empty() && heap_.front()->when_ <= now) {
    Timer* timer = heap_.front();
    Remove(timer);
    timer->callback_(timer->self_);
  }
}

void TimerQueue::Up(size_t i) {
  while (i > 0) {
    const size_t parent = (i - 1) / 2;
    if (!(heap_[i]->when_ < heap_[parent]->when_)) return;
    std::swap(heap_[i], heap_[parent]);
    heap_[i]->index_ = i;
    heap_[parent]->index_ = parent;
    i = parent;
  }
}

void TimerQueue::Down(size_t i) {
  for (;;) {
    size_t least = i;
    for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < heap_.size(); ++child) {
      if (heap_[child]->when_ < heap_[least]->when_) least = child;
    }
    if (least == i) return;
    std::swap(heap_[i], heap_[least]);
    heap_[i]->index_ = i;
    heap_[least]->index_ = least;
    i = least;
  }
}

}  // namespace culvert::io
