#include "transport/http2/session.h"

#include <algorithm>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>
#include <utility>

#include "transport/base/check.h"
#include "transport/base/limit_counts.h"
#include "transport/base/log.h"
#include "transport/base/strings.h"
#include "transport/frame/error.h"
#include "transport/frame/serialize.h"
#include "transport/http2/errors.h"
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

std::shared_ptr<Session> Session::Create(Role role, std::unique_ptr<io::ByteStream> stream, const Options& options,
                                         http::Handler* handler) {
  return std::shared_ptr<Session>(new Session(role, std::move(stream), options, handler));
}

Session::Session(Role role, std::unique_ptr<io::ByteStream> stream, const Options& options, http::Handler* handler)
    : role_(role),
      options_(options),
      loop_(stream->loop()),
      handler_(handler),
      peer_(std::make_shared<const std::string>(stream->peer())),
      stream_(std::move(stream)),
      timer_(loop_.timers(), [](void* self) { static_cast<Session*>(self)->OnTimeout(); }, this),
      stall_timer_(loop_.timers(), [](void* self) { static_cast<Session*>(self)->ResetStalled(); }, this),
      header_block_timer_(loop_.timers(), [](void* self) { static_cast<Session*>(self)->OnSlowHeaderBlock(); }, this),
      watch_timer_(loop_.timers(), [](void* self) { static_cast<Session*>(self)->Watch(); }, this),
      next_id_(role == Role::kClient ? 1 : 2),
      framer_(loop_.blocks(), FramerOptions(role, options)),
      receive_window_(frame::kDefaultWindow),
      probe_(options.initial_window, options.max_window),
      encoder_(options.encoder_table_size),
      output_(loop_.blocks()) {}

Session::~Session() {
  CULVERT_DCHECK(all_.empty(), "session destroyed while a receiver holds a stream");
}

void Session::Start() {
  started_ = true;
  const Clock::time_point now = Clock::now();
  timer_.Start(now + options_.handshake_timeout);
  if (watch_period().count() > 0) watch_timer_.Start(now + watch_period());
  SendPreface();
  OpenPending();
  Flush();
}

Task<void> Session::Run([[maybe_unused]] std::shared_ptr<Session> self) {
  if (!started_) Start();
  while (!closed_) {
    if (output_.size() > 4 * options_.output_budget) {
      // The peer makes us answer and does not read the answers: it is not read either.
      base::CountLimit("output_stalled");
      framer_.Park();
      co_await reading_resumed_.Wait();
      continue;
    }
    const std::span<uint8_t> space = framer_.Space();
    const io::IoResult result = stream_->TryRead(space);
    if (result.kind == io::IoResult::Kind::kBytes) {
      heard_ = true;
      framer_.Feed(result.bytes);
      reading_batch_ = true;
      const absl::Status status = ConsumeFrames();
      reading_batch_ = false;
      if (!status.ok()) {
        Close(status);
        break;
      }
      if (ABSL_PREDICT_FALSE(framer_.in_header_block() != header_block_timer_.running())) {
        if (framer_.in_header_block()) {
          header_block_timer_.Start(Clock::now() + options_.header_block_timeout);
        } else {
          header_block_timer_.Cancel();
        }
      }
      Flush();
      if (closed_) break;
      if (result.bytes == space.size()) {  // there may be more, but not before others on the loop had their turn
        framer_.Park();
        co_await asio::post(loop_.executor(), asio::use_awaitable);
        continue;
      }
    } else if (result.kind == io::IoResult::Kind::kEnd) {
      Close(absl::UnavailableError("connection closed by the peer"));
      break;
    } else if (result.kind == io::IoResult::Kind::kError) {
      Close(absl::UnavailableError(StrCat("connection lost: ", result.error.message())));
      break;
    }
    framer_.Park();
    std::error_code error;
    co_await io::Wait(*stream_, io::Direction::kRead, error);
    if (error && !closed_) Close(absl::CancelledError("the event loop is shutting down"));
  }
  co_await Linger();
  // A connection lasts as long as its handlers: who waits for its end has then seen theirs.
  if (!all_.empty()) co_await all_released_.Wait();
}

// After a GOAWAY the peer's last bytes must be taken from the socket, or closing it would destroy the GOAWAY in flight.
Task<void> Session::Linger() {
  framer_.Park();
  bool timed_out = false;
  std::pair<bool*, io::ByteStream*> waiting{&timed_out, stream_.get()};
  io::Timer timer(
      loop_.timers(),
      [](void* self) {
        auto& [flag, stream] = *static_cast<std::pair<bool*, io::ByteStream*>*>(self);
        *flag = true;
        stream->CancelWaits();
      },
      &waiting);
  timer.Start(Clock::now() + kLinger);
  size_t left = kLingerBytes;
  while (!timed_out && left > 0) {
    const io::IoResult result = stream_->TryRead(framer_.Space());
    framer_.Park();
    if (result.kind == io::IoResult::Kind::kBytes) {
      left -= std::min(left, result.bytes);
    } else if (result.kind == io::IoResult::Kind::kWouldBlock) {
      std::error_code error;
      co_await io::Wait(*stream_, io::Direction::kRead, error);
      if (error) break;
    } else {
      break;
    }
  }
  if (timed_out || left == 0) base::CountLimit("linger");
  stream_->Close();
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

// Released streams hold whole responses, and only the peer's windows decide when those are gone. Of what two runs in a row find where it was, the
// peer does not want any more.
void Session::ResetStalled() {
  const std::shared_ptr<Session> self = shared_from_this();
  bool more = false;
  for (size_t left = stream_count_; left > 0 && !all_.empty(); --left) {
    Stream& stream = *all_.PopFront();
    all_.PushBack(&stream);
    if (!stream.released_ || stream.state_ == StreamState::kClosed) continue;
    if (std::exchange(stream.stalled_, true)) {
      base::CountLimit("stalled_response");
      SendRstStream(stream.id_, frame::ErrorCode::kCancel);
      FailStream(stream, absl::UnavailableError("stalled"), false);
    } else {
      more = true;
    }
  }
  if (more) stall_timer_.Start(stall_timer_.when() + options_.stall_timeout / 2);
}

void Session::OnSlowHeaderBlock() {
  Close(frame::ConnectionError(frame::ErrorCode::kEnhanceYourCalm, "slow_header_block", "a header block is not ended in time"));
}

// How often Watch looks: by flags that cost nothing meanwhile, not by the clock.
std::chrono::milliseconds Session::watch_period() const {
  if (options_.keepalive_time.count() > 0) return options_.keepalive_time;
  return role_ == Role::kServer ? options_.idle_timeout / 2 : std::chrono::milliseconds(0);
}

void Session::Watch() {
  const std::shared_ptr<Session> self = shared_from_this();
  const Clock::time_point due = watch_timer_.when();
  if (draining_ && role_ == Role::kServer && goaway_last_ == frame::kMaxStreamId) EndDrain();
  const bool asks = options_.keepalive_time.count() > 0 && (role_ == Role::kServer || stream_count_ > 0);
  if (asks && !heard_ && pinged_) {
    base::CountLimit("keepalive_timeout");
    return Close(absl::UnavailableError(StrCat("no answer to a PING within ", options_.keepalive_timeout.count(), " ms")));
  }
  pinged_ = asks && !heard_;
  heard_ = false;
  if (pinged_) {
    frame::AppendPing(output_, kKeepalivePing, false);
    ScheduleFlush();
  } else if (role_ == Role::kServer && !draining_ && IsIdleForLong()) {
    base::CountLimit("idle_timeout");
    Drain();
  }
  const bool asked = pinged_ || (draining_ && goaway_last_ == frame::kMaxStreamId);  // by a PING
  const auto next = asked ? options_.keepalive_timeout : watch_period();
  if (next.count() > 0) watch_timer_.Start(due + next);
}

bool Session::IsIdleForLong() {
  const bool idle = stream_count_ == 0 && last_peer_id_ == idle_since_id_;
  idle_since_id_ = last_peer_id_;
  idle_periods_ = idle ? idle_periods_ + 1 : 0;
  return options_.idle_timeout.count() > 0 && idle_periods_ * watch_period() >= options_.idle_timeout;
}

void Session::BecomeUnusable(const absl::Status& why) {
  if (on_unusable_ == nullptr) return;
  auto callback = std::move(on_unusable_);
  on_unusable_ = nullptr;
  callback(why);
}

Stream* Session::Find(frame::StreamId id) {
  const auto it = streams_.find(id);
  return it == streams_.end() ? nullptr : it->second;
}

Stream& Session::NewStream(frame::StreamId id, http::Receiver* receiver) {
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
  if (stream.queue_ != nullptr) queued_ -= stream.queue_->bytes;
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
  if (closed_) all_released_.Wake();
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
    watch_timer_.Start(Clock::now() + options_.keepalive_timeout);  // for a peer that does not answer
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
  timer_.Cancel();
  stall_timer_.Cancel();
  header_block_timer_.Cancel();
  watch_timer_.Cancel();
  const std::optional<frame::WireError> wire = frame::GetWireError(why);
  if (wire) base::CountLimit(wire->token);
  if (base::DebugEnabled(base::Topic::kConnections)) {
    base::LogLine(StrCat(*peer_, role_ == Role::kClient ? " client" : " server", " closed: ", ToStd(why.message())));
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
    if (stream.state_ != StreamState::kClosed) FailStream(stream, told, stream.id_ == 0);
  }
  reading_resumed_.Wake();
}

std::string Session::Describe() const {
  std::string out = StrCat(*peer_, role_ == Role::kClient ? " client" : " server", closed_ ? " closed" : going_away_ ? " going away" : "",
                           " streams=", stream_count_, " send_window=", send_window_.available(), " output=", output_.size(),
                           " unconsumed=", unconsumed_, " queued=", queued_, write_blocked_ ? " write blocked" : "");
  for (const Stream* s = all_.front(); s != nullptr; s = s->all_.next) {
    out += StrCat("\n  stream ", s->id_, " ", StateName(s->state_), " send_window=", s->send_window_.available(),
                  " queued=", s->queue_ ? s->queue_->bytes : 0, " unconsumed=", s->unconsumed_,
                  s->released_ ? " released" : "");
    if (s->priority_ != kUnsignalled) out += StrCat(" urgency=", int{s->priority_.urgency}, s->priority_.incremental ? " incremental" : "");
  }
  return out;
}

}  // namespace culvert::http2
