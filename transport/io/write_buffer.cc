#include "transport/io/write_buffer.h"

#include <cstring>
#include <utility>

namespace culvert::io {

namespace {
// A list of segments longer than this is given back once it is empty.
constexpr size_t kKeptSegments = 256;
}  // namespace

WriteBuffer::~WriteBuffer() {
  while (head_ < segments_.size()) PopFront();
}

uint8_t* WriteBuffer::GrowElsewhere(size_t n) {
  if (n == 0) {
    static uint8_t nothing;
    return &nothing;
  }
  Segment next;
  if (n > BlockPool::kSmallBlock) {
    next.block = std::make_unique_for_overwrite<uint8_t[]>(n);
    next.data = next.block.get();
    next.capacity_left = n;
    segments_.push_back(std::move(next));
    return segments_.back().Extend(n, size_);
  }
  if (filling_ != kNone && segments_[filling_].capacity_left >= n) {
    Segment& before = segments_[filling_];
    next.block = std::move(before.block);
    next.data = before.data + before.size;
    next.capacity_left = std::exchange(before.capacity_left, 0);
  } else {
    next.block = pool_->TakeSmall();
    next.data = next.block.get();
    next.capacity_left = BlockPool::kSmallBlock;
  }
  next.pooled = true;
  filling_ = segments_.size();
  segments_.push_back(std::move(next));
  return segments_.back().Extend(n, size_);
}

void WriteBuffer::Shrink(size_t n) {
  if (n == 0) return;
  CULVERT_DCHECK(head_ < segments_.size() && segments_.back().block && segments_.back().size >= n,
                 "Shrink of more than the last Grow");
  Segment& last = segments_.back();
  last.size -= n;
  last.capacity_left += n;
  size_ -= n;
  // An empty last segment stays while others are before it: they may live in its block.
  if (size_ == 0) Consume(0);
}

void WriteBuffer::Append(std::span<const uint8_t> bytes) {
  if (bytes.empty()) return;
  std::memcpy(Grow(bytes.size()), bytes.data(), bytes.size());
}

void WriteBuffer::AppendShared(SharedBytes bytes) {
  if (bytes.size < kShareFrom) {
    Append({bytes.data, bytes.size});
    return;
  }
  size_ += bytes.size;
  Segment next;
  next.owner = std::move(bytes.owner);
  next.data = const_cast<uint8_t*>(bytes.data);
  next.size = bytes.size;
  segments_.push_back(std::move(next));
}

size_t WriteBuffer::Gather(std::span<iovec> out) const {
  size_t count = 0;
  for (size_t i = head_; i < segments_.size() && count < out.size(); ++i) {
    const Segment& segment = segments_[i];
    if (segment.size != 0) out[count++] = {segment.data, segment.size};
  }
  return count;
}

void WriteBuffer::Consume(size_t n) {
  CULVERT_DCHECK(n <= size_, "Consume of more than was appended");
  size_ -= n;
  while (head_ < segments_.size()) {
    Segment& first = segments_[head_];
    if (n < first.size) {
      first.data += n;
      first.size -= n;
      break;
    }
    n -= first.size;
    PopFront();
  }
  Compact();
}

void WriteBuffer::PopFront() {
  Segment& first = segments_[head_];
  if (first.pooled && first.block) pool_->GiveSmall(std::move(first.block));
  first.block.reset();
  first.owner.reset();
  if (filling_ == head_) filling_ = kNone;
  ++head_;
}

void WriteBuffer::Compact() {
  if (head_ == segments_.size()) {
    segments_.clear();
    if (segments_.capacity() > kKeptSegments) segments_.shrink_to_fit();
    head_ = 0;
  } else if (head_ > segments_.size() / 2) {
    segments_.erase(segments_.begin(), segments_.begin() + static_cast<ptrdiff_t>(head_));
    if (filling_ != kNone) filling_ -= head_;
    head_ = 0;
  }
}

}  // namespace culvert::io
