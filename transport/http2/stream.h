#ifndef CULVERT_TRANSPORT_HTTP2_STREAM_H_
#define CULVERT_TRANSPORT_HTTP2_STREAM_H_

// One HTTP/2 stream (RFC 9113 5): the exchange that a receiver holds, and the book-keeping that the session does for it. And Turns, the
// order in which streams are served.
//
// Owned by the session's table until its receiver has released it, even when the stream is long closed on the wire. All of its sending
// methods live in session_send.cc, all of what the peer does to it in session_recv.cc.

#include <memory>
#include <optional>
#include <string>

#include "absl/base/optimization.h"
#include "absl/container/inlined_vector.h"
#include "transport/base/intrusive_list.h"
#include "transport/base/recycled.h"
#include "transport/frame/constants.h"
#include "transport/http/exchange.h"
#include "transport/http2/flow_control.h"
#include "transport/http2/priority.h"
#include "transport/http2/stream_state.h"

namespace culvert::http2 {

class Session;

class Stream final : public http::Exchange, public base::Recycled {
 public:
  Stream(Session& session, frame::StreamId id, uint32_t send_window, ReceiveWindow receive_window);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() = default;

  void SetReceiver(http::Receiver* receiver) override;
  void Release() override;
  void SendHead(const http::ResponseHead& head, bool end) override;
  uint8_t* TrySendInPlace(size_t n, bool end) override;
  void SendData(io::SharedBytes bytes, bool end) override;
  void SendTrailers(std::span<const http::HeaderField> trailers) override;
  bool writable() const override;
  void Reset(absl::StatusCode code) override;
  void Consumed(size_t n) override;
  absl::Status Hold(size_t n) override;
  EventLoop& loop() override;
  std::string peer() const override;
  std::shared_ptr<const io::PeerCertificate> peer_certificate() const override;
  int http_major() const override { return 2; }
  absl::StatusOr<http::Hijacked> Hijack() override;

  frame::StreamId id() const { return id_; }
  Priority priority() const { return priority_; }

 private:
  friend class Session;
  friend class HeldRequest;

  // Data that could not go out at once. Rare: its memory exists only while there is some.
  struct Queue {
    absl::InlinedVector<io::SharedBytes, 2> chunks;  // a writer that heeds writable() has one waiting
    size_t bytes = 0;
    bool end = false;                            // END_STREAM follows the last chunk
    std::unique_ptr<http::HeaderList> trailers;  // follow the last chunk, and end the stream
  };
  // A client's request that waits for MAX_CONCURRENT_STREAMS to allow it.
  struct Opening {
    http::HeaderList head;
    bool end = false;
  };

  bool queue_empty() const { return queue_ == nullptr; }
  // Whether n bytes may go straight into the connection's output, in one frame.
  bool MaySendNow(size_t n) const;

  // In an order without holes: a connection may hold a thousand streams that wait.
  Session& session_;
  http::Receiver* receiver_ = nullptr;
  frame::StreamId id_;  // 0 while a client's stream waits to be opened
  StreamState state_ = StreamState::kIdle;
  bool released_ = false;
  Priority priority_ = kUnsignalled;  // to be changed by Session::SetPriority, since it says where Turns has the stream

  // Sending
  SendWindow send_window_;
  bool head_sent_ = false;
  bool wants_writable_ = false;  // OnWritable is owed
  uint8_t stalled_ = 0;          // runs of the stall timer in a row that found it waiting for the peer's windows; see Session::ResetStalled

  // Receiving
  bool head_received_ : 1 = false;
  bool is_connect_ : 1 = false;       // a tunnel: only DATA follows the heads
  bool is_head_request_ : 1 = false;  // of a HEAD request: content-length says nothing about the body
  bool request_held_ : 1 = false;     // receiver_ is a HeldRequest, which is the stream's own
  ReceiveWindow receive_window_;
  uint32_t unconsumed_ = 0;       // bytes handed over and not yet paid back
  uint32_t unfinished_ = 0;       // as the receiver says in Hold
  uint32_t head_bytes_ = 0;       // of a request's header lists, as Session::header_bytes_ counts them
  int64_t body_left_ = -1;        // of content-length, -1 when there is none

  std::unique_ptr<Queue> queue_;
  std::unique_ptr<Opening> opening_;

  base::ListHook<Stream> ready_;      // has queued data and window to send it
  base::ListHook<Stream> waiting_;    // its receiver waits for OnWritable
  base::ListHook<Stream> unopened_;   // waits for a free slot
  base::ListHook<Stream> all_;        // every stream of the session
};

// Streams that wait for something, in the order in which they get it (RFC 9218 10). A lower urgency number goes first, however long the
// others then wait: clients ask for that, and a response whose handler has ended is reset when it gets no turn for stall_timeout. Of one
// urgency, incremental streams go round, and of the others the one with the lowest id is served until it needs nothing; where there are
// both, the two kinds alternate, so that neither starves the other.
//
// While every stream has kUnsignalled it is one list, first in, first out, and nothing more is allocated or looked at.
template <base::ListHook<Stream> Stream::*hook>
class Turns {
 public:
  Turns();
  ~Turns();

  // Of the next one; kUrgencies, which is less urgent than any, when there is none.
  uint8_t urgency() const {
    if (ABSL_PREDICT_FALSE(ranked_ != nullptr)) return RankedUrgency();
    return unsignalled_.empty() ? kUrgencies : kUnsignalled.urgency;
  }
  bool empty() const { return urgency() == kUrgencies; }

  // Behind the others of its kind. Does nothing when it is here already.
  void PushBack(Stream* stream) {
    if (ABSL_PREDICT_TRUE(stream->priority() == kUnsignalled)) return unsignalled_.PushBack(stream);
    PushRanked(stream);
  }
  // Does nothing when it is not here.
  void Remove(Stream* stream) {
    if (ABSL_PREDICT_TRUE(stream->priority() == kUnsignalled)) return unsignalled_.Remove(stream);
    RemoveRanked(stream);
  }
  // Null when there is none.
  Stream* PopFront() { return ABSL_PREDICT_TRUE(ranked_ == nullptr) ? unsignalled_.PopFront() : PopRanked(); }

 private:
  using List = base::IntrusiveList<Stream, hook>;
  struct Ranked;

  const List& Incremental(uint8_t urgency) const;
  bool HasSequential(uint8_t urgency) const;
  uint8_t RankedUrgency() const;
  void PushRanked(Stream* stream);
  void RemoveRanked(Stream* stream);
  Stream* PopRanked();

  List unsignalled_;
  std::unique_ptr<Ranked> ranked_;  // those with another priority, once there was one
};

}  // namespace culvert::http2

#endif  // CULVERT_TRANSPORT_HTTP2_STREAM_H_
