// Requests that wait until the responses before them have gone out (Options::send_queue_budget): held, started in order, or refused.

#include <cstdint>
#include <memory>
#include <utility>

#include "transport/base/limit_counts.h"
#include "transport/http2/held_request.h"
#include "transport/http2/session.h"

namespace culvert::http2 {

using frame::ErrorCode;

constexpr int kStartsPerTurn = 16;  // of held requests, then other connections of the loop have their turn

HeldRequests& Session::Holding() {
  base::CountLimit("request_held");
  if (held_requests_ == nullptr) {
    held_requests_ = std::make_unique<HeldRequests>(loop_.timers(), [](void* self) { static_cast<Session*>(self)->RefuseHeld(); }, this);
  }
  return *held_requests_;
}

// The peer ends a request. A handler that has not answered may have waited for that, as those of gRPC's with one request message do.
void Session::HoldEnd(Stream& stream) {
  if (stream.receiver_ == nullptr || stream.head_sent_ || stream.request_held_) return;
  new HeldRequest(Holding(), stream);
}

void Session::ScheduleHeld() {
  if (closed_ || held_requests_->posted || over_send_queue_budget()) return;
  held_requests_->posted = true;
  loop_.Post([self = shared_from_this()] { self->StartHeld(); });
}

// One after the other, each of which may be the last for a while. From the loop alone.
void Session::StartHeld() {
  HeldRequests& held = *held_requests_;
  for (int left = kStartsPerTurn; left > 0 && !closed_ && !held.requests.empty() && !over_send_queue_budget(); --left) {
    held.least_queued = SIZE_MAX;
    held.requests.PopFront()->Start(*handler_);
  }
  held.posted = false;  // not before: a handler may shorten the queue at once, and this sees it
  if (held.requests.empty()) {
    held_requests_.reset();
  } else {
    ScheduleHeld();
  }
}

// New ones have waited for held_timeout. Our doing: it is not counted as what the peer makes us reset.
void Session::RefuseHeld() {
  const std::shared_ptr<Session> self = shared_from_this();
  HeldRequests& held = *held_requests_;
  const Clock::time_point now = held.timer.when();
  if (queued_ < held.least_queued) {  // slow, but it gets on
    held.least_queued = queued_;
    return held.timer.Start(now + options_.held_timeout);
  }
  for (HeldRequest* next = held.requests.front(); next != nullptr;) {
    HeldRequest* const request = std::exchange(next, next->in_queue.next);
    if (request->started()) continue;  // it cannot be said to be unprocessed
    if (const Clock::time_point due = request->since() + options_.held_timeout; due > now) return held.timer.Start(due);
    base::CountLimit("send_queue_full");
    Stream& stream = request->stream();
    SendRstStream(stream.id_, ErrorCode::kRefusedStream);
    FailStream(stream, absl::ResourceExhaustedError("the request was held for too long"), false);
  }
}

}  // namespace culvert::http2
