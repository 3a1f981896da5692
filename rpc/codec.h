#ifndef CULVERT_RPC_CODEC_H_
#define CULVERT_RPC_CODEC_H_

// Messages to enveloped bytes and back. Everything above this file speaks protobuf messages, everything below it bytes. Pure but for the
// exchange it sends on.

#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "google/protobuf/message_lite.h"
#include "rpc/envelope.h"
#include "transport/http/exchange.h"

namespace culvert::rpc {

// ResourceExhausted for a message that may not be sent, being larger than `max_bytes`.
absl::Status CheckMessageSize(size_t size, size_t max_bytes);

// Serializes `message` into the connection's output when it can go out now, and otherwise into memory of its own that waits its turn.
// Answers what went wrong with the message (too large for `max_bytes`), never what happened to the exchange.
absl::Status SendMessage(http::Exchange& exchange, const google::protobuf::MessageLite& message, bool end, size_t max_bytes);

// The envelope and the message as bytes of their own, for a thread that is not the exchange's.
absl::StatusOr<io::SharedBytes> SerializeMessage(const google::protobuf::MessageLite& message, size_t max_bytes);

// A call's only request, serialized, as long as it may have to be sent once more. A small one takes no memory of its own.
class KeptRequest {
 public:
  // Larger ones are not kept: they are sent once.
  static constexpr size_t kMost = 64 * 1024;

  // False, and nothing is kept, for a message that is too large for that.
  bool Keep(const google::protobuf::MessageLite& message);
  bool Keep(const io::SharedBytes& serialized);
  void Drop();
  bool kept() const { return size_ != 0; }

  // Sends it as the whole body.
  void SendOn(http::Exchange& exchange) const;

 private:
  size_t size_ = 0;  // envelope included
  uint8_t small_[64];
  io::SharedBytes large_;
};

// The messages that arrive on one exchange. Whoever waits for one gets it parsed in place, out of the leased frame; only what nobody
// waits for is copied, once, into `parked_`, which the flow-control window bounds. There frames lie end to end, so that one of a single
// byte costs a byte: it takes at most four times what waits, or kKeptParked.
//
//   OnData:  input.Lend(bytes, end);  wake the reader, who calls Next as often as it likes;  input.EndLoan();
class MessageInput {
 public:
  explicit MessageInput(size_t max_message_bytes) : envelopes_(std::min<size_t>(max_message_bytes, INT_MAX)) {}  // protobuf counts in int

  enum class Result { kMessage, kNeedMore, kEnd, kError };

  // Bytes of OnData, lent until EndLoan.
  void Lend(std::span<const uint8_t> bytes, bool end);
  // Parks what is left of them.
  void EndLoan();
  // The peer is done.
  void End() { ended_ = true; }

  // Parses the next message into `message`. Adds to *consumed the bytes to be paid back to the exchange, in every case.
  // kEnd: the stream ended between messages. kError: see error().
  Result Next(google::protobuf::MessageLite& message, size_t* consumed);
  // The same, and settles with the exchange that the bytes came from: pays back what was consumed, and says how much is held of a message
  // that is not whole yet, which may be refused: kError, ResourceExhausted. Null once the exchange is released.
  Result Next(google::protobuf::MessageLite& message, http::Exchange* exchange);
  const absl::Status& error() const { return error_; }

  // Drops everything, and what comes: no message is read any more, not even the rest of one. Answers how many bytes are to be paid back;
  // Next pays for those that come.
  size_t Discard();

  // Bytes of message data copied so far; 0 as long as every message was read in place.
  size_t bytes_copied() const { return envelopes_.bytes_copied() + bytes_parked_; }

  // Memory held for what nobody has read yet, and for a message that is not whole yet.
  size_t held_bytes() const { return parked_.capacity() + envelopes_.held_bytes(); }
  // Of the former, up to so much stays for the next time.
  static constexpr size_t kKeptParked = 1024;

 private:
  void ForgetRead();
  Result Parse(const Message& envelope, google::protobuf::MessageLite& message);

  EnvelopeReader envelopes_;
  std::span<const uint8_t> lent_;
  std::vector<uint8_t> parked_;  // [parked_begin_, end): came while nobody read
  uint32_t parked_begin_ = 0;    // a window has 31 bits
  bool ended_ = false;
  bool discarded_ = false;
  bool holding_ = false;  // the exchange was told of memory that is held
  size_t bytes_parked_ = 0;
  absl::Status error_;
};

}  // namespace culvert::rpc

#endif  // CULVERT_RPC_CODEC_H_
