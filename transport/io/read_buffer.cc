#include "transport/io/read_buffer.h"

#include <cstring>
#include <utility>

#include "transport/base/check.h"
#include "transport/io/poison.h"

namespace culvert::io {

ReadBuffer::~ReadBuffer() { Release(); }

std::span<uint8_t> ReadBuffer::Space() {
  const size_t left = end_ - begin_;
  if (holds_ != Holds::kReadBlock || (kPoisons && begin_ != 0)) {
    BlockPool::Block fresh = pool_->TakeRead();
    if (left != 0) std::memcpy(fresh.get(), base_ + begin_, left);
    Release();
    Adopt(Holds::kReadBlock, std::move(fresh), left);
  } else if (left == 0) {
    begin_ = end_ = 0;
  } else if (begin_ != 0 && BlockPool::kReadBlock - end_ < BlockPool::kReadBlock / 4) {
    std::memmove(base_, base_ + begin_, left);
    begin_ = 0;
    end_ = left;
  }
  return {base_ + end_, BlockPool::kReadBlock - end_};
}

void ReadBuffer::Commit(size_t n) {
  CULVERT_DCHECK(holds_ == Holds::kReadBlock && n <= BlockPool::kReadBlock - end_, "Commit of more than Space gave");
  end_ += n;
}

void ReadBuffer::Park() {
  const size_t left = end_ - begin_;
  if (left == 0) {
    Release();
  } else if (holds_ == Holds::kReadBlock) {
    // A frame of the default maximum size and its header is a little more than a small block.
    const bool fits = left <= BlockPool::kSmallBlock;
    BlockPool::Block tail = fits ? pool_->TakeSmall() : std::make_unique_for_overwrite<uint8_t[]>(left);
    std::memcpy(tail.get(), base_ + begin_, left);
    Release();
    Adopt(fits ? Holds::kSmallBlock : Holds::kOwnBlock, std::move(tail), left);
  }
}

void ReadBuffer::Adopt(Holds what, BlockPool::Block block, size_t size) {
  holds_ = what;
  block_ = std::move(block);
  base_ = block_.get();
  begin_ = 0;
  end_ = size;
}

void ReadBuffer::Release() {
  switch (holds_) {
    case Holds::kNothing:
      break;
    case Holds::kReadBlock:
      pool_->GiveRead(std::move(block_));
      break;
    case Holds::kSmallBlock:
      pool_->GiveSmall(std::move(block_));
      break;
    case Holds::kOwnBlock:
      Unpoison(base_, end_);
      block_.reset();
      break;
  }
  holds_ = Holds::kNothing;
  base_ = nullptr;
  begin_ = end_ = poisoned_ = 0;
}

void ReadBuffer::PoisonConsumed() {
  // From the start of the granule in which the last call ended: that one could not be poisoned while it held
  // unread bytes.
  const size_t from = poisoned_ & ~size_t{7};
  io::Poison(base_ + from, begin_ - from);
  poisoned_ = begin_;
}

}  // namespace culvert::io
