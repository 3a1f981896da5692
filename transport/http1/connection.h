#ifndef CULVERT_TRANSPORT_HTTP1_CONNECTION_H_
#define CULVERT_TRANSPORT_HTTP1_CONNECTION_H_

// A server's HTTP/1.1 connection (RFC 9112): keep-alive and pipelining, one request at a time.
//
//   auto connection = http1::Connection::Create(std::move(stream), options, handler);
//   co_await connection->Run(connection);               // until it is over, or was hijacked
//
// One coroutine reads. All that happens with the bytes happens in Advance, a plain function that goes on as
// far as it can: parse a head, hand over body bytes, begin the next request, write. It runs after each read,
// when the socket takes bytes again, and once per turn of the loop in which the exchange was used: so no call
// into an exchange runs a handler, and all output of a turn leaves in one gathered write. What it waits for
// is told by Stage. Sources: connection.cc (life and receiving), server_exchange.cc (sending), hijack.cc.
//
// Owned by Run and, while its exchange is not released, by itself. An idle connection holds no block, only
// itself: about a kilobyte. A client that ends its side after a request still gets the response, unless
// nothing of it goes out for half_close_timeout: from here it looks like one that is gone. On its loop's
// thread alone; no locks. End it by Drain or Close.

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "transport/base/task.h"
#include "transport/base/waiter.h"
#include "transport/http/exchange.h"
#include "transport/http1/chunked.h"
#include "transport/http1/options.h"
#include "transport/http1/parser.h"
#include "transport/http1/server_exchange.h"
#include "transport/io/byte_stream.h"
#include "transport/io/event_loop.h"
#include "transport/io/read_buffer.h"
#include "transport/io/timer_queue.h"
#include "transport/io/write_buffer.h"

namespace culvert::http1 {

class Connection final : public std::enable_shared_from_this<Connection> {
 public:
  // `handler` outlives the connection.
  static std::shared_ptr<Connection> Create(std::unique_ptr<io::ByteStream> stream, const Options& options,
                                            http::Handler& handler);
  ~Connection();

  // Serves the connection until it is over. `self` keeps it alive meanwhile.
  Task<void> Run(std::shared_ptr<Connection> self);

  // After Run: waits for the handler of an exchange that is still held, unless it has taken the stream over.
  Task<void> Released(std::shared_ptr<Connection> self);

  // Graceful end: an exchange in progress is finished, its response says Connection: close if it still can;
  // an idle connection closes.
  void Drain();
  // Ends the connection now; an open exchange is told `why`.
  void Close(const absl::Status& why);

  // Whether it has borrowed memory from the loop's pool: never while it waits for a request.
  bool holds_blocks() const { return !input_.holds_nothing() || (output_ != nullptr && !output_->empty()); }
  // No more bytes either way, or hijacked.
  bool closed() const { return stage_ >= Stage::kHijacked; }
  EventLoop& loop() { return loop_; }
  const std::string& peer() const { return peer_; }

 private:
  friend class ServerExchange;
  using Clock = io::Timer::Clock;

  //   head ──> exchange ──> head        (request read and answered)
  //    │          ├──> discard ──> head (answered, rest of its body unwanted)
  //    └──────────┴──> flushing ──> lingering ──> over
  enum class Stage {
    kHead,       // between requests, or in the middle of a head
    kExchange,   // a handler has a request
    kDiscard,    // the rest of a request body is read and dropped
    kFlushing,   // no further request; the output goes out
    kLingering,  // our side has ended; the peer's is awaited
    kHijacked,   // the stream is someone else's
    kOver,
  };

  Connection(std::unique_ptr<io::ByteStream> stream, const Options& options, http::Handler& handler);

  void ReadOnce();
  bool WantsInput() const;
  void Advance();
  void ScheduleAdvance();
  bool Step();

  void Enter(Stage stage);
  std::optional<std::chrono::milliseconds> Patience() const;
  void WatchPeer();

  bool ReadHead();
  void BeginExchange();
  void BeginHead();
  bool ReadBody();
  size_t BodyWindow() const;
  size_t TakeBody(std::span<const uint8_t>& data, bool& end, absl::Status& error);
  void HandOverBody(std::span<const uint8_t> data, bool end);
  void EndExchange();
  bool Discard();
  bool EndOutput();

  void NoteOutput();
  bool Flush(int& writes);
  void WaitForSocket();
  bool NotifyWritable();

  void OnTimeout();
  void OnWriteTimeout();
  void RespondAndClose(int http_status, std::string_view why);
  void FinishOutput();
  void RefuseBody(int http_status, const absl::Status& why);
  void BreakExchange(const absl::Status& why);
  void Fail(const absl::Status& why);
  void End();
  absl::StatusOr<http::Hijacked> Hijack();

  // Set once in the constructor:
  const Options options_;
  EventLoop& loop_;
  http::Handler& handler_;
  const std::string peer_;
  std::unique_ptr<io::ByteStream> stream_;  // null once hijacked

  // Life:
  Stage stage_ = Stage::kHead;
  bool draining_ = false;
  bool advancing_ = false;  // in Advance: no other is due
  bool advance_scheduled_ = false;
  std::shared_ptr<Connection> self_;  // while the exchange is not released
  io::Timer timer_;                   // what Patience says
  ServerExchange exchange_;

  // Receiving:
  io::ReadBuffer input_;
  RequestParser parser_;
  ChunkedDecoder decoder_;
  BodyKind body_kind_ = BodyKind::kNone;
  uint64_t body_left_ = 0;  // of kLength
  size_t drop_left_ = 0;    // bytes that kDiscard and kLingering still put up with
  bool head_begun_ = true;  // the header deadline runs: the first byte is here, or the connection is new
  bool peer_ended_ = false;
  base::Waiter exchange_released_;    // Released waits for it
  base::Waiter resume_reading_;

  // Sending:
  std::unique_ptr<io::WriteBuffer> output_;  // null once hijacked
  io::Timer write_timer_;
  bool output_full_ = false;  // from output_limit until half of it
  bool write_blocked_ = false;
};

}  // namespace culvert::http1

#endif  // CULVERT_TRANSPORT_HTTP1_CONNECTION_H_
