#include "transport/io/write_buffer.h"

#include <cstring>
#include <utility>

#include "transport/base/spare.h"

namespace culvert::io {

namespace {
// A list of segments longer than this is given back once it is empty.
constexpr size_t kKeptSegments = 256;
}  // namespace

WriteBuffer::~WriteBuffer() {
  while (pieces_ != nullptr && pieces_->head < pieces_->segments.size()) PopFront();
}

uint8_t* WriteBuffer::GrowElsewhere(size_t n) {
  if (n == 0) {
    static uint8_t nothing;
    return &nothing;
  }
  Segment next;
  if (n > BlockPool::kSmallBlock) {
    std::shared_ptr<uint8_t[]> bytes = std::allocate_shared_for_overwrite<uint8_t[]>(LargeBlockAllocator<uint8_t>(), n);
    next.data = bytes.get();
    next.owner = std::move(bytes);
    next.capacity_left = n;
    return Push(std::move(next)).Extend(n, size_);
  }
  if (pieces_ != nullptr && pieces_->filling != kNone && pieces_->segments[pieces_->filling].capacity_left >= n) {
    Segment& before = pieces_->segments[pieces_->filling];
    next.block = std::move(before.block);
    next.data = before.data + before.size;
    next.capacity_left = std::exchange(before.capacity_left, 0);
  } else {
    next.block = pool_->TakeSmall();
    next.data = next.block.get();
    next.capacity_left = BlockPool::kSmallBlock;
  }
  Segment& last = Push(std::move(next));
  pieces_->filling = pieces_->segments.size() - 1;
  return last.Extend(n, size_);
}

WriteBuffer::Segment& WriteBuffer::Push(Segment segment) {
  if (pieces_ == nullptr) pieces_ = base::Spare<Pieces>::Take();
  pieces_->segments.push_back(std::move(segment));
  return pieces_->segments.back();
}

void WriteBuffer::Shrink(size_t n) {
  if (n == 0) return;
  CULVERT_DCHECK(pieces_ != nullptr && !pieces_->segments.back().shared && pieces_->segments.back().size >= n,
                 "Shrink of more than the last Grow");
  Segment& last = pieces_->segments.back();
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
  next.shared = true;
  Push(std::move(next));
}

size_t WriteBuffer::Gather(std::span<iovec> out) const {
  if (pieces_ == nullptr) return 0;
  size_t count = 0;
  for (size_t i = pieces_->head; i < pieces_->segments.size() && count < out.size(); ++i) {
    const Segment& segment = pieces_->segments[i];
    if (segment.size != 0) out[count++] = {segment.data, segment.size};
  }
  return count;
}

void WriteBuffer::Consume(size_t n) {
  CULVERT_DCHECK(n <= size_, "Consume of more than was appended");
  if (pieces_ == nullptr) return;
  size_ -= n;
  while (pieces_->head < pieces_->segments.size()) {
    Segment& first = pieces_->segments[pieces_->head];
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
  Segment& first = pieces_->segments[pieces_->head];
  if (first.block) pool_->GiveSmall(std::move(first.block));
  first.owner.reset();
  if (pieces_->filling == pieces_->head) pieces_->filling = kNone;
  ++pieces_->head;
}

void WriteBuffer::Compact() {
  if (pieces_->head == pieces_->segments.size()) {
    if (pieces_->segments.capacity() <= kKeptSegments) {
      pieces_->segments.clear();
      pieces_->head = 0;
      base::Spare<Pieces>::Give(std::move(pieces_));
    }
    pieces_.reset();
  } else if (pieces_->head > pieces_->segments.size() / 2) {
    pieces_->segments.erase(pieces_->segments.begin(), pieces_->segments.begin() + static_cast<ptrdiff_t>(pieces_->head));
    if (pieces_->filling != kNone) pieces_->filling -= pieces_->head;
    pieces_->head = 0;
  }
}

}  // namespace culvert::io
