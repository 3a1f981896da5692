// What we do to the peer: heads, data and control frames into the output buffer, and the buffer into the socket.
//
// A small message goes straight into the output buffer (TrySendInPlace); what finds no window or no room waits in its stream's queue,
// and the streams that could send take turns, a frame each, in the order that their priorities give (Turns in stream.h).

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "transport/base/check.h"
#include "transport/base/limit_counts.h"
#include "transport/base/log.h"
#include "transport/base/strings.h"
#include "transport/frame/describe.h"
#include "transport/frame/error.h"
#include "transport/frame/serialize.h"
#include "transport/http2/errors.h"
#include "transport/http2/held_request.h"
#include "transport/http2/session.h"

namespace culvert::http2 {

using frame::ErrorCode;

namespace {
constexpr size_t kMaxPieces = 64;           // of one writev
constexpr int kWritesPerTurn = 8;           // then other connections of the loop have their turn
}  // namespace

// --- the connection ---

void Session::SendPreface() {
  if (role_ == Role::kClient) output_.Append(frame::kConnectionPreface);
  absl::InlinedVector<frame::Setting, 8> settings;
  if (role_ == Role::kClient) {
    settings.push_back({frame::SettingId::kEnablePush, 0});
  } else {
    settings.push_back({frame::SettingId::kMaxConcurrentStreams, options_.max_concurrent_streams});
    settings.push_back({frame::SettingId::kNoRfc7540Priorities, 1});  // RFC 9218 2.1
  }
  if (options_.header_table_size != frame::kDefaultHeaderTableSize) {
    settings.push_back({frame::SettingId::kHeaderTableSize, options_.header_table_size});
  }
  settings.push_back({frame::SettingId::kInitialWindowSize, options_.initial_window});
  if (options_.max_frame_size != frame::kMinMaxFrameSize) settings.push_back({frame::SettingId::kMaxFrameSize, options_.max_frame_size});
  settings.push_back({frame::SettingId::kMaxHeaderListSize, options_.max_header_list_size});
  frame::AppendSettings(output_, settings);
  const uint32_t increment = receive_window_.GrowTo(options_.connection_window);
  if (increment != 0) frame::AppendWindowUpdate(output_, 0, increment);
}

void Session::SendRstStream(frame::StreamId id, ErrorCode code) {
  frame::AppendRstStream(output_, id, code);
  if (recently_reset_ == nullptr) recently_reset_ = std::make_unique<RecentlyReset>();
  recently_reset_->ids[recently_reset_->count++ % recently_reset_->ids.size()] = id;
  ScheduleFlush();
}

void Session::SendGoAway(frame::StreamId last, ErrorCode code, std::string_view debug) {
  frame::AppendGoAway(output_, last, code, debug);
}

void Session::ScheduleFlush() {
  if (flush_scheduled_ || reading_batch_ || flushing_ || notifying_) return;  // a flush follows anyway
  flush_scheduled_ = true;
  loop_.Post([self = shared_from_this()] {
    self->flush_scheduled_ = false;
    self->Flush();
  });
}

void Session::TraceOutput() {
  std::vector<uint8_t> bytes;
  iovec pieces[kMaxPieces];
  const size_t count = output_.Gather(pieces);
  for (size_t i = 0; i < count; ++i) {
    const auto* data = static_cast<const uint8_t*>(pieces[i].iov_base);
    bytes.insert(bytes.end(), data, data + pieces[i].iov_len);
  }
  std::span<const uint8_t> fresh = std::span<const uint8_t>(bytes).subspan(std::min(traced_, bytes.size()));
  const auto* preface = frame::kConnectionPreface.data();
  if (fresh.size() >= frame::kConnectionPreface.size() && std::memcmp(fresh.data(), preface, frame::kConnectionPreface.size()) == 0) {
    fresh = fresh.subspan(frame::kConnectionPreface.size());
    traced_ += frame::kConnectionPreface.size();
  }
  while (fresh.size() >= frame::kFrameHeaderSize) {
    const size_t length = frame::kFrameHeaderSize + (size_t{fresh[0]} << 16 | size_t{fresh[1]} << 8 | fresh[2]);
    if (length > fresh.size()) return;  // the rest of it comes with the next write
    base::LogLine(StrCat(*peer(), " > ", frame::DescribeBytes(fresh.first(length))));
    fresh = fresh.subspan(length);
    traced_ += length;
  }
}

// Writes what there is, and asks those who wait for room to bring more, until nobody does or others of the loop should have their turn.
void Session::Flush() {
  if (flushing_) return;
  flushing_ = true;
  bool again = false;
  for (int writes = 0;;) {
    const bool overtaken = !closed_ && !FillOutput();
    if (output_.empty() || write_blocked_ || overtaken) {
      flushing_ = false;
      if (!NotifyWritable() && !overtaken) break;
      flushing_ = true;
      continue;
    }
    if (writes++ == kWritesPerTurn) {
      again = true;
      break;
    }
    if (ABSL_PREDICT_FALSE(base::DebugEnabled(base::Topic::kFrames))) TraceOutput();
    iovec pieces[kMaxPieces];
    const size_t count = output_.Gather(pieces);
    const io::IoResult result = stream_->TryWrite({pieces, count});
    if (result.kind == io::IoResult::Kind::kBytes) {
      output_.Consume(result.bytes);
      traced_ -= std::min(traced_, result.bytes);
    } else if (result.kind == io::IoResult::Kind::kWouldBlock) {
      WaitForSocket();
    } else {
      flushing_ = false;
      write_blocked_ = true;  // nothing more goes out
      Close(absl::UnavailableError(StrCat("connection lost: ", result.error.message())));
      return;
    }
  }
  flushing_ = false;
  if (again) ScheduleFlush();
  // Streams fill it up to the budget again and again.
  if (output_.size() <= 2 * options_.output_budget && std::exchange(reading_paused_, false)) ReadLater();
  CloseIfDrained();
}

void Session::WaitForSocket() {
  write_blocked_ = true;
  if (closed_) return;
  if (settings_received_) StartTimer(options_.write_timeout);
  stream_->AsyncWait(io::Direction::kWrite, [self = shared_from_this()](std::error_code error) {
    if (error || self->closed_) return;
    self->write_blocked_ = false;
    if (self->settings_received_) self->timer_->Cancel();
    self->Flush();
  });
}

// Whether somebody is to be told that there is room: a stream that waits for it, and none that is as urgent has something queued.
bool Session::MayTell() const {
  return !closed_ && HasRoom() && send_window_.available() > 0 && waiting_.urgency() < ready_.urgency();
}

// Streams with queued data take turns, a frame each, until the connection's window or the budget is spent. False when the next turn is that
// of a more urgent stream, which is to be told first.
bool Session::FillOutput() {
  OpenPending();
  while (HasRoom()) {
    if (ABSL_PREDICT_FALSE(MayTell() && !ready_.empty())) return false;
    Stream* stream = ready_.PopFront();
    if (stream == nullptr) return true;
    const bool blocked_by_connection = send_window_.available() <= 0 && stream->queue_ != nullptr && stream->queue_->bytes > 0;
    if (blocked_by_connection) {
      ready_.PushBack(stream);
      return true;
    }
    if (SendQueued(*stream)) ready_.PushBack(stream);
  }
  return true;
}

// One frame of the stream's queue; true when it could send another. The stream may be gone after false.
bool Session::SendQueued(Stream& stream) {
  Stream::Queue& queue = *stream.queue_;
  if (!queue.chunks.empty()) {
    io::SharedBytes& chunk = queue.chunks.front();
    const int64_t window = std::min(send_window_.available(), stream.send_window_.available());
    const size_t limit = std::min<size_t>(window > 0 ? static_cast<size_t>(window) : 0, peer_max_frame_size_);
    const size_t n = std::min(chunk.size, limit);
    if (n == 0 && chunk.size > 0) return false;  // MakeReady brings it back
    const bool last = n == chunk.size && queue.chunks.size() == 1;
    const bool end = last && queue.end;
    guard_.OnDataSent(n);
    frame::AppendDataFrame(output_, stream.id_, chunk.Slice(0, n), end);
    send_window_.Take(n);
    stream.send_window_.Take(n);
    queue.bytes -= n;
    Unqueue(n);
    stream.stalled_ = 0;
    if (n < chunk.size) {
      chunk.data += n;
      chunk.size -= n;
      return stream.send_window_.available() > 0;
    }
    queue.chunks.erase(queue.chunks.begin());
    if (!last) return true;
    if (end) {
      stream.queue_.reset();
      EndOnSend(stream);
      return false;
    }
  }
  if (queue.trailers != nullptr) {
    const std::unique_ptr<http::HeaderList> trailers = std::move(queue.trailers);
    stream.queue_.reset();
    SendHeaders(stream, trailers->fields(), true);
    EndOnSend(stream);
    return false;
  }
  stream.queue_.reset();
  if (stream.wants_writable_) waiting_.PushBack(&stream);
  return false;
}

// So many bytes wait no longer: requests that were held for them may go on.
void Session::Unqueue(size_t n) {
  queued_ -= n;
  if (ABSL_PREDICT_FALSE(held_requests_ != nullptr)) ScheduleHeld();
}

// The stream may have got credit: queued data goes out in turn, or the receiver is told.
void Session::MakeReady(Stream& stream) {
  if (stream.state_ == StreamState::kClosed || stream.opening_ != nullptr) return;
  if (stream.queue_ != nullptr) {
    if (stream.queue_->bytes == 0 || stream.send_window_.available() > 0) ready_.PushBack(&stream);
  } else if (stream.wants_writable_ && stream.send_window_.available() > 0) {
    waiting_.PushBack(&stream);
  } else {
    return;
  }
  ScheduleFlush();
}

// Where the stream waits, it goes on waiting behind those of its new priority.
void Session::SetPriority(Stream& stream, Priority priority) {
  const bool ready = stream.ready_.linked(), waiting = stream.waiting_.linked();
  ready_.Remove(&stream);
  waiting_.Remove(&stream);
  stream.priority_ = priority;
  if (ready) ready_.PushBack(&stream);
  if (waiting) waiting_.PushBack(&stream);
}

// Tells those who were refused room, in their turn, until there is none again. False when there was nobody to tell.
bool Session::NotifyWritable() {
  bool told = false;
  notifying_ = true;  // what they send is written by Flush, who asked
  while (MayTell()) {
    Stream* stream = waiting_.PopFront();
    if (!stream->queue_empty()) continue;  // comes back when its queue has gone out
    stream->wants_writable_ = false;
    stream->stalled_ = 0;
    told = true;
    if (stream->receiver_ != nullptr) stream->receiver_->OnWritable();
  }
  notifying_ = false;
  return told;
}

// --- streams ---

void Session::SendHeaders(Stream& stream, std::span<const http::HeaderField> fields, bool end) {
  frame::AppendHeaders(output_, encoder_, stream.id_, fields, end, peer_max_frame_size_);
  guard_.OnHeadSent();
  ScheduleFlush();
}

// END_STREAM has gone out. The stream may be gone afterwards.
void Session::EndOnSend(Stream& stream) {
  const StreamState next = OnSendEnd(stream.state_);
  if (next == StreamState::kClosed) {
    CloseOnWire(stream);
    if (stream.released_) Forget(stream);
    return;
  }
  stream.state_ = next;
  if (!stream.released_) return;
  // Released: nobody wants the rest of what the peer sends (RFC 9113 8.1).
  SendRstStream(stream.id_, role_ == Role::kServer ? ErrorCode::kNoError : ErrorCode::kCancel);
  CloseOnWire(stream);
  Forget(stream);
}

http::Exchange& Session::Open(const http::RequestHead& head, http::Receiver& receiver, bool end) {
  absl::InlinedVector<http::HeaderField, 24> fields;
  fields.push_back({":method", head.method});
  if (!head.scheme.empty()) fields.push_back({":scheme", head.scheme});
  if (!head.authority.empty()) fields.push_back({":authority", head.authority});
  if (!head.path.empty()) fields.push_back({":path", head.path});
  if (!head.protocol.empty()) fields.push_back({":protocol", head.protocol});
  for (const http::HeaderField& field : head.fields) {
    if (field.name != "host" || head.authority.empty()) fields.push_back(field);  // RFC 9113 8.3.1: they must not differ
  }

  Stream& stream = NewStream(0, &receiver);
  stream.is_head_request_ = head.method == "HEAD";
  stream.is_connect_ = head.method == "CONNECT";
  stream.head_sent_ = true;
  if (started_ && unopened_.empty() && MayOpen()) {
    OpenStream(stream, fields, end);
    return stream;
  }
  stream.opening_ = std::make_unique<Stream::Opening>();
  stream.opening_->end = end;
  for (const http::HeaderField& field : fields) stream.opening_->head.Add(field.name, field.value, field.sensitive);
  unopened_.PushBack(&stream);
  if (!accepts_requests()) {
    // From the loop, so that the caller has its exchange before it hears of the end.
    loop_.Post([self = shared_from_this()] { self->RefuseUnopened("the connection is closed or going away"); });
  }
  return stream;
}

bool Session::MayOpen() const { return open_count_ < peer_max_streams_ && accepts_requests() && next_id_ <= frame::kMaxStreamId; }

void Session::OpenStream(Stream& stream, std::span<const http::HeaderField> fields, bool end) {
  stream.id_ = next_id_;
  next_id_ += 2;
  ++open_count_;
  streams_.emplace(stream.id_, &stream);
  stream.state_ = end ? StreamState::kHalfClosedLocal : StreamState::kOpen;
  stream.send_window_ = SendWindow(peer_initial_window_);
  SendHeaders(stream, fields, end);
}

void Session::RefuseUnopened(std::string_view why) {
  // As many as wait now at most: a receiver may open the next at once, which then is refused from the loop.
  for (size_t left = stream_count_; left > 0 && !unopened_.empty(); --left) {
    FailStream(*unopened_.front(), absl::UnavailableError(ToAbsl(why)), true);
  }
}

void Session::OpenPending() {
  while (!unopened_.empty() && MayOpen()) {
    Stream& stream = *unopened_.PopFront();
    const std::unique_ptr<Stream::Opening> opening = std::move(stream.opening_);
    OpenStream(stream, opening->head.fields(), opening->end);
    MakeReady(stream);
  }
  if (next_id_ > frame::kMaxStreamId && accepts_requests()) {  // RFC 9113 5.1.1: a new connection is needed
    going_away_ = true;
    BecomeUnusable(absl::UnavailableError("stream identifiers are used up"));
    RefuseUnopened("stream identifiers are used up");
  }
}

void Session::Enqueue(Stream& stream, io::SharedBytes bytes, bool end) {
  if (stream.queue_ == nullptr) stream.queue_ = std::make_unique<Stream::Queue>();
  stream.queue_->bytes += bytes.size;
  queued_ += bytes.size;
  stream.queue_->end = end;
  // Of an empty one behind others only the END_STREAM counts, and goes with the last of them.
  if (bytes.size > 0 || stream.queue_->chunks.empty()) stream.queue_->chunks.push_back(std::move(bytes));
  stream.wants_writable_ = true;
  WatchStalls();
  MakeReady(stream);
}

Stream::Stream(Session& session, frame::StreamId id, uint32_t send_window, ReceiveWindow receive_window)
    : session_(session), id_(id), send_window_(send_window), receive_window_(receive_window) {}

EventLoop& Stream::loop() { return session_.loop_; }

std::string Stream::peer() const { return *session_.peer(); }
std::shared_ptr<const io::PeerCertificate> Stream::peer_certificate() const { return session_.stream_->peer_certificate(); }

absl::StatusOr<http::Hijacked> Stream::Hijack() {
  return absl::FailedPreconditionError("an HTTP/2 stream cannot be hijacked: it shares its connection; use HTTP/1.1");
}

void Stream::SetReceiver(http::Receiver* receiver) {
  if (ABSL_PREDICT_FALSE(request_held_)) return static_cast<HeldRequest*>(receiver_)->SetReceiver(receiver);
  receiver_ = receiver;
}

void Stream::Release() {
  CULVERT_DCHECK(session_.loop_.RunsHere(), "an exchange is used on its connection's loop only");
  if (ABSL_PREDICT_FALSE(request_held_)) delete static_cast<HeldRequest*>(receiver_);
  request_held_ = false;
  receiver_ = nullptr;
  released_ = true;
  session_.unconsumed_ -= unconsumed_;
  unconsumed_ = 0;
  session_.unfinished_ -= unfinished_;
  unfinished_ = 0;
  session_.CreditConnection(0);
  if (session_.role_ == Role::kServer && queue_ != nullptr && (queue_->end || queue_->trailers != nullptr)) {
    // The response still goes out; EndOnSend forgets the stream.
    stalled_ = 0;  // counts from here on
    session_.WatchStalls();
    return;
  }
  if (opening_ == nullptr && state_ != StreamState::kClosed) {
    const bool ended = state_ == StreamState::kHalfClosedLocal;
    session_.SendRstStream(id_, ended && session_.role_ == Role::kServer ? ErrorCode::kNoError : ErrorCode::kCancel);
  }
  session_.CloseOnWire(*this);
  session_.Forget(*this);
}

void Stream::SendHead(const http::ResponseHead& head, bool end) {
  if (!CanSend(state_) || head_sent_) return;
  head_sent_ = head.status / 100 != 1;  // RFC 9110 15.2: another follows
  char digits[3] = {static_cast<char>('0' + head.status / 100), static_cast<char>('0' + head.status / 10 % 10),
                    static_cast<char>('0' + head.status % 10)};
  absl::InlinedVector<http::HeaderField, 16> fields;
  fields.push_back({":status", {digits, 3}});
  fields.insert(fields.end(), head.fields.begin(), head.fields.end());
  session_.SendHeaders(*this, fields, end);
  if (end) session_.EndOnSend(*this);
}

bool Stream::writable() const {
  return CanSend(state_) && queue_ == nullptr && opening_ == nullptr;
}

bool Stream::MaySendNow(size_t n) const {
  if (n == 0) return queue_empty() && opening_ == nullptr;  // END_STREAM alone waits for no window, nor behind those who do
  const auto size = static_cast<int64_t>(n);
  return queue_empty() && opening_ == nullptr && n <= session_.peer_max_frame_size_ && send_window_.available() >= size &&
         session_.send_window_.available() >= size && session_.HasRoom() && priority_.urgency < session_.ready_.urgency();
}

uint8_t* Stream::TrySendInPlace(size_t n, bool end) {
  if (!CanSend(state_) && opening_ == nullptr) return nullptr;
  if (!MaySendNow(n)) {
    // Told when it makes sense to try again; SendData instead of waiting takes care of itself.
    wants_writable_ = true;
    session_.WatchStalls();
    if (session_.send_window_.available() < static_cast<int64_t>(n)) {
      session_.starved_ = true;  // told at once, it would only ask again
    } else if (queue_empty() && opening_ == nullptr && send_window_.available() >= static_cast<int64_t>(n) && n <= session_.peer_max_frame_size_) {
      session_.waiting_.PushBack(this);
      session_.ScheduleFlush();
    }
    return nullptr;
  }
  send_window_.Take(n);
  session_.send_window_.Take(n);
  session_.guard_.OnDataSent(n);
  uint8_t* at = frame::AppendDataFrame(session_.output_, id_, n, end);
  session_.ScheduleFlush();
  if (end) session_.EndOnSend(*this);
  return at;
}

void Stream::SendData(io::SharedBytes bytes, bool end) {
  if (!CanSend(state_) && opening_ == nullptr) return;
  if (opening_ != nullptr && queue_empty() && bytes.size == 0 && end) {
    opening_->end = true;  // the head ends the stream
    return;
  }
  if (!MaySendNow(bytes.size)) return session_.Enqueue(*this, std::move(bytes), end);
  send_window_.Take(bytes.size);
  session_.send_window_.Take(bytes.size);
  session_.guard_.OnDataSent(bytes.size);
  frame::AppendDataFrame(session_.output_, id_, std::move(bytes), end);
  session_.ScheduleFlush();
  if (end) session_.EndOnSend(*this);
}

void Stream::SendTrailers(std::span<const http::HeaderField> trailers) {
  if (!CanSend(state_) && opening_ == nullptr) return;
  if (queue_ != nullptr || opening_ != nullptr) {
    if (queue_ == nullptr) queue_ = std::make_unique<Queue>();
    queue_->trailers = std::make_unique<http::HeaderList>();
    for (const http::HeaderField& field : trailers) queue_->trailers->Add(field.name, field.value, field.sensitive);
    return;
  }
  session_.SendHeaders(*this, trailers, true);
  session_.EndOnSend(*this);
}

void Stream::Reset(absl::StatusCode code) {
  if (request_held_) static_cast<HeldRequest*>(receiver_)->Drop();
  if (state_ == StreamState::kClosed) return;
  if (opening_ == nullptr) session_.SendRstStream(id_, ToErrorCode(code));
  session_.CloseOnWire(*this);
}

void Stream::Consumed(size_t n) {
  CULVERT_DCHECK(n <= unconsumed_, "more bytes paid back than were received");
  unconsumed_ -= n;
  session_.unconsumed_ -= n;
  session_.probe_.OnConsumed(static_cast<uint32_t>(n));
  if (session_.withheld_credit_ != 0) session_.CreditConnection(0);
  if (!CanReceive(state_)) return;
  const uint32_t increment = receive_window_.GrowTo(session_.probe_.window()) + receive_window_.Consume(static_cast<uint32_t>(n));
  if (increment == 0) return;
  frame::AppendWindowUpdate(session_.output_, id_, increment);
  session_.ScheduleFlush();
}

absl::Status Stream::Hold(size_t n) {
  const uint32_t before = std::exchange(unfinished_, static_cast<uint32_t>(std::min<size_t>(n, UINT32_MAX)));
  session_.unfinished_ += unfinished_;
  session_.unfinished_ -= before;
  const size_t most = session_.options_.unfinished_budget;
  if (unfinished_ <= before || session_.unfinished_ <= most || session_.unfinished_ == unfinished_) return absl::OkStatus();
  base::CountLimit("unfinished_budget");
  return absl::ResourceExhaustedError(StrCat("the connection's unfinished messages exceed ", most, " bytes"));
}

}  // namespace culvert::http2
