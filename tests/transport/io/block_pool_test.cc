#include "transport/io/block_pool.h"

#include <cstring>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "bench/allocation_counter/allocation_counter.h"
#include "transport/io/poison.h"

namespace culvert::io {
namespace {

TEST(BlockPool, BlocksAreWritableInFullLengthEachTime) {
  BlockPool pool;
  for (int turn = 0; turn < 6; ++turn) {
    BlockPool::Block read = pool.TakeRead();
    BlockPool::Block small = pool.TakeSmall();
    std::memset(read.get(), turn, BlockPool::kReadBlock);
    std::memset(small.get(), turn, BlockPool::kSmallBlock);
    pool.GiveRead(std::move(read));
    pool.GiveSmall(std::move(small));
  }
}

TEST(BlockPool, BlocksThatAreOutAtOnceAreDistinct) {
  BlockPool pool;
  BlockPool::Block first = pool.TakeSmall();
  BlockPool::Block second = pool.TakeSmall();
  EXPECT_NE(first.get(), second.get());
  pool.GiveSmall(std::move(first));
  pool.GiveSmall(std::move(second));
}

TEST(BlockPool, SteadyStateAllocatesNothing) {
  BlockPool pool;
  const auto turn = [&] {
    BlockPool::Block read = pool.TakeRead();
    BlockPool::Block small = pool.TakeSmall();
    pool.GiveRead(std::move(read));
    pool.GiveSmall(std::move(small));
  };
  for (int i = 0; i < 4; ++i) turn();
  const testing::AllocationCounter counter;
  for (int i = 0; i < 100; ++i) turn();
  EXPECT_EQ(counter.Count(), 0u);
}

TEST(BlockPool, KeepsABoundedNumberOfBlocks) {
  BlockPool pool;
  std::vector<BlockPool::Block> out;
  for (int i = 0; i < 500; ++i) out.push_back(pool.TakeSmall());
  for (BlockPool::Block& block : out) pool.GiveSmall(std::move(block));
  out.clear();
  out.reserve(500);
  const testing::AllocationCounter counter;
  for (int i = 0; i < 500; ++i) out.push_back(pool.TakeSmall());
  EXPECT_GE(counter.Count(), 400u);
  for (BlockPool::Block& block : out) pool.GiveSmall(std::move(block));
}

#ifdef CULVERT_POISONS
TEST(BlockPool, UsesTwoReadBlocksInTurnUnderAddressSanitizer) {
  BlockPool pool;
  const uint8_t* last = nullptr;
  for (int turn = 0; turn < 6; ++turn) {
    BlockPool::Block block = pool.TakeRead();
    EXPECT_NE(block.get(), last) << "a block that was just given back is filled again";
    last = block.get();
    pool.GiveRead(std::move(block));
  }
}

TEST(BlockPoolDeathTest, ABlockThatWasGivenBackIsUnreadable) {
  BlockPool pool;
  BlockPool::Block block = pool.TakeSmall();
  volatile uint8_t* const stale = block.get();
  *stale = 1;
  pool.GiveSmall(std::move(block));
  EXPECT_DEATH(static_cast<void>(*stale), "use-after-poison");
}
#endif

}  // namespace
}  // namespace culvert::io
