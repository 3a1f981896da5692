#include "rpc/envelope.h"

#include <algorithm>
#include <cstring>

#include "transport/base/limit_counts.h"
#include "transport/base/strings.h"
#include "transport/io/large_blocks.h"

namespace culvert::rpc {

namespace {
constexpr size_t kFirstCapacity = 64;
constexpr uint8_t kCompressed = 0x01;
}  // namespace

void PutPrefix(uint8_t* out, bool compressed, uint32_t length) {
  out[0] = compressed ? kCompressed : 0;
  out[1] = static_cast<uint8_t>(length >> 24);
  out[2] = static_cast<uint8_t>(length >> 16);
  out[3] = static_cast<uint8_t>(length >> 8);
  out[4] = static_cast<uint8_t>(length);
}

absl::StatusOr<size_t> EnvelopeReader::Next(std::span<const uint8_t> bytes, std::optional<Message>* out) {
  out->reset();
  if (!failed_.ok()) return failed_;
  if (lent_) EndLoan();

  size_t taken = 0;
  if (prefix_have_ < kEnvelopePrefix) {
    const uint8_t* prefix = bytes.data();
    taken = std::min(bytes.size(), kEnvelopePrefix - prefix_have_);
    if (taken < kEnvelopePrefix) {
      std::copy_n(bytes.begin(), taken, prefix_ + prefix_have_);
      prefix = prefix_;
    }
    prefix_have_ += static_cast<uint8_t>(taken);
    if (prefix_have_ < kEnvelopePrefix) return taken;
    failed_ = ReadPrefix(prefix);
    if (!failed_.ok()) return failed_;
  }

  const std::span<const uint8_t> rest = bytes.subspan(taken);
  const size_t missing = length_ - gathered_size_;
  const std::span<const uint8_t> piece = rest.first(std::min(rest.size(), missing));
  taken += piece.size();
  if (piece.size() == missing && gathered_size_ == 0) {
    *out = Message{piece, compressed_};
  } else {
    Gather(piece);
    if (piece.size() < missing) return taken;
    lent_ = true;
    *out = Message{{gathered_, gathered_size_}, compressed_};
  }
  prefix_have_ = 0;
  return taken;
}

absl::Status EnvelopeReader::ReadPrefix(const uint8_t* prefix) {
  if ((prefix[0] & ~kCompressed) != 0) {
    return absl::InternalError(
        StrCat("message with flag byte ", static_cast<int>(prefix[0]), ", neither 0 nor 1"));
  }
  compressed_ = prefix[0] == kCompressed;
  length_ =
      uint32_t{prefix[1]} << 24 | uint32_t{prefix[2]} << 16 | uint32_t{prefix[3]} << 8 | uint32_t{prefix[4]};
  if (length_ > max_message_bytes_) {
    base::CountLimit("message_too_large");
    return absl::ResourceExhaustedError(
        StrCat("message of ", length_, " bytes is larger than the limit of ", max_message_bytes_));
  }
  return absl::OkStatus();
}

void EnvelopeReader::Gather(std::span<const uint8_t> bytes) {
  if (bytes.empty()) return;
  const size_t needed = gathered_size_ + bytes.size();
  if (needed > capacity_) {
    // The length, quartered as often as still holds what came: less than four times that, and all growing
    // together moves a third of the message.
    size_t capacity = std::max<size_t>(length_, kFirstCapacity);
    while (capacity / 4 >= std::max(needed, kFirstCapacity)) capacity = capacity / 4 + 1;
    uint8_t* const larger = io::LargeBlocks::Take(capacity);
    std::copy_n(gathered_, gathered_size_, larger);
    bytes_copied_ += gathered_size_;
    DropGathered();
    gathered_ = larger;
    capacity_ = static_cast<uint32_t>(capacity);
  }
  std::memcpy(gathered_ + gathered_size_, bytes.data(), bytes.size());
  bytes_copied_ += bytes.size();
  gathered_size_ = static_cast<uint32_t>(needed);
}

void EnvelopeReader::EndLoan() {
  lent_ = false;
  gathered_size_ = 0;
  if (capacity_ > kKeptBytes) DropGathered();
}

void EnvelopeReader::DropGathered() {
  io::LargeBlocks::Give(gathered_, capacity_);
  gathered_ = nullptr;
  capacity_ = 0;
}

}  // namespace culvert::rpc
