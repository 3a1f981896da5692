#ifndef CULVERT_TRANSPORT_IO_READ_BUFFER_H_
#define CULVERT_TRANSPORT_IO_READ_BUFFER_H_

// Bytes read from a peer and not yet consumed, in a block borrowed from the loop's pool. Pure.
//
//   std::span<uint8_t> space = buffer.Space();     // borrows a read block, the unread tail at its front
//   buffer.Commit(read(fd, space));
//   while (enough(buffer.unread())) buffer.Consume(n);
//   buffer.Park();                                 // gives the block back; keeps only the tail
//
// unread() and spans into it are valid until Space, Park or destruction. Consume does not move bytes: a consumed span stays readable
// until the next call of Poison, Space or Park. Poison marks all consumed bytes as unreadable under AddressSanitizer.

#include <cstddef>
#include <cstdint>
#include <span>

#include "transport/base/check.h"
#include "transport/io/block_pool.h"
#include "transport/io/poison.h"

namespace culvert::io {

class ReadBuffer {
 public:
  explicit ReadBuffer(BlockPool& pool) : pool_(&pool) {}
  ~ReadBuffer();
  ReadBuffer(const ReadBuffer&) = delete;
  ReadBuffer& operator=(const ReadBuffer&) = delete;

  // Never empty as long as unread().size() < BlockPool::kReadBlock. Moves the unread tail to the front of a block when the
  // room behind it is below a quarter of the block (under AddressSanitizer: always, into the other block).
  std::span<uint8_t> Space();
  void Commit(size_t n);

  std::span<const uint8_t> unread() const { return {base_ + begin_, end_ - begin_}; }
  void Consume(size_t n) {
    CULVERT_DCHECK(n <= end_ - begin_, "Consume of more than is unread");
    begin_ += static_cast<uint32_t>(n);
  }
  void Poison() {
    if constexpr (kPoisons) {
      if (poisoned_ != begin_) PoisonConsumed();
    }
  }

  // Gives the borrowed read block back. An unread tail moves to a small block when it fits there, and to memory of its own otherwise.
  void Park();

  // True when no block is borrowed at all: what an idle connection must be.
  bool holds_nothing() const { return base_ == nullptr; }

 private:
  enum class Holds { kNothing, kReadBlock, kSmallBlock, kOwnBlock };

  void Adopt(Holds what, BlockPool::Block block, size_t size);
  void Release();
  void PoisonConsumed();

  BlockPool* pool_;
  BlockPool::Block block_;
  uint8_t* base_ = nullptr;
  Holds holds_ = Holds::kNothing;  // in block_; the last two are a parked tail
  uint32_t begin_ = 0;     // first unread byte
  uint32_t end_ = 0;       // one past the last byte read
  uint32_t poisoned_ = 0;  // bytes before this offset are poisoned
};

}  // namespace culvert::io

#endif  // CULVERT_TRANSPORT_IO_READ_BUFFER_H_
