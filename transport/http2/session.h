#ifndef CULVERT_TRANSPORT_HTTP2_SESSION_H_
#define CULVERT_TRANSPORT_HTTP2_SESSION_H_

// One HTTP/2 connection, of either role (RFC 9113): one design for client and server.
//
//   auto session = Session::Create(Role::kServer, std::move(stream), options, &handler);
//   session->Serve({}, [] { ... });                     // goes on by itself; or co_await session->Run(session);
//
// When there are bytes, Read runs ReadFrame -> OnFrame until they run out. All of them are plain functions, so that no frame is held across a
// wait, and a connection that waits has no coroutine. Everything that is sent while a batch is read leaves in one gathered write after it; what
// is sent at other times leaves at the end of the loop's turn. Sources: session.cc (life), session_recv.cc (the peer did it),
// session_send.cc (we do it), session_held.cc (requests that wait).
//
// Owned by its wait for bytes and, while streams are not yet released, by itself. On its loop's thread alone; no locks. Most connections of a server
// are idle at any time: what few of them need is made when they do.

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "transport/base/task.h"
#include "transport/frame/framer.h"
#include "transport/hpack/encoder.h"
#include "transport/http/exchange.h"
#include "transport/http2/abuse_guard.h"
#include "transport/http2/bandwidth_probe.h"
#include "transport/http2/options.h"
#include "transport/http2/priority.h"
#include "transport/http2/stream.h"
#include "transport/io/byte_stream.h"
#include "transport/io/event_loop.h"
#include "transport/io/timer_queue.h"
#include "transport/io/write_buffer.h"

namespace culvert::http2 {

struct HeldRequests;

class Session final : public std::enable_shared_from_this<Session> {
 public:
  // `handler` answers requests (server; null for a client) and outlives the session.
  static std::shared_ptr<Session> Create(Role role, std::unique_ptr<io::ByteStream> stream, std::shared_ptr<const Options> options,
                                         http::Handler* handler);
  ~Session();

  // Serves the connection, and keeps the session alive, until it is over and every stream is released; then lets go of itself and calls `over`,
  // from the loop. `first` are bytes that were read already, few. If the loop ends before, `over` is destroyed with the session.
  void Serve(std::span<const uint8_t> first, absl::AnyInvocable<void()> over);
  // The same for a Task; returns when the connection is over. `self` is the session, which owns the task meanwhile: a task that in turn owns the
  // session is freed only when the connection is over.
  static Task<void> Run(std::shared_ptr<Session> self);

  // --- client ---

  // Begins a request. Never fails: beyond the peer's MAX_CONCURRENT_STREAMS it waits its turn, and on a dead connection OnClosed follows, from
  // the loop. `head` is copied. `end`: no body and no trailers.
  http::Exchange& Open(const http::RequestHead& head, http::Receiver& receiver, bool end);

  // False once the connection is closed or going away: open new requests elsewhere.
  bool accepts_requests() const { return !closed_ && !going_away_; }
  // Called once from the loop when accepts_requests turns false, with the reason.
  void set_on_unusable(absl::AnyInvocable<void(const absl::Status&)> callback) { client().on_unusable = std::move(callback); }
  // Called once when the peer's SETTINGS have come: the connection really speaks HTTP/2.
  void set_on_ready(absl::AnyInvocable<void()> callback) { client().on_ready = std::move(callback); }

  // --- both ---

  // Graceful end (RFC 9113 6.8): tells the peer to open no more streams, then closes when those in flight are done.
  void Drain();
  // Ends the connection now: GOAWAY, and every open exchange is told `why`.
  void Close(const absl::Status& why);

  bool closed() const { return closed_; }
  // False of an idle connection: it borrows no buffer.
  bool holds_blocks() const { return !framer_.holds_nothing() || !output_.empty(); }
  size_t stream_count() const { return stream_count_; }
  EventLoop& loop() { return loop_; }
  // Shared, so that a call may keep it without a copy. Found out when it is first asked for, or a stream begins.
  const std::shared_ptr<const std::string>& peer() const;

  // One line per stream with its state and windows, and the connection's own: for humans.
  std::string Describe() const;

 private:
  friend class Stream;
  using Clock = io::Timer::Clock;
  static constexpr std::array<uint8_t, 8> kProbePing = {'p', 'r', 'o', 'b', 'i', 'n', 'g', '.'};
  static constexpr std::array<uint8_t, 8> kKeepalivePing = {'s', 't', 'i', 'l', 'l', ' ', 'u', 'p'};
  static constexpr std::array<uint8_t, 8> kDrainPing = {'d', 'r', 'a', 'i', 'n', 'i', 'n', 'g'};

  // What only a client has.
  struct Client {
    absl::AnyInvocable<void(const absl::Status&)> on_unusable;
    absl::AnyInvocable<void()> on_ready;
  };
  // The last streams that we have reset: frames still in flight for them are no error.
  struct RecentlyReset {
    std::array<frame::StreamId, 16> ids{};
    size_t count = 0;  // ever
  };

  Session(Role role, std::unique_ptr<io::ByteStream> stream, std::shared_ptr<const Options> options, http::Handler* handler);

  // --- session.cc: life ---
  Client& client();
  void Read();
  void ReadWhenReadable();
  void ReadLater();
  void OnBytes(size_t n);
  void StartTimer(std::chrono::milliseconds after);
  void OnTimeout();
  std::chrono::milliseconds stall_period() const;
  void WatchStalls();
  bool IsWaiting(const Stream& stream) const;
  bool IsStalled(const Stream& stream) const;
  void ResetStalled();
  void OnSlowHeaderBlock();
  std::chrono::milliseconds watch_period() const;
  void Watch();
  bool IsIdleForLong(Clock::time_point now);
  void BecomeUnusable(const absl::Status& why);
  void FailStream(Stream& stream, const absl::Status& why, bool unprocessed);
  Stream& NewStream(frame::StreamId id, http::Receiver* receiver);
  void CloseOnWire(Stream& stream);
  void Forget(Stream& stream);
  void CloseIfDrained();
  void EndDrain();
  static Task<void> Linger(std::shared_ptr<Session> self);
  void EndIfReleased();
  Stream* Find(frame::StreamId id) const;

  // --- session_held.cc: requests that wait ---
  HeldRequests& Holding();
  void HoldEnd(Stream& stream);
  void ScheduleHeld();
  void StartHeld();
  void RefuseHeld();

  // --- session_recv.cc: the peer did it; plain functions all ---
  void PrefetchStreams() const;
  absl::Status ConsumeFrames();
  absl::Status OnFrame(const frame::Frame& frame);
  absl::Status OnData(const frame::FrameHeader& header, const frame::DataFrame& data);
  absl::Status OnHeaders(const frame::FrameHeader& header, const frame::HeadersFrame& headers);
  absl::Status OnRequest(const frame::FrameHeader& header, const frame::HeadersFrame& headers);
  size_t header_budget() const { return options_.header_budget_per_stream * options_.max_concurrent_streams; }
  bool over_send_queue_budget() const { return queued_ > options_.send_queue_budget && role_ == Role::kServer; }
  absl::Status OnResponse(Stream& stream, const frame::HeadersFrame& headers);
  absl::Status OnTrailers(Stream& stream, const frame::HeadersFrame& headers);
  absl::Status OnRstStream(const frame::FrameHeader& header, const frame::RstStreamFrame& reset);
  absl::Status OnSettings(const frame::SettingsFrame& settings);
  absl::Status AdjustSendWindows(uint32_t initial_window);
  absl::Status OnPing(const frame::PingFrame& ping);
  absl::Status OnGoAway(const frame::GoAwayFrame& goaway);
  absl::Status OnWindowUpdate(const frame::FrameHeader& header, const frame::WindowUpdateFrame& update);
  absl::Status OnPriorityUpdate(const frame::PriorityUpdateFrame& update);
  Priority PriorityOf(frame::StreamId id, std::span<const http::HeaderField> fields);
  absl::Status OnStreamError(const frame::WireError& error, const absl::Status& why);
  void OnPeerEnd(Stream& stream);
  void CreditConnection(uint32_t n);
  bool IsIdle(frame::StreamId id) const;
  bool MayBeInFlight(frame::StreamId id) const;

  // --- session_send.cc: we do it ---
  void SendPreface();
  void SendHeaders(Stream& stream, std::span<const http::HeaderField> fields, bool end);
  bool MayOpen() const;
  void OpenStream(Stream& stream, std::span<const http::HeaderField> fields, bool end);
  void OpenPending();
  void RefuseUnopened(std::string_view why);
  void SendRstStream(frame::StreamId id, frame::ErrorCode code);
  void SendGoAway(frame::StreamId last, frame::ErrorCode code, std::string_view debug);
  void EndOnSend(Stream& stream);
  void Enqueue(Stream& stream, io::SharedBytes bytes, bool end);
  void MakeReady(Stream& stream);
  void SetPriority(Stream& stream, Priority priority);
  bool SendQueued(Stream& stream);
  void Unqueue(size_t n);
  bool MayTell() const;
  bool FillOutput();
  void ScheduleFlush();
  void Flush();
  void WaitForSocket();
  bool NotifyWritable();
  bool HasRoom() const { return output_.size() < options_.output_budget; }
  void TraceOutput();

  // Set once in the constructor:
  const Role role_;
  const std::shared_ptr<const Options> shared_options_;  // by all connections of a server
  const Options& options_;
  EventLoop& loop_;
  http::Handler* const handler_;
  mutable std::shared_ptr<const std::string> peer_;
  std::unique_ptr<io::ByteStream> stream_;

  // Life:
  bool started_ = false;
  bool lingered_ = false;     // nothing is read any more
  bool closed_ = false;       // no more frames either way
  bool going_away_ = false;   // GOAWAY sent or received
  bool draining_ = false;     // Drain was called
  bool settings_received_ = false;
  bool settings_acked_ = false;
  bool peer_no_rfc7540_ = false;  // its SETTINGS_NO_RFC7540_PRIORITIES, which may not change
  std::shared_ptr<Session> self_;  // while streams are not released
  absl::AnyInvocable<void()> over_;
  std::unique_ptr<Client> client_;
  std::unique_ptr<io::Timer> timer_;               // handshake, then write stall
  std::unique_ptr<io::Timer> stall_timer_;         // every stall_period(), while streams wait to send
  std::unique_ptr<io::Timer> header_block_timer_;  // while a header block is open
  io::Timer watch_timer_;          // every watch_period(), for the two below, and after a PING
  bool heard_ = false;             // a byte, since the watch timer last ran
  bool pinged_ = false;            // and then asked for one
  bool had_stream_ = false;            // when it last ran
  frame::StreamId idle_since_id_ = 0;  // last_peer_id_ then
  Clock::time_point quiet_since_;  // its last run that found a byte heard
  Clock::time_point idle_since_;   // its last run that found a stream, or that there had been one

  // Streams:
  absl::flat_hash_map<frame::StreamId, Stream*> streams_;  // those with an id, until released; owned
  base::IntrusiveList<Stream, &Stream::all_> all_;                         // and those without
  base::IntrusiveList<Stream, &Stream::unopened_> unopened_;
  uint32_t stream_count_ = 0;  // not yet released
  uint32_t open_count_ = 0;    // client: opened and not yet closed on the wire
  size_t header_bytes_ = 0;    // of requests, which their handlers may keep until they release them, and of trailers that are held
  frame::StreamId next_id_;    // client: of the next request
  frame::StreamId last_peer_id_ = 0;  // server: the highest the client has opened
  frame::StreamId goaway_last_ = frame::kMaxStreamId;  // streams above it are ignored (ours sent) or refused (theirs)
  std::unique_ptr<RecentlyReset> recently_reset_;

  // Receiving:
  frame::Framer framer_;
  ReceiveWindow receive_window_;
  BandwidthProbe probe_;
  uint64_t unconsumed_ = 0;       // over all streams
  uint64_t unfinished_ = 0;       // likewise: see Stream::unfinished_
  uint32_t withheld_credit_ = 0;  // of the connection's window, while much is unconsumed; see CreditConnection
  AbuseGuard guard_;
  bool reading_batch_ = false;
  bool reading_paused_ = false;  // until our answers are taken

  // Sending:
  hpack::Encoder encoder_;
  io::WriteBuffer output_;
  SendWindow send_window_{frame::kDefaultWindow};
  uint32_t peer_initial_window_ = frame::kDefaultWindow;
  uint32_t peer_max_frame_size_ = frame::kMinMaxFrameSize;
  uint32_t peer_max_streams_ = 100;  // until its SETTINGS tell
  Turns<&Stream::ready_> ready_;
  Turns<&Stream::waiting_> waiting_;
  std::unique_ptr<EarlyPriorities> early_priorities_;  // while something was said of streams that are not open yet
  size_t queued_ = 0;  // bytes, over all streams; lessened by Unqueue
  std::unique_ptr<HeldRequests> held_requests_;  // while there are some, see send_queue_budget
  bool flush_scheduled_ = false;
  bool flushing_ = false;
  bool notifying_ = false;
  bool write_blocked_ = false;
  bool starved_ = false;  // a stream that wants OnWritable needs more than the connection's window has
  size_t traced_ = 0;  // bytes of output_ already described under CULVERT_DEBUG=frames
};

}  // namespace culvert::http2

#endif  // CULVERT_TRANSPORT_HTTP2_SESSION_H_
