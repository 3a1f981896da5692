#include "transport/http1/connection.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "transport/base/check.h"
#include "transport/base/limit_counts.h"
#include "transport/base/strings.h"
#include "transport/http1/hijack.h"
#include "transport/http1/serialize.h"
#include "transport/io/wait.h"

namespace culvert::http1 {

namespace {
constexpr size_t kPiecesPerWrite = 64;
constexpr int kWritesPerTurn = 8;  // then other connections of the loop have their turn

std::string_view LimitOfHead(int http_status) {
  switch (http_status) {
    case 414:
      return "http1_uri_too_long";
    case 431:
      return "http1_headers_too_large";
    default:
      return "http1_bad_request";
  }
}
}  // namespace

std::shared_ptr<Connection> Connection::Create(std::unique_ptr<io::ByteStream> stream, const Options& options,
                                               http::Handler& handler) {
  return std::shared_ptr<Connection>(new Connection(std::move(stream), options, handler));
}

Connection::Connection(std::unique_ptr<io::ByteStream> stream, const Options& options, http::Handler& handler)
    : options_(options),
      loop_(stream->loop()),
      handler_(handler),
      peer_(stream->peer()),
      stream_(std::move(stream)),
      timer_(
          loop_.timers(), [](void* self) { static_cast<Connection*>(self)->OnTimeout(); }, this),
      exchange_(*this),
      input_(loop_.blocks()),
      parser_(options.head, options.scheme),
      decoder_(options.chunked),
      output_(std::make_unique<io::WriteBuffer>(loop_.blocks())),
      write_timer_(
          loop_.timers(), [](void* self) { static_cast<Connection*>(self)->OnWriteTimeout(); }, this) {}

Connection::~Connection() {
  CULVERT_DCHECK(exchange_.released_, "connection destroyed while a receiver holds its exchange");
}

// --- the read loop ---

Task<void> Connection::Run([[maybe_unused]] std::shared_ptr<Connection> self) {
  WatchPeer();
  while (!closed()) {
    if (!WantsInput()) {
      co_await resume_reading_.Wait();
      continue;
    }
    ReadOnce();
    if (closed() || !WantsInput()) continue;
    std::error_code error;
    co_await io::Wait(*stream_, io::Direction::kRead, error);
    if (error)
      Close(absl::CancelledError(
          "the event loop is shutting down"));  // or our own End or Hijack: then nothing happens
  }
}

Task<void> Connection::Released([[maybe_unused]] std::shared_ptr<Connection> self) {
  if (stage_ != Stage::kHijacked && self_ != nullptr) co_await exchange_released_.Wait();
}

bool Connection::WantsInput() const {
  if (peer_ended_) return false;
  switch (stage_) {
    case Stage::kHead:
      return !output_full_ && !write_blocked_;
    case Stage::kExchange:
      // With an empty input it is read on in any case, so that a lost connection is noticed, and the end of a
      // body.
      return input_.unread().empty() || (!exchange_.request_complete_ && BodyWindow() > 0);
    case Stage::kDiscard:
    case Stage::kLingering:
      return true;
    case Stage::kFlushing:
    case Stage::kHijacked:
    case Stage::kOver:
      return false;
  }
  __builtin_unreachable();
}

void Connection::ReadOnce() {
  std::span<uint8_t> space = input_.Space();
  // What may have to be kept shall fit a small block: requests behind the one that a handler has.
  const bool taken_now =
      stage_ == Stage::kExchange ? !exchange_.request_complete_ && BodyWindow() > 0 : stage_ != Stage::kHead;
  if (!taken_now) space = space.first(std::min(space.size(), io::BlockPool::kSmallBlock));
  const io::IoResult result = stream_->TryRead(space);
  switch (result.kind) {
    case io::IoResult::Kind::kBytes:
      input_.Commit(result.bytes);
      break;
    case io::IoResult::Kind::kWouldBlock:
      input_.Park();
      return;
    case io::IoResult::Kind::kEnd:
      peer_ended_ = true;
      break;
    case io::IoResult::Kind::kError:
      Fail(absl::UnavailableError(StrCat("connection lost: ", result.error.message())));
      break;
  }
  Advance();
}

// --- going on ---

// Does all that can be done without waiting. Called from the loop with someone owning the connection; may end
// Run.
void Connection::Advance() {
  advancing_ = true;
  int writes = 0;
  do {
    while (Step()) {
    }
  } while (Flush(writes));
  advancing_ = false;
  input_.Park();
  if (!closed() && !write_blocked_ && !output_->empty()) ScheduleAdvance();  // more than a turn's share
  WatchPeer();
  if (closed() || WantsInput()) resume_reading_.Wake();
}

void Connection::ScheduleAdvance() {
  if (advancing_ || advance_scheduled_) return;
  advance_scheduled_ = true;
  loop_.Post([weak = weak_from_this()] {
    const std::shared_ptr<Connection> self = weak.lock();
    if (self == nullptr) return;
    self->advance_scheduled_ = false;
    self->Advance();
  });
}

// One step; false when it has to wait for input, output or the handler.
bool Connection::Step() {
  switch (stage_) {
    case Stage::kHead:
      return ReadHead();
    case Stage::kExchange:
      if (exchange_.over()) {
        EndExchange();
        return true;
      }
      return !exchange_.request_complete_ && ReadBody();
    case Stage::kDiscard:
      return ReadBody();
    case Stage::kFlushing:
      return EndOutput();
    case Stage::kLingering:
      return Discard();
    case Stage::kHijacked:
    case Stage::kOver:
      return false;
  }
  __builtin_unreachable();
}

// --- what the peer owes ---

// The next stage has a deadline of its own.
void Connection::Enter(Stage stage) {
  stage_ = stage;
  timer_.Cancel();
}

// How long the peer may be silent now; nullopt when it is not the one who is waited for.
std::optional<std::chrono::milliseconds> Connection::Patience() const {
  switch (stage_) {
    case Stage::kHead:
      if (!output_->empty()) return std::nullopt;  // it still takes the last response: write_timer_ watches
      return head_begun_ ? options_.header_timeout : options_.idle_timeout;
    case Stage::kExchange:
      if (!exchange_.request_complete_ && BodyWindow() > 0) return options_.body_timeout;
      if (exchange_.request_complete_ && peer_ended_) return options_.half_close_timeout;
      return std::nullopt;
    case Stage::kDiscard:
      return options_.header_timeout;
    case Stage::kLingering:
      return options_.linger_timeout;
    case Stage::kFlushing:
    case Stage::kHijacked:
    case Stage::kOver:
      return std::nullopt;
  }
  __builtin_unreachable();
}

// A deadline that runs stays: who sees progress cancels it, and the next Advance starts it anew.
void Connection::WatchPeer() {
  const std::optional<std::chrono::milliseconds> patience = Patience();
  if (!patience) {
    timer_.Cancel();
  } else if (!timer_.running()) {
    timer_.Start(Clock::now() + *patience);
  }
}

// --- requests ---

void Connection::BeginHead() {
  Enter(Stage::kHead);
  head_begun_ = false;
}

bool Connection::ReadHead() {
  const std::span<const uint8_t> unread = input_.unread();
  if (unread.empty() && (peer_ended_ || draining_)) {
    FinishOutput();
    return true;
  }
  if (output_full_ || write_blocked_)
    return false;  // a client that does not read its responses gets no further ones
  switch (parser_.Parse(unread)) {
    case Parsed::kNeedMore:
      if (peer_ended_) {
        base::CountLimit("http1_bad_request");
        RespondAndClose(400, "the request ends in the middle of its head");
        return true;
      }
      if (!unread.empty() && !head_begun_) {
        head_begun_ = true;
        timer_.Cancel();  // the idle time is over
      }
      return false;
    case Parsed::kHead:
      BeginExchange();
      return true;
    case Parsed::kError:
      base::CountLimit(LimitOfHead(parser_.error().http_status));
      RespondAndClose(parser_.error().http_status, ToStd(parser_.error().why.message()));
      return true;
  }
  __builtin_unreachable();
}

void Connection::BeginExchange() {
  const Request& request = parser_.request();
  Enter(Stage::kExchange);
  body_kind_ = request.body;
  body_left_ = request.content_length;
  if (body_kind_ == BodyKind::kChunked) decoder_.Reset();
  http::RequestHead head = request.head;
  if (head.scheme.empty() && head.method != "CONNECT") head.scheme = options_.scheme;
  std::vector<http::HeaderField> fields;
  if (request.minor_version == 0) {  // where an upgrade is to be ignored (RFC 9110 7.8): 1.0 knows no 101
    fields.assign(head.fields.begin(), head.fields.end());
    std::erase_if(fields, [](const http::HeaderField& field) { return field.name == "upgrade"; });
    head.fields = fields;
  }
  exchange_.Begin(request);
  self_ = shared_from_this();
  input_.Consume(request.bytes);  // moves nothing: the head's views hold
  handler_.OnRequest(exchange_, head, body_kind_ == BodyKind::kNone);
  parser_.Reset();
  CULVERT_DCHECK(exchange_.released_ || exchange_.receiver_ != nullptr,
                 "handler neither set a receiver nor released the exchange");
  // RFC 9110 10.1.1: not after a final response has begun, and needless once the body is on its way.
  if (exchange_.awaits_continue_ && exchange_.sending() &&
      exchange_.framing_ == ServerExchange::Framing::kUnsent) {
    if (input_.unread().empty()) AppendResponseHead(*output_, {100, {}}, {});
    exchange_.awaits_continue_ = false;
  }
}

// Body bytes that may be handed over now.
size_t Connection::BodyWindow() const {
  if (stage_ == Stage::kDiscard) return static_cast<size_t>(-1);
  return options_.unconsumed_limit - std::min(options_.unconsumed_limit, exchange_.unconsumed_);
}

// Takes the next bytes of the body from the input; `data` lies within what was consumed.
size_t Connection::TakeBody(std::span<const uint8_t>& data, bool& end, absl::Status& error) {
  const std::span<const uint8_t> unread = input_.unread();
  size_t consumed = 0;
  if (body_kind_ == BodyKind::kLength) {
    consumed = static_cast<size_t>(std::min<uint64_t>({body_left_, unread.size(), BodyWindow()}));
    data = unread.first(consumed);
    body_left_ -= consumed;
    end = body_left_ == 0;
  } else {
    const ChunkedDecoder::Step step = decoder_.Next(unread, BodyWindow());
    consumed = step.consumed;
    data = step.data;
    end = step.kind == ChunkedDecoder::Kind::kEnd;
    if (step.kind == ChunkedDecoder::Kind::kError) error = decoder_.error();
  }
  input_.Consume(consumed);
  return consumed;
}

// In kExchange and kDiscard. False when more input, or payment for what was handed over, is needed.
bool Connection::ReadBody() {
  const bool wanted = stage_ == Stage::kExchange;
  std::span<const uint8_t> data;
  bool end = false;
  absl::Status error;
  const size_t consumed = TakeBody(data, end, error);
  if (!error.ok()) {
    base::CountLimit("http1_bad_request");
    RefuseBody(400, absl::InternalError(StrCat("malformed request body: ", ToStd(error.message()))));
    return true;
  }
  if (consumed > 0 || end) {
    if (wanted) {
      HandOverBody(data, end);
    } else if (end) {
      BeginHead();
    } else if (consumed > drop_left_) {
      FinishOutput();
    } else {
      drop_left_ -= consumed;
    }
    return true;
  }
  if (!peer_ended_ || (BodyWindow() == 0 && !input_.unread().empty())) return false;
  if (wanted) {
    Fail(absl::UnavailableError("connection closed by the peer in the middle of a request body"));
  } else {
    FinishOutput();
  }
  return true;
}

void Connection::HandOverBody(std::span<const uint8_t> data, bool end) {
  exchange_.unconsumed_ += data.size();
  exchange_.request_complete_ = end;
  if (!data.empty() || end) timer_.Cancel();
  http::Receiver* receiver = exchange_.receiver_;
  if (end && body_kind_ == BodyKind::kChunked && !decoder_.trailers().empty()) {
    receiver->OnTrailers(decoder_.trailers().fields());
  } else if (!data.empty() || end) {
    receiver->OnData(data, end);
  }
}

// The response is over and nobody holds the exchange.
void Connection::EndExchange() {
  if (!exchange_.keep_alive_ || draining_ ||
      (body_kind_ == BodyKind::kLength && body_left_ > options_.discard_limit)) {
    FinishOutput();
  } else if (exchange_.request_complete_) {
    BeginHead();
  } else {
    Enter(Stage::kDiscard);
    drop_left_ = options_.discard_limit;
  }
}

// --- the end ---

// Only output from here on.
void Connection::FinishOutput() { Enter(Stage::kFlushing); }

bool Connection::EndOutput() {
  if (!output_->empty()) return false;
  stream_->ShutdownWrite();
  Enter(Stage::kLingering);
  drop_left_ = options_.linger_bytes;
  return true;
}

bool Connection::Discard() {
  const size_t n = input_.unread().size();
  input_.Consume(n);
  if (peer_ended_ || n > drop_left_) {
    if (!peer_ended_) base::CountLimit("http1_linger");
    End();
    return true;
  }
  drop_left_ -= n;
  return false;
}

void Connection::RespondAndClose(int http_status, std::string_view why) {
  const bool head_only = stage_ == Stage::kExchange && exchange_.is_head_;
  AppendErrorResponse(*output_, http_status, why, head_only);
  FinishOutput();
}

// The rest of the body will not be read: no further request can be, either.
void Connection::RefuseBody(int http_status, const absl::Status& why) {
  const bool answered = exchange_.response_ended_ || exchange_.framing_ != ServerExchange::Framing::kUnsent;
  if (stage_ == Stage::kExchange && !answered) {
    RespondAndClose(http_status, ToStd(why.message()));
  } else {
    FinishOutput();
  }
  BreakExchange(why);
}

// Tells the receiver, if there is one left with something to lose. The exchange is dead already: stage_ is no
// longer kExchange.
void Connection::BreakExchange(const absl::Status& why) {
  if (exchange_.released_ || (exchange_.request_complete_ && exchange_.response_ended_)) return;
  exchange_.request_complete_ = exchange_.response_ended_ = true;
  if (exchange_.receiver_ != nullptr) exchange_.receiver_->OnClosed(why, false);
}

void Connection::Fail(const absl::Status& why) {
  End();
  BreakExchange(why);
}

void Connection::End() {
  Enter(Stage::kOver);
  write_timer_.Cancel();
  stream_->Close();
  // Nothing goes out any more: give the memory back now, the exchange may live on.
  output_->Consume(output_->size());
}

void Connection::Close(const absl::Status& why) {
  if (closed()) return;
  const std::shared_ptr<Connection> self = shared_from_this();
  Fail(why);
  if (!advancing_) Advance();
}

void Connection::Drain() {
  draining_ = true;
  ScheduleAdvance();
}

void Connection::OnTimeout() {
  const std::shared_ptr<Connection> self = shared_from_this();
  if (stage_ == Stage::kLingering) {
    base::CountLimit("http1_linger");
    End();
  } else if (stage_ == Stage::kHead && !input_.unread().empty()) {
    base::CountLimit("http1_header_timeout");
    RespondAndClose(408, StrCat("no complete head within ", options_.header_timeout.count(), " ms"));
  } else if (stage_ == Stage::kExchange && !exchange_.request_complete_) {
    base::CountLimit("http1_body_timeout");
    RefuseBody(408, absl::UnavailableError(
                        StrCat("no more of the request body within ", options_.body_timeout.count(), " ms")));
  } else if (stage_ == Stage::kExchange) {
    base::CountLimit("http1_half_close_timeout");
    Fail(absl::UnavailableError(StrCat("the peer ended its side, and nothing of the response went out for ",
                                       options_.half_close_timeout.count(), " ms")));
  } else {
    base::CountLimit(stage_ == Stage::kDiscard ? "http1_body_timeout" : head_begun_ ? "http1_header_timeout" : "idle_timeout");
    FinishOutput();
  }
  Advance();
}

void Connection::OnWriteTimeout() {
  const std::shared_ptr<Connection> self = shared_from_this();
  base::CountLimit("http1_write_timeout");
  Fail(absl::UnavailableError(StrCat("the peer took no bytes for ", options_.write_timeout.count(), " ms")));
  Advance();
}

// --- output ---

void Connection::NoteOutput() {
  if (output_->size() >= options_.output_limit) output_full_ = true;
  ScheduleAdvance();
}

// Writes what can be written, and counts. True when that gives someone something to do: Step again.
bool Connection::Flush(int& writes) {
  if (closed() || write_blocked_ || output_->empty()) return false;
  while (!output_->empty()) {
    if (writes++ == kWritesPerTurn) return false;
    std::array<iovec, kPiecesPerWrite> pieces;
    const size_t count = output_->Gather(pieces);
    const io::IoResult result = stream_->TryWrite({pieces.data(), count});
    if (result.kind == io::IoResult::Kind::kBytes) {
      output_->Consume(result.bytes);
      if (peer_ended_) timer_.Cancel();  // but it still takes its response
    } else if (result.kind == io::IoResult::Kind::kWouldBlock) {
      WaitForSocket();
      break;
    } else {
      Fail(absl::UnavailableError(StrCat("connection lost: ", result.error.message())));
      return false;
    }
  }
  if (output_full_ && output_->size() <= options_.output_limit / 2) output_full_ = false;
  return NotifyWritable() || output_->empty();
}

void Connection::WaitForSocket() {
  write_blocked_ = true;
  write_timer_.Start(Clock::now() + options_.write_timeout);
  stream_->AsyncWait(io::Direction::kWrite, [weak = weak_from_this()](std::error_code error) {
    const std::shared_ptr<Connection> self = weak.lock();
    if (self == nullptr || self->closed()) return;
    self->write_blocked_ = false;
    self->write_timer_.Cancel();
    if (error) {
      self->Close(absl::CancelledError("the event loop is shutting down"));
    } else {
      self->Advance();
    }
  });
}

bool Connection::NotifyWritable() {
  if (output_full_ || !exchange_.wants_writable_ || !exchange_.sending()) return false;
  exchange_.wants_writable_ = false;
  exchange_.receiver_->OnWritable();
  return true;
}

// --- taking over ---

absl::StatusOr<http::Hijacked> Connection::Hijack() {
  Enter(Stage::kHijacked);
  write_timer_.Cancel();
  ScheduleAdvance();  // ends Run
  return HandOver(std::move(stream_), input_, std::move(output_));
}

}  // namespace culvert::http1
