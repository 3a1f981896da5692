#include "rpc/codec.h"

#include <algorithm>
#include <climits>
#include <utility>

#include "transport/base/strings.h"

namespace culvert::rpc {

namespace {

void Serialize(const google::protobuf::MessageLite& message, size_t size, uint8_t* out) {
  PutPrefix(out, false, static_cast<uint32_t>(size));
  message.SerializeWithCachedSizesToArray(out + kEnvelopePrefix);
}

}  // namespace

absl::Status CheckMessageSize(size_t size, size_t max_bytes) {
  // protobuf counts in int.
  if (size <= max_bytes && size <= INT_MAX) return absl::OkStatus();
  return absl::ResourceExhaustedError(StrCat("message of ", size, " bytes to be sent, the limit is ", max_bytes));
}

absl::StatusOr<io::SharedBytes> SerializeMessage(const google::protobuf::MessageLite& message, size_t max_bytes) {
  const size_t size = message.ByteSizeLong();
  if (absl::Status fits = CheckMessageSize(size, max_bytes); !fits.ok()) return fits;
  return io::SharedBytes::Make(kEnvelopePrefix + size, [&](uint8_t* out) { Serialize(message, size, out); });
}

absl::Status SendMessage(http::Exchange& exchange, const google::protobuf::MessageLite& message, bool end, size_t max_bytes) {
  const size_t size = message.ByteSizeLong();
  if (absl::Status fits = CheckMessageSize(size, max_bytes); !fits.ok()) return fits;
  if (uint8_t* out = exchange.TrySendInPlace(kEnvelopePrefix + size, end)) {
    Serialize(message, size, out);
    return absl::OkStatus();
  }
  exchange.SendData(io::SharedBytes::Make(kEnvelopePrefix + size, [&](uint8_t* out) { Serialize(message, size, out); }), end);
  return absl::OkStatus();
}

bool KeptRequest::Keep(const google::protobuf::MessageLite& message) {
  const size_t size = kEnvelopePrefix + message.ByteSizeLong();
  if (size > kMost) return false;
  size_ = size;
  if (size <= sizeof(small_)) {
    Serialize(message, size - kEnvelopePrefix, small_);
  } else {
    large_ = io::SharedBytes::Make(size, [&](uint8_t* out) { Serialize(message, size - kEnvelopePrefix, out); });
  }
  return true;
}

bool KeptRequest::Keep(const io::SharedBytes& serialized) {
  if (serialized.size > kMost) return false;
  size_ = serialized.size;
  large_ = serialized;
  return true;
}

void KeptRequest::Drop() {
  size_ = 0;
  large_ = {};
}

void KeptRequest::SendOn(http::Exchange& exchange) const {
  if (large_.data != nullptr) return exchange.SendData(large_, true);
  if (uint8_t* const out = exchange.TrySendInPlace(size_, true)) {
    std::copy_n(small_, size_, out);
  } else {
    exchange.SendData(io::SharedBytes::Copy({reinterpret_cast<const char*>(small_), size_}), true);
  }
}

void MessageInput::Lend(std::span<const uint8_t> bytes, bool end) {
  lent_ = bytes;
  ended_ = ended_ || end;
}

void MessageInput::EndLoan() {
  if (lent_.empty()) return;
  parked_.insert(parked_.end(), lent_.begin(), lent_.end());
  bytes_parked_ += lent_.size();
  lent_ = {};
}

// A stream that fell behind once does not hold that memory for good: once most of much was read, the rest moves into less. Not at every
// message, which would move it again and again.
void MessageInput::ForgetRead() {
  const bool much = parked_.capacity() > kKeptParked;
  if (parked_begin_ < parked_.size() && (!much || parked_begin_ <= parked_.size() / 2)) return;
  if (much) {
    parked_ = std::vector<uint8_t>(parked_.begin() + static_cast<std::ptrdiff_t>(parked_begin_), parked_.end());
    bytes_parked_ += parked_.size();
  } else {
    parked_.clear();
  }
  parked_begin_ = 0;
}

size_t MessageInput::Discard() {
  const size_t held = parked_.size() - parked_begin_ + lent_.size();
  parked_ = std::vector<uint8_t>();
  parked_begin_ = 0;
  lent_ = {};
  discarded_ = true;
  return held;
}

MessageInput::Result MessageInput::Parse(const Message& envelope, google::protobuf::MessageLite& message) {
  if (envelope.compressed) {
    error_ = absl::InternalError("message is compressed although no grpc-encoding was agreed on");
    return Result::kError;
  }
  if (!message.ParseFromArray(envelope.bytes.data(), static_cast<int>(envelope.bytes.size()))) {
    error_ = absl::InternalError(StrCat("message of ", envelope.bytes.size(), " bytes is not a valid ", message.GetTypeName()));
    return Result::kError;
  }
  return Result::kMessage;
}

MessageInput::Result MessageInput::Next(google::protobuf::MessageLite& message, size_t* consumed) {
  if (!error_.ok()) return Result::kError;
  if (discarded_) {
    *consumed += Discard();
    return ended_ ? Result::kEnd : Result::kNeedMore;
  }
  // A message of no bytes is complete with its prefix, so that even nothing more to read may bring one: hence no early way out.
  while (parked_begin_ < parked_.size() || !lent_.empty()) {
    const bool from_parked = parked_begin_ < parked_.size();
    const std::span<const uint8_t> bytes = from_parked ? std::span<const uint8_t>(parked_).subspan(parked_begin_) : lent_;
    std::optional<Message> envelope;
    const absl::StatusOr<size_t> taken = envelopes_.Next(bytes, &envelope);
    if (!taken.ok()) {
      error_ = taken.status();
      *consumed += Discard();
      return Result::kError;
    }
    *consumed += *taken;
    const Result result = envelope ? Parse(*envelope, message) : Result::kNeedMore;
    // Now, as Next would do first of all: who has the message may be busy with it for long.
    if (envelope && envelopes_.held_bytes() > EnvelopeReader::kKeptBytes) static_cast<void>(envelopes_.Next({}, &envelope));
    if (from_parked) {
      parked_begin_ += static_cast<uint32_t>(*taken);
      ForgetRead();
    } else {
      lent_ = lent_.subspan(*taken);
    }
    if (result != Result::kNeedMore) return result;
  }
  if (!ended_) return Result::kNeedMore;
  if (envelopes_.at_boundary()) return Result::kEnd;
  error_ = absl::InternalError("the stream ended within a message");
  return Result::kError;
}

MessageInput::Result MessageInput::Next(google::protobuf::MessageLite& message, http::Exchange* exchange) {
  size_t consumed = 0;
  const Result result = Next(message, &consumed);
  if (exchange == nullptr) return result;
  if (consumed != 0) exchange->Consumed(consumed);
  const size_t held = envelopes_.at_boundary() ? 0 : envelopes_.held_bytes();
  if (held == 0 && !holding_) return result;
  holding_ = held != 0;
  absl::Status allowed = exchange->Hold(held);
  if (allowed.ok() || result != Result::kNeedMore) return result;
  error_ = std::move(allowed);
  envelopes_.Abandon();  // now: who reads may still be busy with something else for long
  holding_ = false;
  static_cast<void>(exchange->Hold(0));
  return Result::kError;
}

}  // namespace culvert::rpc
