#ifndef CULVERT_TRANSPORT_HTTP2_HELD_REQUEST_H_
#define CULVERT_TRANSPORT_HTTP2_HELD_REQUEST_H_

// A request that waits because too much of other responses does (Options::send_queue_budget): what the peer has sent of it, kept until it may
// go on.
//
//   new HeldRequest(queue, stream, head, end);         // a new request: its handler is not told of it yet
//   new HeldRequest(queue, stream);                    // one whose handler has begun, and has not answered: it is not told the end
//   ...
//   queue.requests.PopFront()->Start(handler);         // the handler and its receiver are told what came meanwhile
//
// It stands between the stream and the receiver (Stream::request_held_). Body bytes are not paid back while they wait, so that the stream's
// window and parked_budget bound them; a head counts in header_budget_per_stream as every request's does, and trailers that are held count with
// it. A call's deadline begins when its handler is told of it: the time on hold is not counted.
//
// Owned by its stream, and gone when the request goes on, is reset, or is released. On its connection's loop only.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "transport/base/intrusive_list.h"
#include "transport/http/exchange.h"
#include "transport/http/header_list.h"
#include "transport/io/timer_queue.h"

namespace culvert::http2 {

class Stream;
struct HeldRequests;

class HeldRequest final : public http::Receiver {
 public:
  using Clock = io::Timer::Clock;

  // Takes the receiver's place, at the end of `queue`, which outlives it. `head` is copied; it was found valid.
  HeldRequest(HeldRequests& queue, Stream& stream, const http::HeaderList& head, bool end);
  HeldRequest(HeldRequests& queue, Stream& stream);
  ~HeldRequest();
  HeldRequest(const HeldRequest&) = delete;
  HeldRequest& operator=(const HeldRequest&) = delete;

  // Tells what there is to tell, and is gone afterwards. The handler and the receiver may do anything meanwhile, a Release or the end of the
  // connection included; nothing more is told then.
  void Start(http::Handler& handler);
  // Is gone, and tells nothing: the receiver has reset the stream.
  void Drop();
  // By a handler, while it is told of the request.
  void SetReceiver(http::Receiver* receiver) { receiver_ = receiver; }

  // The handler knows of it.
  bool started() const { return started_; }
  Stream& stream() { return stream_; }
  Clock::time_point since() const { return since_; }

  base::ListHook<HeldRequest> in_queue;

 private:
  // http::Receiver
  void OnHead(const http::ResponseHead& head, bool end) override;
  void OnData(std::span<const uint8_t> bytes, bool end) override;
  void OnTrailers(std::span<const http::HeaderField> trailers) override;
  void OnWritable() override;
  void OnClosed(const absl::Status& why, bool unprocessed) override;

  void GiveWay();

  HeldRequests& queue_;
  Stream& stream_;
  http::Receiver* receiver_ = nullptr;  // the stream's own, once there is one
  const Clock::time_point since_ = Clock::now();
  bool started_;
  bool ended_ = false;  // by the peer
  bool* gone_ = nullptr;  // to be told of the destruction, while Start runs
  http::HeaderList head_;
  std::vector<uint8_t> body_;
  std::unique_ptr<http::HeaderList> trailers_;
};

// Those of one connection, the next first. Exists while there are some.
struct HeldRequests {
  HeldRequests(io::TimerQueue& timers, io::Timer::Callback callback, void* session) : timer(timers, callback, session) {}

  base::IntrusiveList<HeldRequest, &HeldRequest::in_queue> requests;
  io::Timer timer;         // runs while there are some that may be refused
  size_t least_queued = 0;  // bytes of responses, as the timer has found them since a request went on last
  bool posted = false;     // somebody is about to look at them
};

}  // namespace culvert::http2

#endif  // CULVERT_TRANSPORT_HTTP2_HELD_REQUEST_H_
