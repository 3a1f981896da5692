#include "transport/io/read_buffer.h"

#include <cstring>
#include <utility>

#include "transport/base/check.h"
#include "transport/io/poison.h"

namespace culvert::io {

ReadBuffer::~ReadBuffer() { Release(); }

std::span<uint8_t> ReadBuffer::Space() {
  const size_t left = end_ - begin_;
  if (!block_ || small_ || (kPoisons && begin_ != 0)) {
    BlockPool::Block fresh = pool_->TakeRead();
    if (left != 0) std::memcpy(fresh.get(), base_ + begin_, left);
    Release();
    Adopt(std::move(fresh), /*small=*/false, left);
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
  CULVERT_DCHECK(block_ && !small_ && n <= BlockPool::kReadBlock - end_, "Commit of more than Space gave");
  end_ += n;
}

void ReadBuffer::Park() {
  const size_t left = end_ - begin_;
  if (left == 0) {
    Release();
  } else if (block_ && !small_ && left <= BlockPool::kSmallBlock) {
    BlockPool::Block tail = pool_->TakeSmall();
    std::memcpy(tail.get(), base_ + begin_, left);
    Release();
    Adopt(std::move(tail), /*small=*/true, left);
  }
}

void ReadBuffer::Adopt(BlockPool::Block block, bool small, size_t size) {
  block_ = std::move(block);
  small_ = small;
  base_ = block_.get();
  begin_ = 0;
  end_ = size;
}

void ReadBuffer::Release() {
  if (block_) {
    if (small_) {
      pool_->GiveSmall(std::move(block_));
    } else {
      pool_->GiveRead(std::move(block_));
    }
  }
  small_ = false;
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
