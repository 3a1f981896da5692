#include "transport/io/block_pool.h"

#include <utility>

#include "transport/io/poison.h"

namespace culvert::io {

namespace {

// Under AddressSanitizer a block rests for at least one turn before it is filled again.
constexpr size_t kRestingReads = kPoisons ? 1 : 0;
constexpr size_t kKeptReads = 2 + kRestingReads;
constexpr size_t kKeptSmall = 64;

}  // namespace

BlockPool::~BlockPool() {
  for (const Block& block : read_) Unpoison(block.get(), kReadBlock);
  for (const Block& block : small_) Unpoison(block.get(), kSmallBlock);
}

BlockPool::Block BlockPool::TakeRead() {
  if (read_.size() <= kRestingReads) return std::make_unique_for_overwrite<uint8_t[]>(kReadBlock);
  // The one that has rested longest under AddressSanitizer; otherwise the one that is still in the cache.
  const auto at = kPoisons ? read_.begin() : read_.end() - 1;
  Block block = std::move(*at);
  read_.erase(at);
  Unpoison(block.get(), kReadBlock);
  return block;
}

void BlockPool::GiveRead(Block block) {
  if (read_.size() >= kKeptReads) {
    Unpoison(block.get(), kReadBlock);
    return;
  }
  Poison(block.get(), kReadBlock);
  read_.push_back(std::move(block));
}

BlockPool::Block BlockPool::TakeSmall() {
  if (small_.empty()) return std::make_unique_for_overwrite<uint8_t[]>(kSmallBlock);
  Block block = std::move(small_.back());
  small_.pop_back();
  Unpoison(block.get(), kSmallBlock);
  return block;
}

void BlockPool::GiveSmall(Block block) {
  if (small_.size() >= kKeptSmall) {
    Unpoison(block.get(), kSmallBlock);
    return;
  }
  Poison(block.get(), kSmallBlock);
  small_.push_back(std::move(block));
}

}  // namespace culvert::io
