#ifndef CULVERT_TRANSPORT_HTTP2_STREAM_H_
#define CULVERT_TRANSPORT_HTTP2_STREAM_H_

// One HTTP/2 stream (RFC 9113 5): the exchange that a receiver holds, and the book-keeping that the session does for it.
//
// Owned by the session's table until its receiver has released it, even when the stream is long closed on the wire. All of its sending
// methods live in session_send.cc, all of what the peer does to it in session_recv.cc.

#include <memory>
#include <optional>
#include <string>

#include "absl/container/inlined_vector.h"
#include "transport/base/intrusive_list.h"
#include "transport/base/recycled.h"
#include "transport/frame/constants.h"
#include "transport/http/exchange.h"
#include "transport/http2/flow_control.h"
#include "transport/http2/stream_state.h"

namespace culvert::http2 {

class Session;

class Stream final : public http::Exchange, public base::Recycled {
 public:
  Stream(Session& session, frame::StreamId id, uint32_t send_window, ReceiveWindow receive_window);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() = default;

  void SetReceiver(http::Receiver* receiver) override { receiver_ = receiver; }
  void Release() override;
  void SendHead(const http::ResponseHead& head, bool end) override;
  uint8_t* TrySendInPlace(size_t n, bool end) override;
  void SendData(io::SharedBytes bytes, bool end) override;
  void SendTrailers(std::span<const http::HeaderField> trailers) override;
  bool writable() const override;
  void Reset(absl::StatusCode code) override;
  void Consumed(size_t n) override;
  EventLoop& loop() override;
  std::string peer() const override;
  int http_major() const override { return 2; }
  absl::StatusOr<http::Hijacked> Hijack() override;

  frame::StreamId id() const { return id_; }

 private:
  friend class Session;

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

  Session& session_;
  frame::StreamId id_;  // 0 while a client's stream waits to be opened
  StreamState state_ = StreamState::kIdle;
  http::Receiver* receiver_ = nullptr;
  bool released_ = false;
  bool stalled_ = false;  // released, and nothing of its queue has gone out since the stall timer last ran
  SendWindow send_window_;
  ReceiveWindow receive_window_;

  // Sending
  bool head_sent_ = false;
  bool wants_writable_ = false;  // OnWritable is owed
  std::unique_ptr<Queue> queue_;
  std::unique_ptr<Opening> opening_;

  // Receiving
  bool head_received_ = false;
  bool is_connect_ = false;           // a tunnel: only DATA follows the heads
  bool is_head_request_ = false;      // of a HEAD request: content-length says nothing about the body
  int64_t body_left_ = -1;            // of content-length, -1 when there is none
  uint64_t unconsumed_ = 0;           // bytes handed over and not yet paid back

  base::ListHook<Stream> ready_;      // has queued data and window to send it
  base::ListHook<Stream> waiting_;    // its receiver waits for OnWritable
  base::ListHook<Stream> unopened_;   // waits for a free slot
  base::ListHook<Stream> all_;        // every stream of the session
};

}  // namespace culvert::http2

#endif  // CULVERT_TRANSPORT_HTTP2_STREAM_H_
