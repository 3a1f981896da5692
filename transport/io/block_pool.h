#ifndef CULVERT_TRANSPORT_IO_BLOCK_POOL_H_
#define CULVERT_TRANSPORT_IO_BLOCK_POOL_H_

// The buffers of one event loop: lent to whichever connection has bytes, so that an idle connection holds none.
//
// Each loop owns one pool; ReadBuffer and WriteBuffer borrow from it and must be destroyed before it. Not thread-safe: everything
// that borrows lives on that loop. Two sizes: large read blocks, of which usually one is ever out (connections of a loop read in
// turn), and small blocks for frames waiting to be written and for the tails of partial frames. Freed blocks are kept up to a
// bound, so that a loop in steady state allocates nothing.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace culvert::io {

class BlockPool {
 public:
  static constexpr size_t kReadBlock = 128 * 1024;
  static constexpr size_t kSmallBlock = 16 * 1024;

  using Block = std::unique_ptr<uint8_t[]>;

  BlockPool() = default;
  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // A block of kReadBlock bytes, contents unspecified. Under AddressSanitizer two are used in turn, so that a span kept past its lease
  // points into memory that stays poisoned while the other block is filled.
  Block TakeRead();
  void GiveRead(Block block);

  Block TakeSmall();
  void GiveSmall(Block block);

 private:
  std::vector<Block> read_;
  std::vector<Block> small_;
};

}  // namespace culvert::io

#endif  // CULVERT_TRANSPORT_IO_BLOCK_POOL_H_
