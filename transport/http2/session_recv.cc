// What the peer does to a session: frames in, events out. Plain functions, run between two suspensions of the read loop.
//
// A receiver may do anything from within its callback, its Release included: after one, a Stream& is not used again.

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "transport/base/limit_counts.h"
#include "transport/base/log.h"
#include "transport/base/status_macros.h"
#include "transport/base/strings.h"
#include "transport/frame/describe.h"
#include "transport/frame/error.h"
#include "transport/frame/serialize.h"
#include "transport/http/validate.h"
#include "transport/http2/errors.h"
#include "transport/http2/held_request.h"
#include "transport/http2/session.h"

namespace culvert::http2 {

// A peer with a single connection waits for what its batch brings, and a batch may be long: it gets the first answers while we are at the
// next, so that both work at once. Where there are several connections, it has others to be busy with, and one write for each batch is cheapest.
constexpr size_t kEarlyFlush = 1024;

// With so many streams those that a frame names are no longer in the cache.
constexpr size_t kManyStreams = 512;

using frame::ConnectionError;
using frame::ErrorCode;
using frame::FrameType;
using frame::StreamError;

// Brings what the next frames will touch into the cache: the slot in the table, then the stream, then its receiver, each while an earlier
// frame is handled.
void Session::PrefetchStreams() const {
  constexpr size_t kLine = 64;
  constexpr size_t kReceiverLines = 10;  // a client's call, or a server's and some of its handler's: nothing is read, whatever lies there
  const auto prefetch = [](const void* object, size_t lines) {
    for (size_t i = 0; i < lines; ++i) __builtin_prefetch(static_cast<const char*>(object) + i * kLine);
  };
  std::array<frame::StreamId, 3> next;
  const size_t count = framer_.PeekStreams(next);
  if (count > 2) streams_.prefetch(next[2]);
  if (count > 1) {
    if (const Stream* stream = Find(next[1]); stream != nullptr) prefetch(stream, (sizeof(Stream) + kLine - 1) / kLine);
  }
  if (count > 0) {
    if (const Stream* stream = Find(next[0]); stream != nullptr) prefetch(stream->receiver_, kReceiverLines);
  }
}

absl::Status Session::ConsumeFrames() {
  const bool alone = loop_.IsAlone(this);
  while (!closed_) {
    if (alone && output_.size() >= kEarlyFlush && !write_blocked_) {
      Flush();
      if (closed_) break;
    }
    absl::StatusOr<frame::FrameRef> frame = framer_.ReadFrame();
    if (frame.ok() && !*frame) return absl::OkStatus();
    // The header block that was open has ended. Another may be open when the batch is over, and has its own time.
    if (ABSL_PREDICT_FALSE(header_block_timer_ != nullptr)) header_block_timer_.reset();
    if (ABSL_PREDICT_FALSE(stream_count_ >= kManyStreams) && frame.ok()) PrefetchStreams();
    const absl::Status status = frame.ok() ? OnFrame(**frame) : frame.status();
    if (ABSL_PREDICT_TRUE(status.ok())) continue;
    const std::optional<frame::WireError> error = frame::GetWireError(status);
    if (!error || error->stream_id == 0) return status;
    if (!settings_received_) {
      return ConnectionError(ErrorCode::kProtocolError, "preface_no_settings", "the first frame is not SETTINGS");
    }
    CULVERT_RETURN_IF_ERROR(OnStreamError(*error, status));
  }
  return absl::OkStatus();
}

absl::Status Session::OnFrame(const frame::Frame& frame) {
  if (ABSL_PREDICT_FALSE(base::DebugEnabled(base::Topic::kFrames))) {
    base::LogLine(StrCat(*peer(), " < ", frame::Describe(frame)));
  }
  const frame::FrameHeader& header = frame.header;
  if (ABSL_PREDICT_FALSE(!settings_received_)) {
    // RFC 9113 3.4: the preface ends with a SETTINGS frame.
    if (header.type != FrameType::kSettings || header.has(frame::flags::kAck)) {
      return ConnectionError(ErrorCode::kProtocolError, "preface_no_settings", "the first frame is not SETTINGS");
    }
  }
  switch (header.type) {
    case FrameType::kData:
      return OnData(header, frame.as<frame::DataFrame>());
    case FrameType::kHeaders:
      return OnHeaders(header, frame.as<frame::HeadersFrame>());
    case FrameType::kPriority:
      return guard_.OnControl(Clock::now());
    case FrameType::kRstStream:
      return OnRstStream(header, frame.as<frame::RstStreamFrame>());
    case FrameType::kSettings:
      return OnSettings(frame.as<frame::SettingsFrame>());
    case FrameType::kPushPromise:
      // RFC 9113 8.4: push is never enabled by us.
      return ConnectionError(ErrorCode::kProtocolError, "push_promise", "PUSH_PROMISE although push is disabled");
    case FrameType::kPing:
      return OnPing(frame.as<frame::PingFrame>());
    case FrameType::kGoAway:
      return OnGoAway(frame.as<frame::GoAwayFrame>());
    case FrameType::kWindowUpdate:
      return OnWindowUpdate(header, frame.as<frame::WindowUpdateFrame>());
    case FrameType::kPriorityUpdate:
      return OnPriorityUpdate(frame.as<frame::PriorityUpdateFrame>());
    case FrameType::kContinuation:
      break;  // never leaves the framer
  }
  return guard_.OnControl(Clock::now());  // RFC 9113 5.5: unknown types are ignored
}

// Whether no frame but HEADERS (and PRIORITY) may name this stream yet (RFC 9113 5.1).
bool Session::IsIdle(frame::StreamId id) const {
  const bool from_client = (id & 1) != 0;
  if (role_ == Role::kServer) return !from_client || id > last_peer_id_;
  return !from_client || id >= next_id_;
}

// Whether frames may still come on a stream that is over, and are dropped: we have reset it (RFC 9113 5.1), or the client opened it before it
// heard of our last GOAWAY (RFC 9113 6.8).
bool Session::MayBeInFlight(frame::StreamId id) const {
  if (role_ == Role::kServer && id > goaway_last_) return true;
  return recently_reset_ != nullptr && std::find(recently_reset_->ids.begin(), recently_reset_->ids.end(), id) != recently_reset_->ids.end();
}

// Renews the connection's window by n bytes, but withholds as many as are parked in streams beyond the budget, off which comes what the window has
// grown by. So what is parked and what the peer may still send are together never more than parked_budget and the window that we began with; or
// than the window, where that has grown beyond both, which takes an application that reads. While that reads on, next to nothing is withheld.
void Session::CreditConnection(uint32_t n) {
  if (closed_) return;
  withheld_credit_ += n;
  const size_t grown = receive_window_.size() - std::min(receive_window_.size(), options_.connection_window);
  const size_t budget = options_.parked_budget - std::min(options_.parked_budget, grown);
  const uint64_t excess = unconsumed_ - std::min<uint64_t>(unconsumed_, budget);
  const auto withheld = static_cast<uint32_t>(std::min<uint64_t>(withheld_credit_, excess));
  const uint32_t increment = receive_window_.Consume(withheld_credit_ - withheld, withheld);
  withheld_credit_ = withheld;
  if (increment != 0) {
    frame::AppendWindowUpdate(output_, 0, increment);
    ScheduleFlush();
  }
}

absl::Status Session::OnData(const frame::FrameHeader& header, const frame::DataFrame& data) {
  const uint32_t charged = data.flow_controlled_length;
  if (!receive_window_.Receive(charged)) {
    return ConnectionError(ErrorCode::kFlowControlError, "connection_window_overrun",
                           StrCat("DATA of ", charged, " bytes exceeds the connection's window"));
  }
  Stream* stream = Find(header.stream_id);
  if (stream == nullptr || !CanReceive(stream->state_)) {
    CreditConnection(charged);
    if (stream == nullptr && IsIdle(header.stream_id)) {
      return ConnectionError(ErrorCode::kProtocolError, "data_on_idle", "DATA on an idle stream");
    }
    if (MayBeInFlight(header.stream_id)) return absl::OkStatus();
    if (stream == nullptr || stream->state_ == StreamState::kClosed) {
      // In flight to one of many that we have reset, for all we know: it undoes no work of ours and is not counted as abuse.
      frame::AppendRstStream(output_, header.stream_id, ErrorCode::kStreamClosed);
      ScheduleFlush();
      return absl::OkStatus();
    }
    return StreamError(header.stream_id, ErrorCode::kStreamClosed, "data_on_closed", "DATA after the peer ended the stream");
  }
  if (!stream->receive_window_.Receive(charged)) {
    CreditConnection(charged);
    return StreamError(header.stream_id, ErrorCode::kFlowControlError, "stream_window_overrun",
                       StrCat("DATA of ", charged, " bytes exceeds the stream's window"));
  }
  if (!stream->head_received_) {
    CreditConnection(charged);
    return StreamError(header.stream_id, ErrorCode::kProtocolError, "data_before_headers", "DATA before HEADERS");
  }
  if (data.data.empty() && !data.end_stream) {
    CULVERT_RETURN_IF_ERROR(guard_.OnEmptyData());
  } else {
    guard_.OnUsefulData();
  }
  if (stream->body_left_ >= 0) {
    stream->body_left_ -= static_cast<int64_t>(data.data.size());
    if (stream->body_left_ < 0 || (data.end_stream && stream->body_left_ > 0)) {
      CreditConnection(charged);
      return StreamError(header.stream_id, ErrorCode::kProtocolError, "content_length_mismatch",
                         "DATA and content-length do not agree");  // RFC 9113 8.1.1
    }
  }
  if (stream->receiver_ == nullptr) {  // released, still sending: what comes is dropped
    CreditConnection(charged);
    if (data.end_stream) OnPeerEnd(*stream);
    return absl::OkStatus();
  }
  if (probe_.OnData(stream->receive_window_.half_used() || receive_window_.half_used())) {
    probe_.OnPing(Clock::now());
    frame::AppendPing(output_, kProbePing, false);
  }
  stream->unconsumed_ += data.data.size();
  unconsumed_ += data.data.size();
  if (ABSL_PREDICT_FALSE(unconsumed_ > options_.parked_budget) && unconsumed_ - data.data.size() <= options_.parked_budget) {
    base::CountLimit("parked_budget");
  }
  CreditConnection(charged);
  const uint32_t padding = charged - static_cast<uint32_t>(data.data.size());
  if (data.end_stream) {
    OnPeerEnd(*stream);
  } else if (padding != 0) {
    const uint32_t increment = stream->receive_window_.Consume(padding);
    if (increment != 0) frame::AppendWindowUpdate(output_, header.stream_id, increment);
  }
  if (ABSL_PREDICT_FALSE(over_send_queue_budget()) && data.end_stream) HoldEnd(*stream);
  stream->receiver_->OnData(data.data, data.end_stream);
  return absl::OkStatus();
}

// The peer has ended its side. Forgets a stream that is over and released.
void Session::OnPeerEnd(Stream& stream) {
  const StreamState next = OnReceiveEnd(stream.state_);
  if (next != StreamState::kClosed) {
    stream.state_ = next;
    return;
  }
  CloseOnWire(stream);
  if (stream.released_) Forget(stream);
}

absl::Status Session::OnHeaders(const frame::FrameHeader& header, const frame::HeadersFrame& headers) {
  Stream* stream = Find(header.stream_id);
  if (stream == nullptr) {
    const bool from_client = (header.stream_id & 1) != 0;
    if (role_ == Role::kServer && from_client && header.stream_id > last_peer_id_) return OnRequest(header, headers);
    if (MayBeInFlight(header.stream_id)) return absl::OkStatus();
    if (IsIdle(header.stream_id)) {
      return ConnectionError(ErrorCode::kProtocolError, "headers_bad_stream", "HEADERS on a stream that only the other side may open");
    }
    // A client may see the end of a stream that it has forgotten; a server may not see a used stream opened again. But of a stream that we
    // reset, trailers may be on their way (RFC 9113 5.1), and once there were many of those we no longer know which they were.
    if (role_ == Role::kClient) return absl::OkStatus();
    if (recently_reset_ != nullptr && recently_reset_->count > recently_reset_->ids.size()) return guard_.OnReset(Clock::now());
    return ConnectionError(ErrorCode::kStreamClosed, "headers_on_closed", "HEADERS on a closed stream");
  }
  if (!CanReceive(stream->state_)) {
    if (MayBeInFlight(header.stream_id)) return absl::OkStatus();
    return StreamError(header.stream_id, ErrorCode::kStreamClosed, "headers_on_half_closed", "HEADERS after the peer ended the stream");
  }
  if (headers.truncated) {
    return StreamError(header.stream_id, ErrorCode::kProtocolError, "header_list_too_large",
                       StrCat("header list exceeds ", options_.max_header_list_size, " bytes or ", options_.max_header_fields, " fields"));
  }
  return stream->head_received_ ? OnTrailers(*stream, headers) : OnResponse(*stream, headers);
}

absl::Status Session::OnRequest(const frame::FrameHeader& header, const frame::HeadersFrame& headers) {
  const frame::StreamId id = header.stream_id;
  last_peer_id_ = id;
  if (id > goaway_last_) return absl::OkStatus();  // RFC 9113 6.8: ignored after our GOAWAY
  const size_t head_bytes = headers.fields->list_size();
  const char* full = nullptr;
  if (stream_count_ >= options_.max_concurrent_streams) full = "refused_stream";
  if (header_bytes_ != 0 && header_bytes_ + head_bytes > header_budget()) full = "header_budget";
  if (ABSL_PREDICT_FALSE(full != nullptr)) {
    base::CountLimit(full);
    SendRstStream(id, ErrorCode::kRefusedStream);
    return guard_.OnReset(Clock::now());
  }
  absl::StatusOr<http::RequestHead> head = http::ReadRequestHead(headers.fields->fields());
  absl::StatusOr<int64_t> length = head.ok() ? http::ReadContentLength(head->fields) : head.status();
  if (headers.truncated) {
    head = http::RequestHead();
    length = -1;
  }
  // RFC 9113 8.3: only what was agreed on; we never send SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441).
  if (length.ok() && !head->protocol.empty()) length = absl::InvalidArgumentError(":protocol was not agreed on");
  if (length.ok() && *length > 0 && headers.end_stream) length = absl::InvalidArgumentError("content-length without a body");
  if (!length.ok()) return StreamError(id, ErrorCode::kProtocolError, "malformed_request", ToStd(length.status().message()));

  Stream& stream = NewStream(id, nullptr);
  stream.state_ = headers.end_stream ? StreamState::kHalfClosedRemote : StreamState::kOpen;
  stream.head_received_ = true;
  stream.head_bytes_ = static_cast<uint32_t>(head_bytes);
  header_bytes_ += head_bytes;
  stream.is_head_request_ = head->method == "HEAD";
  stream.is_connect_ = head->method == "CONNECT";
  stream.body_left_ = *length;
  stream.priority_ = PriorityOf(id, head->fields);
  if (headers.truncated) {
    base::CountLimit("header_list_too_large");
    stream.SendHead({.status = 431, .fields = {}}, true);
    stream.Release();
    return absl::OkStatus();
  }
  if (ABSL_PREDICT_FALSE(over_send_queue_budget() || (held_requests_ != nullptr && !held_requests_->requests.empty()))) {
    HeldRequests& held = Holding();
    new HeldRequest(held, stream, *headers.fields, headers.end_stream);
    if (!held.timer.running()) {
      held.least_queued = queued_;
      held.timer.Start(Clock::now() + options_.held_timeout);
    }
    return absl::OkStatus();
  }
  handler_->OnRequest(stream, *head, headers.end_stream);
  return absl::OkStatus();
}

// Of a request that opens `id`: its field's, unless a frame came before it (RFC 9218 7).
Priority Session::PriorityOf(frame::StreamId id, std::span<const http::HeaderField> fields) {
  if (ABSL_PREDICT_FALSE(early_priorities_ != nullptr)) {
    const std::optional<Priority> early = early_priorities_->Take(id);
    if (early_priorities_->size() == 0) early_priorities_.reset();
    if (early) return *early;
  }
  std::string value;
  for (const http::HeaderField& field : fields) {
    if (ABSL_PREDICT_TRUE(field.name != "priority")) continue;
    if (!value.empty()) value += ',';  // RFC 8941 4.2: several lines are one dictionary
    value += field.value;
  }
  return value.empty() ? kUnsignalled : ParsePriority(value).value_or(kUnsignalled);
}

absl::Status Session::OnResponse(Stream& stream, const frame::HeadersFrame& headers) {
  const absl::StatusOr<http::ResponseHead> head = http::ReadResponseHead(headers.fields->fields());
  if (!head.ok()) return StreamError(stream.id_, ErrorCode::kProtocolError, "malformed_response", ToStd(head.status().message()));
  if (head->status < 200) {
    // RFC 9113 8.1: 1xx are interim, and 101 has no meaning here.
    if (head->status == 101 || headers.end_stream) {
      return StreamError(stream.id_, ErrorCode::kProtocolError, "malformed_response", "interim response that ends the stream, or 101");
    }
    return guard_.OnControl(Clock::now());
  }
  const absl::StatusOr<int64_t> length = http::ReadContentLength(head->fields);
  if (!length.ok()) return StreamError(stream.id_, ErrorCode::kProtocolError, "malformed_response", ToStd(length.status().message()));
  const bool no_body = stream.is_head_request_ || head->status == 204 || head->status == 304;
  stream.body_left_ = no_body ? -1 : *length;
  stream.head_received_ = true;
  if (headers.end_stream && stream.body_left_ > 0) {
    return StreamError(stream.id_, ErrorCode::kProtocolError, "content_length_mismatch", "content-length without a body");
  }
  http::Receiver* receiver = stream.receiver_;
  if (headers.end_stream) OnPeerEnd(stream);
  if (receiver != nullptr) receiver->OnHead(*head, headers.end_stream);
  return absl::OkStatus();
}

absl::Status Session::OnTrailers(Stream& stream, const frame::HeadersFrame& headers) {
  if (!headers.end_stream) {
    return StreamError(stream.id_, ErrorCode::kProtocolError, "trailers_without_end", "trailers without END_STREAM");  // RFC 9113 8.1
  }
  if (stream.is_connect_) return StreamError(stream.id_, ErrorCode::kProtocolError, "connect_trailers", "HEADERS on a CONNECT stream");  // 8.5
  const std::span<const http::HeaderField> fields = headers.fields->fields();
  if (const absl::Status valid = http::ValidateTrailers(fields); !valid.ok()) {
    return StreamError(stream.id_, ErrorCode::kProtocolError, "malformed_trailers", ToStd(valid.message()));
  }
  if (stream.body_left_ > 0) {
    return StreamError(stream.id_, ErrorCode::kProtocolError, "content_length_mismatch", "DATA and content-length do not agree");
  }
  if (ABSL_PREDICT_FALSE(over_send_queue_budget())) HoldEnd(stream);
  if (ABSL_PREDICT_FALSE(stream.request_held_)) {  // which keeps them
    const size_t size = headers.fields->list_size();
    if (header_bytes_ + size > header_budget()) {
      return StreamError(stream.id_, ErrorCode::kEnhanceYourCalm, "header_budget", "trailers exceed what the connection's requests may keep");
    }
    stream.head_bytes_ += static_cast<uint32_t>(size);
    header_bytes_ += size;
  }
  http::Receiver* receiver = stream.receiver_;
  OnPeerEnd(stream);
  if (receiver != nullptr) receiver->OnTrailers(fields);
  return absl::OkStatus();
}

absl::Status Session::OnRstStream(const frame::FrameHeader& header, const frame::RstStreamFrame& reset) {
  Stream* stream = Find(header.stream_id);
  if (stream == nullptr && IsIdle(header.stream_id)) {
    return ConnectionError(ErrorCode::kProtocolError, "rst_on_idle", "RST_STREAM on an idle stream");
  }
  // What comes now was sent after it, and is not in flight.
  if (recently_reset_ != nullptr) {
    std::replace(recently_reset_->ids.begin(), recently_reset_->ids.end(), header.stream_id, frame::StreamId{0});
  }
  // Of a stream that is over it undoes nothing: clients say so when the server has ended a call before they did. A stream stays in the table
  // until its handler has ended.
  if (stream == nullptr || stream->state_ == StreamState::kClosed) return absl::OkStatus();
  if (role_ == Role::kServer) CULVERT_RETURN_IF_ERROR(guard_.OnReset(Clock::now()));
  FailStream(*stream,
             absl::Status(ToStatusCode(reset.error_code),
                          StrCat("stream reset by the peer: ", frame::ErrorCodeName(reset.error_code), " (",
                                 static_cast<uint32_t>(reset.error_code), ")")),
             reset.error_code == ErrorCode::kRefusedStream);
  return absl::OkStatus();
}

absl::Status Session::OnSettings(const frame::SettingsFrame& settings) {
  CULVERT_RETURN_IF_ERROR(guard_.OnControl(Clock::now()));
  if (settings.ack) {
    if (!settings_acked_) framer_.OnSettingsAcked();
    settings_acked_ = true;
    return absl::OkStatus();
  }
  const bool first = !settings_received_;
  if (first) {
    settings_received_ = true;
    timer_.reset();
    if (write_blocked_) StartTimer(options_.write_timeout);
    peer_max_streams_ = UINT32_MAX;  // RFC 9113 6.5.2: unlimited unless it says otherwise
  }
  uint32_t initial_window = peer_initial_window_;
  uint32_t highest_window = 0;
  for (const frame::Setting& setting : settings.settings) {
    switch (setting.id) {
      case frame::SettingId::kHeaderTableSize:
        encoder_.SetPeerTableSize(setting.value);
        break;
      case frame::SettingId::kMaxConcurrentStreams:
        peer_max_streams_ = setting.value;
        break;
      case frame::SettingId::kInitialWindowSize:
        initial_window = setting.value;
        highest_window = std::max(highest_window, setting.value);
        break;
      case frame::SettingId::kMaxFrameSize:
        // Streams take turns a frame each: one that is larger would make the others wait for nothing.
        peer_max_frame_size_ = std::min(setting.value, kLargeFrame);
        break;
      case frame::SettingId::kEnablePush:
        if (role_ == Role::kClient && setting.value != 0) {
          return ConnectionError(ErrorCode::kProtocolError, "server_enables_push", "a server sent ENABLE_PUSH other than 0");
        }
        break;
      case frame::SettingId::kNoRfc7540Priorities:
        // RFC 9218 2.1. Nothing else follows from it: priorities of RFC 7540 are ignored anyway.
        if (!first && peer_no_rfc7540_ != (setting.value != 0)) {
          return ConnectionError(ErrorCode::kProtocolError, "no_rfc7540_priorities_changed",
                                 "NO_RFC7540_PRIORITIES changed after the first SETTINGS");
        }
        peer_no_rfc7540_ = setting.value != 0;
        break;
      default:
        break;  // advisory, or unknown: ignored (RFC 9113 6.5.2)
    }
  }
  // RFC 9113 6.5.3: one after the other. Only the last value stays, so that the streams are gone through twice at most, however often one frame
  // changes it.
  if (highest_window > initial_window) CULVERT_RETURN_IF_ERROR(AdjustSendWindows(highest_window));
  if (initial_window != peer_initial_window_) CULVERT_RETURN_IF_ERROR(AdjustSendWindows(initial_window));
  frame::AppendSettingsAck(output_);
  ScheduleFlush();
  if (client_ != nullptr && client_->on_ready != nullptr) {
    auto ready = std::exchange(client_->on_ready, nullptr);
    ready();
  }
  OpenPending();
  return absl::OkStatus();
}

// RFC 9113 6.9.2: the change applies to every stream that may still send.
absl::Status Session::AdjustSendWindows(uint32_t initial_window) {
  const int64_t delta = static_cast<int64_t>(initial_window) - peer_initial_window_;
  peer_initial_window_ = initial_window;
  for (Stream* s = all_.front(); s != nullptr; s = s->all_.next) {
    if (s->state_ == StreamState::kClosed) continue;
    if (!s->send_window_.Adjust(delta)) {
      return ConnectionError(ErrorCode::kFlowControlError, "initial_window_overflow",
                             "INITIAL_WINDOW_SIZE makes a stream's window exceed 2^31-1");
    }
    if (delta > 0) MakeReady(*s);
  }
  return absl::OkStatus();
}

absl::Status Session::OnPing(const frame::PingFrame& ping) {
  if (!ping.ack) {
    if (role_ == Role::kServer) {
      CULVERT_RETURN_IF_ERROR(guard_.OnPing(Clock::now(), stream_count_ > 0, options_.min_ping_interval, options_.max_ping_strikes));
    }
    frame::AppendPing(output_, ping.opaque, true);
    ScheduleFlush();
  } else if (ping.opaque == kProbePing) {
    probe_.OnAck(Clock::now());
    // The streams' windows follow as their bytes are consumed.
    withheld_credit_ += receive_window_.GrowWithheld(probe_.window());
    CreditConnection(0);
  } else if (draining_ && role_ == Role::kServer && ping.opaque == kDrainPing && goaway_last_ == frame::kMaxStreamId) {
    EndDrain();
  }
  return absl::OkStatus();
}

absl::Status Session::OnGoAway(const frame::GoAwayFrame& goaway) {
  CULVERT_RETURN_IF_ERROR(guard_.OnControl(Clock::now()));
  going_away_ = true;
  const std::string_view debug(reinterpret_cast<const char*>(goaway.debug_data.data()), std::min<size_t>(goaway.debug_data.size(), 256));
  const absl::Status why(absl::StatusCode::kUnavailable,
                         absl::StrCat("peer is going away: ", ToAbsl(frame::ErrorCodeName(goaway.error_code)), " \"",
                                      absl::CHexEscape(ToAbsl(debug)), "\""));
  BecomeUnusable(why);
  if (role_ == Role::kServer) return absl::OkStatus();
  for (size_t left = stream_count_; left > 0 && !all_.empty(); --left) {
    Stream& stream = *all_.PopFront();
    all_.PushBack(&stream);
    const bool unprocessed = stream.id_ == 0 || stream.id_ > goaway.last_stream_id;
    if (unprocessed && stream.state_ != StreamState::kClosed) FailStream(stream, why, true);
  }
  if (!draining_) {
    draining_ = true;
    goaway_last_ = 0;
  }
  ScheduleFlush();
  return absl::OkStatus();
}

absl::Status Session::OnWindowUpdate(const frame::FrameHeader& header, const frame::WindowUpdateFrame& update) {
  CULVERT_RETURN_IF_ERROR(guard_.OnWindowUpdate());
  if (header.stream_id == 0) {
    if (!send_window_.Expand(update.increment)) {
      return ConnectionError(ErrorCode::kFlowControlError, "connection_window_overflow", "WINDOW_UPDATE makes the connection's window exceed 2^31-1");
    }
    if (std::exchange(starved_, false)) {
      for (Stream* s = all_.front(); s != nullptr; s = s->all_.next) MakeReady(*s);
    }
    ScheduleFlush();
    return absl::OkStatus();
  }
  Stream* stream = Find(header.stream_id);
  if (stream == nullptr) {
    if (IsIdle(header.stream_id)) {
      return ConnectionError(ErrorCode::kProtocolError, "window_update_on_idle", "WINDOW_UPDATE on an idle stream");
    }
    return absl::OkStatus();
  }
  if (stream->state_ == StreamState::kClosed) return absl::OkStatus();
  if (!stream->send_window_.Expand(update.increment)) {
    return StreamError(header.stream_id, ErrorCode::kFlowControlError, "stream_window_overflow",
                       "WINDOW_UPDATE makes the stream's window exceed 2^31-1");
  }
  MakeReady(*stream);
  return absl::OkStatus();
}

// RFC 9218 7.1.
absl::Status Session::OnPriorityUpdate(const frame::PriorityUpdateFrame& update) {
  CULVERT_RETURN_IF_ERROR(guard_.OnControl(Clock::now()));
  const frame::StreamId id = update.prioritized_stream_id;
  if (role_ == Role::kClient) {
    return ConnectionError(ErrorCode::kProtocolError, "priority_update_from_server", "PRIORITY_UPDATE from a server");
  }
  if ((id & 1) == 0) {  // never open, since we do not push
    return ConnectionError(ErrorCode::kProtocolError, "priority_update_of_push", "PRIORITY_UPDATE of a stream of the server's");
  }
  const std::optional<Priority> priority =
      ParsePriority({reinterpret_cast<const char*>(update.field_value.data()), update.field_value.size()});
  if (!priority || id > goaway_last_) return absl::OkStatus();
  if (!IsIdle(id)) {
    if (Stream* stream = Find(id); stream != nullptr) SetPriority(*stream, *priority);
    return absl::OkStatus();
  }
  if (early_priorities_ == nullptr) early_priorities_ = std::make_unique<EarlyPriorities>();
  static_cast<void>(early_priorities_->Take(last_peer_id_));  // of requests that were refused
  early_priorities_->Set(id, *priority);
  // Those that are still to come count with those that are here, as far as the client can know the limit.
  size_t streams = early_priorities_->size();
  for (const Stream* s = all_.front(); s != nullptr; s = s->all_.next) streams += s->state_ != StreamState::kClosed;
  if (settings_acked_ && streams > options_.max_concurrent_streams) {
    return ConnectionError(ErrorCode::kProtocolError, "priority_update_idle",
                           StrCat("PRIORITY_UPDATE of more streams than the ", options_.max_concurrent_streams, " there may be"));
  }
  return absl::OkStatus();
}

// The peer broke a rule of one stream: it is reset, and counts like a reset of the peer's own.
absl::Status Session::OnStreamError(const frame::WireError& error, const absl::Status& why) {
  const frame::StreamId id = error.stream_id;
  if (IsIdle(id)) {
    // RFC 9113 6.4: an idle stream is not reset. But HEADERS has opened it, wrong as they are.
    const bool opened = role_ == Role::kServer && (id & 1) != 0 && framer_.last_header().type == FrameType::kHeaders;
    if (!opened) return ConnectionError(error.code, error.token, ToStd(why.message()));
    last_peer_id_ = id;
  }
  base::CountLimit(error.token);
  SendRstStream(id, error.code);
  if (Stream* stream = Find(id); stream != nullptr && stream->state_ != StreamState::kClosed) {
    FailStream(*stream, absl::Status(absl::StatusCode::kInternal, why.message()), false);
  }
  return guard_.OnReset(Clock::now());
}

}  // namespace culvert::http2
