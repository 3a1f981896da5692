#include "transport/io/prefixed_stream.h"

#include <algorithm>
#include <asio/error.hpp>
#include <cstring>
#include <utility>

#include "transport/io/event_loop.h"

namespace culvert::io {

struct PrefixedStream::Wait {
  WaitHandler handler;
  std::error_code result;
};

PrefixedStream::PrefixedStream(std::span<const uint8_t> prefix, std::unique_ptr<ByteStream> stream)
    : stream_(std::move(stream)), size_(prefix.size()) {
  if (prefix.empty()) return;
  prefix_ = std::make_unique_for_overwrite<uint8_t[]>(prefix.size());
  std::memcpy(prefix_.get(), prefix.data(), prefix.size());
}

PrefixedStream::~PrefixedStream() { CancelOwnWait(); }

std::unique_ptr<ByteStream> PrefixedStream::Make(std::span<const uint8_t> prefix,
                                                 std::unique_ptr<ByteStream> stream) {
  if (prefix.empty()) return stream;
  return std::make_unique<PrefixedStream>(prefix, std::move(stream));
}

IoResult PrefixedStream::TryRead(std::span<uint8_t> into) {
  if (prefix_ == nullptr) return stream_->TryRead(into);
  const size_t n = std::min(into.size(), prefix_left());
  std::memcpy(into.data(), prefix_.get() + begin_, n);
  begin_ += n;
  if (begin_ == size_) prefix_.reset();
  return IoResult::Bytes(n);
}

void PrefixedStream::AsyncWait(Direction direction, WaitHandler handler) {
  if (direction == Direction::kWrite || prefix_ == nullptr) {
    stream_->AsyncWait(direction, std::move(handler));
    return;
  }
  auto wait = std::make_shared<Wait>(Wait{std::move(handler), {}});
  wait_ = wait;
  loop().Post([wait = std::move(wait)] { std::exchange(wait->handler, nullptr)(wait->result); });
}

void PrefixedStream::CancelOwnWait() {
  if (const std::shared_ptr<Wait> wait = wait_.lock()) wait->result = asio::error::operation_aborted;
}

void PrefixedStream::CancelWaits() {
  CancelOwnWait();
  stream_->CancelWaits();
}

void PrefixedStream::Close() {
  CancelOwnWait();
  prefix_.reset();
  begin_ = size_ = 0;
  stream_->Close();
}

}  // namespace culvert::io
