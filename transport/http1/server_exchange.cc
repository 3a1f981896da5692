#include "transport/http1/server_exchange.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "transport/base/check.h"
#include "transport/http/validate.h"
#include "transport/http1/chunked.h"
#include "transport/http1/connection.h"
#include "transport/http1/fields.h"
#include "transport/http1/serialize.h"

namespace culvert::http1 {

namespace {

bool SaysClose(std::span<const http::HeaderField> fields) {
  for (const http::HeaderField& field : fields) {
    if (!EqualsIgnoringCase(field.name, "connection")) continue;
    std::string_view list = field.value;
    while (const std::optional<std::string_view> option = NextElement(list)) {
      if (EqualsIgnoringCase(*option, "close")) return true;
    }
  }
  return false;
}

}  // namespace

void ServerExchange::Begin(const Request& request) {
  receiver_ = nullptr;
  released_ = false;
  is_head_ = request.head.method == "HEAD";
  is_connect_ = request.head.method == "CONNECT";
  is_http10_ = request.minor_version == 0;
  keep_alive_ = request.keep_alive;
  awaits_continue_ = request.expects_continue;
  request_complete_ = request.body == BodyKind::kNone;
  unconsumed_ = 0;
  framing_ = Framing::kUnsent;
  length_left_ = 0;
  response_ended_ = false;
  wants_writable_ = false;
}

// Whether what is sent still reaches the wire.
bool ServerExchange::sending() const {
  return connection_.stage_ == Connection::Stage::kExchange && !released_ && !response_ended_;
}

void ServerExchange::Release() {
  CULVERT_DCHECK(!released_, "exchange released twice");
  const bool abandoned = sending();
  released_ = true;
  receiver_ = nullptr;
  const std::shared_ptr<Connection> self = std::move(connection_.self_);
  if (abandoned) {
    response_ended_ = true;
    if (framing_ == Framing::kUnsent) {
      connection_.RespondAndClose(500, "the request was not answered");
    } else {
      connection_.FinishOutput();  // without a last chunk, or short of the length: the client sees that it is
                                   // incomplete
    }
  }
  connection_.ScheduleAdvance();
  connection_.exchange_released_.Wake();
}

void ServerExchange::Reset(absl::StatusCode code) {
  if (connection_.stage_ != Connection::Stage::kExchange || released_ ||
      (request_complete_ && response_ended_))
    return;
  if (response_ended_) {
    connection_.FinishOutput();
  } else if (framing_ == Framing::kUnsent) {
    const bool overloaded =
        code == absl::StatusCode::kUnavailable || code == absl::StatusCode::kResourceExhausted;
    connection_.RespondAndClose(overloaded ? 503 : 500, "the request was not answered");
  } else {
    connection_.End();
  }
  request_complete_ = response_ended_ = true;
  connection_.ScheduleAdvance();
}

// Also settles whether the connection lives on after the response.
ServerExchange::Framing ServerExchange::ChooseFraming(const http::ResponseHead& head, bool end) {
  keep_alive_ = keep_alive_ && !connection_.draining_ && !SaysClose(head.fields);
  // RFC 9110 10.1.1: whether a body will come that was never asked for is anyone's guess.
  if (awaits_continue_ && !request_complete_) keep_alive_ = false;
  if (head.status == 101 || (is_connect_ && head.status / 100 == 2)) {
    keep_alive_ = false;
    return Framing::kRaw;
  }
  if (is_head_ || head.status == 204 || head.status == 304) return Framing::kNoBody;
  if (end) return Framing::kLength;  // 0
  const absl::StatusOr<int64_t> length = http::ReadContentLength(head.fields);
  if (length.ok() && *length >= 0) {
    length_left_ = static_cast<uint64_t>(*length);
    return Framing::kLength;
  }
  if (!is_http10_) return Framing::kChunked;
  keep_alive_ = false;
  return Framing::kUntilClose;
}

void ServerExchange::SendHead(const http::ResponseHead& head, bool end) {
  if (!sending() || framing_ != Framing::kUnsent) return;
  http::ResponseHead out = head;
  if (out.status < 100 || out.status > 999) out.status = 500;
  using Body = ResponseFraming::Body;
  ResponseFraming framing;
  if (out.status < 200 && out.status != 101) {
    if (!is_http10_)
      AppendResponseHead(*connection_.output_, out, framing);  // RFC 9110 15.2: 1.0 knows no 1xx
    if (out.status == 100) awaits_continue_ = false;  // the handler has asked for the body itself
    connection_.ScheduleAdvance();
    return;
  }
  framing_ = ChooseFraming(out, end);
  switch (framing_) {
    case Framing::kNoBody:
      framing.body = out.status == 204 ? Body::kNone : Body::kAsGiven;
      break;
    case Framing::kLength:
      framing.body = Body::kLength;
      framing.length = length_left_;
      break;
    case Framing::kChunked:
      framing.body = Body::kChunked;
      break;
    case Framing::kUntilClose:
    case Framing::kRaw:
    case Framing::kUnsent:
      break;
  }
  using Says = ResponseFraming::Connection;
  if (out.status == 101) {
    framing.connection = Says::kUpgrade;
  } else if (framing_ == Framing::kRaw) {
    framing.connection = Says::kUnstated;
  } else if (!keep_alive_) {
    framing.connection = Says::kClose;
  } else if (is_http10_) {
    framing.connection = Says::kKeepAlive;
  }
  AppendResponseHead(*connection_.output_, out, framing);
  if (end) End();
  connection_.NoteOutput();
}

uint8_t* ServerExchange::TrySendInPlace(size_t n, bool end) {
  if (!sending_body() || framing_ == Framing::kNoBody) return nullptr;
  if (connection_.output_full_) {
    wants_writable_ = true;
    return nullptr;
  }
  if (n > connection_.options_.output_limit || (framing_ == Framing::kLength && n > length_left_))
    return nullptr;
  io::WriteBuffer& output = *connection_.output_;
  uint8_t* at = nullptr;
  if (framing_ == Framing::kChunked) {
    // Header, bytes, CRLF and what ends the body, in one piece.
    uint8_t header[kMostChunkHeader];
    const size_t header_size = n == 0 ? 0 : WriteChunkHeader(n, header);
    const std::string_view tail = n == 0 ? std::string_view() : kChunkEnd;
    const std::string_view last = end ? kEndOfChunks : std::string_view();
    uint8_t* begin = output.Grow(header_size + n + tail.size() + last.size());
    if (header_size != 0) std::memcpy(begin, header, header_size);
    at = begin + header_size;
    if (!tail.empty()) std::memcpy(at + n, tail.data(), tail.size());
    if (!last.empty()) std::memcpy(at + n + tail.size(), last.data(), last.size());
  } else {
    at = output.Grow(n);
    if (framing_ == Framing::kLength) length_left_ -= n;
  }
  if (end) EndBody();
  connection_.NoteOutput();
  return at;
}

void ServerExchange::SendData(io::SharedBytes bytes, bool end) {
  if (!sending_body()) return;
  io::WriteBuffer& output = *connection_.output_;
  switch (framing_) {
    case Framing::kUnsent:
    case Framing::kNoBody:
      break;
    case Framing::kLength:
      if (bytes.size > length_left_) {
        // More than was announced would be taken for the next response.
        keep_alive_ = false;
        bytes.size = static_cast<size_t>(length_left_);
      }
      length_left_ -= bytes.size;
      output.AppendShared(std::move(bytes));
      break;
    case Framing::kChunked:
      if (bytes.size == 0) break;  // would be the last chunk
      AppendChunkHeader(bytes.size, output);
      output.AppendShared(std::move(bytes));
      output.Append(kChunkEnd);
      break;
    case Framing::kUntilClose:
    case Framing::kRaw:
      output.AppendShared(std::move(bytes));
      break;
  }
  if (end) End();
  connection_.NoteOutput();
  if (connection_.output_full_) wants_writable_ = true;
}

void ServerExchange::SendTrailers(std::span<const http::HeaderField> trailers) {
  if (!sending_body()) return;
  if (framing_ == Framing::kChunked) {
    connection_.output_->Append(kLastChunk);
    AppendTrailers(*connection_.output_, trailers);
    EndBody();
  } else {
    End();  // no other framing has room for them
  }
  connection_.NoteOutput();
}

void ServerExchange::End() {
  if (framing_ == Framing::kChunked) connection_.output_->Append(kEndOfChunks);
  EndBody();
}

void ServerExchange::EndBody() {
  response_ended_ = true;
  if (length_left_ > 0) keep_alive_ = false;  // shorter than announced: the client must see that
}

bool ServerExchange::writable() const { return !sending() || !connection_.output_full_; }

void ServerExchange::Consumed(size_t n) {
  if (released_) return;
  CULVERT_DCHECK(n <= unconsumed_, "more bytes paid back than were handed over");
  const bool stopped = unconsumed_ >= connection_.options_.unconsumed_limit;
  unconsumed_ -= std::min(n, unconsumed_);
  if (stopped && !request_complete_) connection_.ScheduleAdvance();
}

EventLoop& ServerExchange::loop() { return connection_.loop_; }
std::string ServerExchange::peer() const { return connection_.peer_; }
std::shared_ptr<const io::PeerCertificate> ServerExchange::peer_certificate() const {
  return connection_.stream_ != nullptr ? connection_.stream_->peer_certificate() : nullptr;
}

absl::StatusOr<http::Hijacked> ServerExchange::Hijack() {
  if (connection_.stage_ == Connection::Stage::kHijacked)
    return absl::FailedPreconditionError("the connection was hijacked before");
  if (!sending()) return absl::FailedPreconditionError("the exchange is over");
  if (!request_complete_) return absl::FailedPreconditionError("hijack before the request's body is read");
  if (framing_ != Framing::kUnsent && framing_ != Framing::kRaw) {
    return absl::FailedPreconditionError("hijack after an ordinary response has begun");
  }
  return connection_.Hijack();
}

}  // namespace culvert::http1
