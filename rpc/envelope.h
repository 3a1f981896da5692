#ifndef CULVERT_RPC_ENVELOPE_H_
#define CULVERT_RPC_ENVELOPE_H_

// The envelope around each message of a call (gRPC over HTTP/2, "Length-Prefixed-Message"): a flag byte, a
// 32-bit big-endian length, and that many bytes. Pure; knows nothing of DATA frames, whose edges mean nothing
// to it, nor of how a message is compressed.
//
// EnvelopeReader is pushed bytes from the read loop, straight out of a leased frame. A message that lies
// whole in one piece is lent in place, without a copy; only one that is torn over pieces is gathered.
//
//   while (!bytes.empty()) {
//     std::optional<Message> message;
//     CULVERT_ASSIGN_OR_RETURN(size_t taken, reader.Next(bytes, &message));
//     bytes = bytes.subspan(taken);
//     if (message) Deliver(*message);             // consumed, or copied, before the next call
//   }

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace culvert::rpc {

inline constexpr size_t kEnvelopePrefix = 5;

// What other gRPC implementations accept by default: a peer cannot make us hold more than this for one
// message.
inline constexpr size_t kDefaultMaxReceiveBytes = 4 * 1024 * 1024;

// Writes the prefix of a message of `length` bytes to out[0, kEnvelopePrefix).
void PutPrefix(uint8_t* out, bool compressed, uint32_t length);

struct Message {
  std::span<const uint8_t> bytes;
  bool compressed = false;
};

class EnvelopeReader {
 public:
  explicit EnvelopeReader(size_t max_message_bytes = kDefaultMaxReceiveBytes)
      : max_message_bytes_(static_cast<uint32_t>(std::min<size_t>(max_message_bytes, UINT32_MAX))) {}
  ~EnvelopeReader() { DropGathered(); }
  EnvelopeReader(const EnvelopeReader&) = delete;
  EnvelopeReader& operator=(const EnvelopeReader&) = delete;

  // Takes the next bytes of the stream and returns how many; call again with the rest. *out is the message
  // that they complete, or nullopt, in which case all were taken. The message's bytes lie either in `bytes`
  // itself, and live as long as those do, or in the reader, until Next is called again or the reader dies.
  //
  // Errors are for good: the stream's framing is lost, and every later call answers the same.
  // RESOURCE_EXHAUSTED for a message announced larger than max_message_bytes, before any of it is kept;
  // INTERNAL for a flag byte other than 0 and 1.
  absl::StatusOr<size_t> Next(std::span<const uint8_t> bytes, std::optional<Message>* out);

  // Gives back what is held of a message that will not be read to its end. Nothing is read afterwards.
  void Abandon() { DropGathered(); }

  // No part of a message is pending: where a stream may end.
  bool at_boundary() const { return prefix_have_ == 0; }

  // Bytes of messages copied so far, into the reader and within it; 0 as long as every message came whole.
  size_t bytes_copied() const { return bytes_copied_; }

  // Memory held for messages torn over pieces: grows with the bytes that came, not with the length announced.
  // Up to kKeptBytes stay for the next one, little enough that a connection's worth of streams may each have them; larger ones go back to the
  // heap or io::LargeBlocks, which serve the next message of any stream.
  size_t held_bytes() const { return capacity_; }
  static constexpr size_t kKeptBytes = 4 * 1024;

 private:
  absl::Status ReadPrefix(const uint8_t* prefix);
  void Gather(std::span<const uint8_t> bytes);
  void EndLoan();
  void DropGathered();

  // Ordered and sized to be small: every stream has one. A length on the wire has 32 bits.
  absl::Status failed_;
  uint8_t* gathered_ = nullptr;  // from io::LargeBlocks, capacity_ bytes
  uint32_t gathered_size_ = 0;
  uint32_t capacity_ = 0;
  const uint32_t max_message_bytes_;

  uint8_t prefix_[kEnvelopePrefix];
  uint8_t prefix_have_ = 0;  // kEnvelopePrefix: the two fields below are set
  bool compressed_ = false;
  bool lent_ = false;  // the last message lies in gathered_
  uint32_t length_ = 0;

  size_t bytes_copied_ = 0;
};

}  // namespace culvert::rpc

#endif  // CULVERT_RPC_ENVELOPE_H_
