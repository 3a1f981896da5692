#include "transport/http2/session.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "transport/base/check.h"
#include "transport/base/limit_counts.h"
#include "transport/base/log.h"
#include "transport/base/spawn.h"
#include "transport/base/strings.h"
#include "transport/frame/error.h"
#include "transport/frame/serialize.h"
#include "transport/http2/errors.h"
#include "transport/http2/held_request.h"
#include "transport/io/wait.h"

namespace culvert::http2 {

namespace {

constexpr std::chrono::milliseconds kLinger{1000};
constexpr size_t kLingerBytes = 1024 * 1024;

frame::Framer::Options FramerOptions(Role role, const Options& options) {
  frame::Framer::Options out;
  out.max_frame_size = options.max_frame_size;
  out.max_header_list_size = options.max_header_list_size;
  out.max_header_fields = options.max_header_fields;
  out.header_table_size = options.header_table_size;
  out.expect_preface = role == Role::kServer;
  return out;
}

// 0 would say that Watch has nothing to come back for.
std::chrono::milliseconds AnswerTime(const Options& options) {
  return options.keepalive_timeout.count() > 0 ? options.keepalive_timeout : Options().keepalive_timeout;
}

std::string_view StateName(StreamState state) {
  switch (state) {
    case StreamState::kIdle:
      return "idle";
    case StreamState::kOpen:
      return "open";
    case StreamState::kHalfClosedLocal:
      return "half-closed (local)";
    case StreamState::kHalfClosedRemote:
      return "half-closed (remote)";
    case StreamState::kClosed:
      return "closed";
  }
  __builtin_unreachable();
}

}  // namespace

std::shared_ptr<Session> Session::Create(Role role, std::unique_ptr<io::ByteStream> stream, std::shared_ptr<const Options> options,
                                         http::Handler* handler) {
  return std::shared_ptr<Session>(new Session(role, std::move(stream), std::move(options), handler));
}

Session::Session(Role role, std::unique_ptr<io::ByteStream> stream, std::shared_ptr<const Options> options, http::Handler* handler)
    : role_(role),
      shared_options_(std::move(options)),
      options_(*shared_options_),
      loop_(stream->loop()),
      handler_(handler),
      stream_(std::move(stream)),
      watch_timer_(loop_.timers(), [](void* self) { static_cast<Session*>(self)->Watch(); }, this),
      next_id_(role == Role::kClient ? 1 : 2),
      framer_(loop_.blocks(), FramerOptions(role, options_)),
      receive_window_(frame::kDefaultWindow),
      probe_(options_.initial_window, options_.max_window),
      encoder_(options_.encoder_table_size),
      output_(loop_.blocks()) {}

Session::~Session() {
  CULVERT_DCHECK(all_.empty(), "session destroyed while a receiver holds a stream");
}

Session::Client& Session::client() {
  if (client_ == nullptr) client_ = std::make_unique<Client>();
  return *client_;
}

const std::shared_ptr<const std::string>& Session::peer() const {
  if (peer_ == nullptr) peer_ = std::make_shared<const std::string>(stream_->peer());
  return peer_;
}

void Session::Serve(std::span<const uint8_t> first, absl::AnyInvocable<void()> over) {
  over_ = std::move(over);
  started_ = true;
  if (!closed_) {
    StartTimer(options_.handshake_timeout);
    idle_since_ = quiet_since_ = Clock::now();
    if (watch_period().count() > 0) watch_timer_.Start(idle_since_ + watch_period());
    SendPreface();
    OpenPending();
    Flush();
  }
  if (!closed_ && !first.empty()) {
    std::copy(first.begin(), first.end(), framer_.Space().begin());
    OnBytes(first.size());
  }
  Read();
}

Task<void> Session::Run(std::shared_ptr<Session> self) {
  // Nothing of this frame, which `over` owns, keeps the session: it keeps itself.
  co_await base::Suspend([&self](auto resume) { std::exchange(self, nullptr)->Serve({}, std::move(resume)); });
}

// Reads what there is, once, answers, and sees to it that it is called again until the connection is over.
void Session::Read() {
  if (!closed_ && output_.size() > 4 * options_.output_budget) {
    // The peer makes us answer and does not read the answers: it is not read either.
    base::CountLimit("output_stalled");
    reading_paused_ = true;  // Flush ends it, or Close
    framer_.Park();
    return;
  }
  bool more = false;
  if (!closed_) {
    const std::span<uint8_t> space = framer_.Space();
    const io::IoResult result = stream_->TryRead(space);
    if (result.kind == io::IoResult::Kind::kBytes) {
      more = result.bytes == space.size();
      OnBytes(result.bytes);
    } else if (result.kind == io::IoResult::Kind::kEnd) {
      Close(absl::UnavailableError("connection closed by the peer"));
    } else if (result.kind == io::IoResult::Kind::kError) {
      Close(absl::UnavailableError(StrCat("connection lost: ", result.error.message())));
    }
  }
  framer_.Park();
  if (closed_) {
    base::Spawn(loop_.executor(), Linger(shared_from_this()), [](std::exception_ptr) {});
  } else if (more) {
    ReadLater();  // not before others on the loop had their turn
  } else {
    ReadWhenReadable();
  }
}

void Session::ReadWhenReadable() {
  stream_->AsyncWait(io::Direction::kRead, [self = shared_from_this()](std::error_code error) {
    if (error && !self->closed_) self->Close(absl::CancelledError("the event loop is shutting down"));
    self->Read();
  });
}

void Session::ReadLater() {
  loop_.Post([self = shared_from_this()] { self->Read(); });
}

// The peer has sent n bytes more, which are in the framer's space.
void Session::OnBytes(size_t n) {
  heard_ = true;
  framer_.Feed(n);
  reading_batch_ = true;
  const absl::Status status = ConsumeFrames();
  reading_batch_ = false;
  if (!status.ok()) return Close(status);
  if (ABSL_PREDICT_FALSE(framer_.in_header_block()) && header_block_timer_ == nullptr && !closed_) {
    header_block_timer_ =
        std::make_unique<io::Timer>(loop_.timers(), [](void* session) { static_cast<Session*>(session)->OnSlowHeaderBlock(); }, this);
    header_block_timer_->Start(Clock::now() + options_.header_block_timeout);
  }
  Flush();
}

// After a GOAWAY the peer's last bytes must be taken from the socket, or closing it would destroy the GOAWAY in flight.
Task<void> Session::Linger(std::shared_ptr<Session> self) {
  frame::Framer& framer = self->framer_;
  io::ByteStream& stream = *self->stream_;
  bool timed_out = false;
  std::pair<bool*, io::ByteStream*> waiting{&timed_out, &stream};
  io::Timer timer(
      self->loop_.timers(),
      [](void* them) {
        const auto& [flag, waited_for] = *static_cast<std::pair<bool*, io::ByteStream*>*>(them);
        *flag = true;
        waited_for->CancelWaits();
      },
      &waiting);
  timer.Start(Clock::now() + kLinger);
  size_t left = kLingerBytes;
  while (!timed_out && left > 0) {
    const io::IoResult result = stream.TryRead(framer.Space());
    framer.Park();
    if (result.kind == io::IoResult::Kind::kBytes) {
      left -= std::min(left, result.bytes);
    } else if (result.kind == io::IoResult::Kind::kWouldBlock) {
      std::error_code error;
      co_await io::Wait(stream, io::Direction::kRead, error);
      if (error) break;
    } else {
      break;
    }
  }
  if (timed_out || left == 0) base::CountLimit("linger");
  stream.Close();
  self->lingered_ = true;
  self->EndIfReleased();
}

// A connection lasts as long as its handlers: who waits for its end has then seen theirs.
void Session::EndIfReleased() {
  if (!lingered_ || !all_.empty() || !over_) return;
  loop_.Post([over = std::move(over_), self = shared_from_this()]() mutable {
    self.reset();
    over();
  });
  over_ = nullptr;
}

void Session::StartTimer(std::chrono::milliseconds after) {
  if (timer_ == nullptr) {
    timer_ = std::make_unique<io::Timer>(loop_.timers(), [](void* self) { static_cast<Session*>(self)->OnTimeout(); }, this);
  }
  timer_->Start(Clock::now() + after);
}

void Session::OnTimeout() {
  if (!settings_received_) {
    Close(frame::ConnectionError(frame::ErrorCode::kSettingsTimeout, "settings_timeout",
                                 StrCat("no SETTINGS within ", options_.handshake_timeout.count(), " ms")));
  } else if (write_blocked_) {
    base::CountLimit("write_timeout");
    Close(absl::UnavailableError(StrCat("the peer took no bytes for ", options_.write_timeout.count(), " ms")));
    stream_->Close();
  }
}

// How often ResetStalled looks: seldom, and often enough that Stream::stalled_ can count as far as the longer of the two time-outs.
std::chrono::milliseconds Session::stall_period() const {
  constexpr int kMostRuns = 200;
  const std::chrono::milliseconds released = options_.stall_timeout;
  const std::chrono::milliseconds held = options_.write_stall_timeout.count() > 0 ? options_.write_stall_timeout : released;
  return std::max(std::min(released, held) / 2, std::max(released, held) / kMostRuns + std::chrono::milliseconds(1));
}

void Session::WatchStalls() {
  if (role_ != Role::kServer || closed_) return;
  if (stall_timer_ == nullptr) {
    stall_timer_ = std::make_unique<io::Timer>(loop_.timers(), [](void* self) { static_cast<Session*>(self)->ResetStalled(); }, this);
  }
  if (!stall_timer_->running()) stall_timer_->Start(Clock::now() + stall_period());
}

// Whether the stream has something to send, or a handler that waits to: it may yet come to stand still.
bool Session::IsWaiting(const Stream& stream) const {
  if (stream.released_) return stream.state_ != StreamState::kClosed;
  return options_.write_stall_timeout.count() > 0 && CanSend(stream.state_) && (stream.queue_ != nullptr || stream.wants_writable_);
}

// Whether only the peer decides when the stream goes on. Of a handler's it is the windows alone that count: one of them is used up.
bool Session::IsStalled(const Stream& stream) const {
  return IsWaiting(stream) && (stream.released_ || std::min(send_window_.available(), stream.send_window_.available()) <= 0);
}

// Released streams hold whole responses, and others a handler that waits in Write, as long as the peer's windows let nothing out. What several runs
// in a row find where it was, the peer does not want any more; whatever goes out (SendQueued) or is let in (NotifyWritable) begins anew.
void Session::ResetStalled() {
  const std::shared_ptr<Session> self = shared_from_this();
  const Clock::time_point due = stall_timer_->when();
  const std::chrono::milliseconds period = stall_period();
  // First all are counted and then some are reset: a receiver that hears of its end may release others.
  for (Stream* s = all_.front(); s != nullptr; s = s->all_.next) s->stalled_ = static_cast<uint8_t>(IsStalled(*s) ? s->stalled_ + 1 : 0);
  bool more = false;
  for (size_t left = stream_count_; left > 0 && !all_.empty(); --left) {
    Stream& stream = *all_.PopFront();
    all_.PushBack(&stream);
    if (!IsWaiting(stream)) continue;
    const std::chrono::milliseconds patience = stream.released_ ? options_.stall_timeout / 2 : options_.write_stall_timeout;
    if (stream.stalled_ == 0 || (stream.stalled_ - 1) * period < patience) {
      more = true;
      continue;
    }
    base::CountLimit(stream.released_ ? "stalled_response" : "write_stall_timeout");
    SendRstStream(stream.id_, frame::ErrorCode::kCancel);
    // Cancelled, as by a reset of the peer's own: it is there, and does not want the response any more.
    FailStream(stream, absl::CancelledError(StrCat("the peer's windows let nothing out for ", patience.count(), " ms")), false);
  }
  if (closed_) return;
  if (more) {
    stall_timer_->Start(std::max(due + period, Clock::now()));  // see Watch
  } else if (!stall_timer_->running()) {
    stall_timer_.reset();
  }
}

void Session::OnSlowHeaderBlock() {
  Close(frame::ConnectionError(frame::ErrorCode::kEnhanceYourCalm, "slow_header_block", "a header block is not ended in time"));
}

// How often Watch looks: by flags that cost nothing meanwhile, not by the clock.
std::chrono::milliseconds Session::watch_period() const {
  const std::chrono::milliseconds keepalive = options_.keepalive_time;
  const std::chrono::milliseconds idle = role_ == Role::kServer ? options_.idle_timeout / 2 : std::chrono::milliseconds(0);
  return keepalive.count() > 0 && idle.count() > 0 ? std::min(keepalive, idle) : std::max(keepalive, idle);
}

void Session::Watch() {
  const std::shared_ptr<Session> self = shared_from_this();
  const Clock::time_point due = watch_timer_.when();
  if (draining_ && role_ == Role::kServer && goaway_last_ == frame::kMaxStreamId) EndDrain();
  const bool asks = options_.keepalive_time.count() > 0 && (role_ == Role::kServer || stream_count_ > 0);
  if (asks && !heard_ && pinged_) {
    base::CountLimit("keepalive_timeout");
    return Close(absl::UnavailableError(StrCat("no answer to a PING within ", AnswerTime(options_).count(), " ms")));
  }
  if (std::exchange(heard_, false)) quiet_since_ = due;
  pinged_ = asks && due - quiet_since_ >= options_.keepalive_time;
  if (pinged_) {
    frame::AppendPing(output_, kKeepalivePing, false);
    ScheduleFlush();
  } else if (role_ == Role::kServer && !draining_ && IsIdleForLong(due)) {
    base::CountLimit("idle_timeout");
    Drain();
  }
  const bool asked = pinged_ || (draining_ && goaway_last_ == frame::kMaxStreamId);  // by a PING
  const auto next = asked ? AnswerTime(options_) : watch_period();
  // Not in the past: after a process stood still, what the peer sent meanwhile is read before the next look.
  if (next.count() > 0) watch_timer_.Start(std::max(due + next, Clock::now()));
}

// A stream that was there at the last look, or that has come since, may have ended only just now.
bool Session::IsIdleForLong(Clock::time_point now) {
  if (had_stream_ || stream_count_ > 0 || last_peer_id_ != idle_since_id_) idle_since_ = now;
  had_stream_ = stream_count_ > 0;
  idle_since_id_ = last_peer_id_;
  return options_.idle_timeout.count() > 0 && now - idle_since_ >= options_.idle_timeout;
}

void Session::BecomeUnusable(const absl::Status& why) {
  if (client_ == nullptr || client_->on_unusable == nullptr) return;
  auto callback = std::exchange(client_->on_unusable, nullptr);
  callback(why);
}

Stream* Session::Find(frame::StreamId id) const {
  const auto it = streams_.find(id);
  return it == streams_.end() ? nullptr : it->second;
}

Stream& Session::NewStream(frame::StreamId id, http::Receiver* receiver) {
  peer();  // as long as it can be found out
  const ReceiveWindow window(options_.initial_window, settings_acked_ ? 0 : frame::kDefaultWindow);
  auto* stream = new Stream(*this, id, peer_initial_window_, window);
  stream->receiver_ = receiver;
  all_.PushBack(stream);
  ++stream_count_;
  if (id != 0) streams_.emplace(id, stream);
  if (self_ == nullptr) self_ = shared_from_this();
  return *stream;
}

// The stream is over on the wire, either way. It stays in the table until it is released.
void Session::CloseOnWire(Stream& stream) {
  if (stream.state_ == StreamState::kClosed) return;
  stream.state_ = StreamState::kClosed;
  if (stream.queue_ != nullptr) Unqueue(stream.queue_->bytes);
  stream.queue_.reset();
  stream.opening_.reset();
  ready_.Remove(&stream);
  waiting_.Remove(&stream);
  unopened_.Remove(&stream);
  if (role_ == Role::kClient && stream.id_ != 0) {
    --open_count_;
    if (!unopened_.empty()) ScheduleFlush();  // opens the next
  }
}

// Closes the stream and tells its receiver; a stream that was released already is forgotten. `stream` may be gone afterwards.
void Session::FailStream(Stream& stream, const absl::Status& why, bool unprocessed) {
  CloseOnWire(stream);
  if (stream.released_) {
    Forget(stream);
  } else if (stream.receiver_ != nullptr) {
    stream.receiver_->OnClosed(why, unprocessed);
  }
}

// Frees a stream that nobody holds. May destroy the session, when it is over and this was its last stream.
void Session::Forget(Stream& stream) {
  ready_.Remove(&stream);
  waiting_.Remove(&stream);
  unopened_.Remove(&stream);
  all_.Remove(&stream);
  if (stream.id_ != 0) streams_.erase(stream.id_);
  --stream_count_;
  header_bytes_ -= stream.head_bytes_;
  delete &stream;
  if (!all_.empty()) return;
  if (draining_ && !closed_) ScheduleFlush();  // closes
  const std::shared_ptr<Session> last = std::move(self_);
  EndIfReleased();
}

void Session::CloseIfDrained() {
  if (draining_ && !closed_ && all_.empty() && output_.empty() && goaway_last_ != frame::kMaxStreamId) {
    Close(absl::UnavailableError("connection drained"));
  }
}

void Session::Drain() {
  if (draining_ || closed_) return;
  draining_ = true;
  going_away_ = true;
  BecomeUnusable(absl::UnavailableError("connection is draining"));
  if (role_ == Role::kClient) {
    goaway_last_ = 0;
    SendGoAway(0, frame::ErrorCode::kNoError, "");
    ScheduleFlush();
    RefuseUnopened("the connection is draining");
  } else {
    // RFC 9113 6.8: first announce, then, a round trip later, say which streams were the last.
    SendGoAway(frame::kMaxStreamId, frame::ErrorCode::kNoError, "draining");
    frame::AppendPing(output_, kDrainPing, false);
    watch_timer_.Start(Clock::now() + AnswerTime(options_));  // for a peer that does not answer
    ScheduleFlush();
  }
}

// The peer knows of the first GOAWAY, or had the time to: a server's second one.
void Session::EndDrain() {
  goaway_last_ = last_peer_id_;
  SendGoAway(goaway_last_, frame::ErrorCode::kNoError, "draining");
  ScheduleFlush();
}

void Session::Close(const absl::Status& why) {
  if (closed_) return;
  const std::shared_ptr<Session> self = shared_from_this();
  closed_ = true;
  timer_.reset();
  stall_timer_.reset();
  header_block_timer_.reset();
  watch_timer_.Cancel();
  if (held_requests_ != nullptr) held_requests_->timer.Cancel();
  const std::optional<frame::WireError> wire = frame::GetWireError(why);
  if (wire) base::CountLimit(wire->token);
  if (base::DebugEnabled(base::Topic::kConnections)) {
    base::LogLine(StrCat(*peer(), role_ == Role::kClient ? " client" : " server", " closed: ", ToStd(why.message())));
  }
  if (started_ && !write_blocked_) {
    SendGoAway(std::min(last_peer_id_, goaway_last_), wire ? wire->code : frame::ErrorCode::kNoError,
               wire ? ToStd(why.message()) : std::string_view());
    Flush();
  }
  stream_->ShutdownWrite();
  stream_->CancelWaits();
  // What the parties above hear: the connection is gone, whatever the reason.
  const absl::Status told(wire ? absl::StatusCode::kInternal : absl::StatusCode::kUnavailable, why.message());
  BecomeUnusable(told);
  // Each stream once, whatever the receivers do to the others meanwhile.
  for (size_t left = stream_count_; left > 0 && !all_.empty(); --left) {
    Stream& stream = *all_.PopFront();
    all_.PushBack(&stream);
    // One that is complete on the wire may still be held, and its receiver wait for an end.
    if (stream.state_ != StreamState::kClosed || stream.request_held_) FailStream(stream, told, stream.id_ == 0);
  }
  if (std::exchange(reading_paused_, false)) ReadLater();
}

std::string Session::Describe() const {
  std::string out = StrCat(*peer(), role_ == Role::kClient ? " client" : " server", closed_ ? " closed" : going_away_ ? " going away" : "",
                           " streams=", stream_count_, " send_window=", send_window_.available(), " output=", output_.size(),
                           " unconsumed=", unconsumed_, " unfinished=", unfinished_, " queued=", queued_, write_blocked_ ? " write blocked" : "");
  for (const Stream* s = all_.front(); s != nullptr; s = s->all_.next) {
    out += StrCat("\n  stream ", s->id_, " ", StateName(s->state_), " send_window=", s->send_window_.available(),
                  " queued=", s->queue_ ? s->queue_->bytes : 0, " unconsumed=", s->unconsumed_,
                  s->released_ ? " released" : "");
    if (s->request_held_) out += " request held";
    if (s->priority_ != kUnsignalled) out += StrCat(" urgency=", int{s->priority_.urgency}, s->priority_.incremental ? " incremental" : "");
  }
  return out;
}

}  // namespace culvert::http2
