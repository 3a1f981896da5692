#include "transport/io/large_blocks.h"

#include <cstring>
#include <functional>
#include <set>
#include <thread>
#include <vector>

#include "bench/allocation_counter/allocation_counter.h"
#include "gtest/gtest.h"
#include "transport/io/poison.h"

namespace culvert::io {
namespace {

constexpr size_t kMiB = 1024 * 1024;

TEST(LargeBlocks, ABlockIsNotMuchLargerThanWhatItIsFor) {
  std::set<size_t> sizes;
  for (size_t n = LargeBlocks::kLeast; n <= LargeBlocks::kMost; n += 509) {
    const size_t size = LargeBlocks::SizeFor(n);
    EXPECT_GE(size, n);
    EXPECT_LE(size - n, size / 5) << n;
    EXPECT_EQ(LargeBlocks::SizeFor(size), size) << n;
    sizes.insert(size);
  }
  EXPECT_LE(sizes.size(), 32u);  // few, so that they meet again
  EXPECT_LE(*sizes.rbegin(), LargeBlocks::kMost);
}

TEST(LargeBlocks, ARoundNumberOfBytesAndSomeTagsWasteLittle) {
  for (size_t n = 2 * LargeBlocks::kLeast; n <= 4 * kMiB; n *= 2) EXPECT_EQ(LargeBlocks::SizeFor(n + 50), n + LargeBlocks::kTags);
}

TEST(LargeBlocks, BlocksAreWritableInFullLengthWhateverTheirSize) {
  for (const size_t n : {size_t{0}, size_t{1}, LargeBlocks::kLeast - 1, LargeBlocks::kLeast, size_t{100'000}, kMiB, LargeBlocks::kMost,
                         LargeBlocks::kMost + 1}) {
    for (int turn = 0; turn < 3; ++turn) {
      uint8_t* const first = LargeBlocks::Take(n);
      uint8_t* const second = LargeBlocks::Take(n);
      EXPECT_NE(first, second);
      std::memset(first, 1, n);
      std::memset(second, 2, n);
      if (n > 0) {
        EXPECT_EQ(first[n - 1], 1);
      }
      LargeBlocks::Give(first, n);
      LargeBlocks::Give(second, n);
    }
  }
}

TEST(LargeBlocks, GiveTakesNull) {
  for (const size_t n : {size_t{0}, LargeBlocks::kLeast}) LargeBlocks::Give(nullptr, n);
}

#ifndef CULVERT_POISONS

// On a thread of its own, which keeps nothing yet.
void OnNewThread(const std::function<void()>& f) { std::thread(f).join(); }

TEST(LargeBlocks, WhatWasGivenBackServesTheNextOfItsSize) {
  OnNewThread([] {
    uint8_t* const block = LargeBlocks::Take(kMiB + 10);
    LargeBlocks::Give(block, kMiB + 10);
    EXPECT_EQ(LargeBlocks::kept_bytes(), LargeBlocks::SizeFor(kMiB));
    const testing::AllocationCounter counter;
    for (size_t n = kMiB; n < kMiB + 100; ++n) {
      uint8_t* const again = LargeBlocks::Take(n);
      EXPECT_EQ(again, block);
      EXPECT_EQ(LargeBlocks::kept_bytes(), 0u);
      LargeBlocks::Give(again, n);
    }
    EXPECT_EQ(counter.Count(), 0u);
  });
}

TEST(LargeBlocks, ABlockServesNoOtherSize) {
  OnNewThread([] {
    LargeBlocks::Give(LargeBlocks::Take(kMiB), kMiB);
    const testing::AllocationCounter counter;
    LargeBlocks::Give(LargeBlocks::Take(kMiB / 2), kMiB / 2);
    LargeBlocks::Give(LargeBlocks::Take(2 * kMiB), 2 * kMiB);
    EXPECT_EQ(counter.Count(), 2u);
  });
}

TEST(LargeBlocks, SmallerAndLargerOnesAreNotKept) {
  OnNewThread([] {
    for (const size_t n : {size_t{0}, size_t{1000}, LargeBlocks::kLeast - 1, LargeBlocks::kMost + 1}) {
      LargeBlocks::Give(LargeBlocks::Take(n), n);
    }
    EXPECT_EQ(LargeBlocks::kept_bytes(), 0u);
  });
}

TEST(LargeBlocks, KeepsNoMoreThanItsBoundOfAnySize) {
  for (const size_t n : {LargeBlocks::kLeast, size_t{300'000}, kMiB, LargeBlocks::kMost}) {
    OnNewThread([n] {
      std::vector<uint8_t*> blocks(300);
      for (uint8_t*& block : blocks) block = LargeBlocks::Take(n);
      for (uint8_t* const block : blocks) {
        LargeBlocks::Give(block, n);
        EXPECT_LE(LargeBlocks::kept_bytes(), LargeBlocks::kKeptBytes);
      }
      const size_t kept = LargeBlocks::kept_bytes() / LargeBlocks::SizeFor(n);
      EXPECT_GE(kept, 2u);
      const testing::AllocationCounter counter;
      for (uint8_t*& block : blocks) block = LargeBlocks::Take(n);
      EXPECT_EQ(counter.Count(), blocks.size() - kept);
      for (uint8_t* const block : blocks) LargeBlocks::Give(block, n);
    });
  }
}

TEST(LargeBlocks, WhatWasGivenBackLongestAgoMakesRoom) {
  OnNewThread([] {
    uint8_t* const oldest = LargeBlocks::Take(LargeBlocks::kMost);
    uint8_t* const newer = LargeBlocks::Take(LargeBlocks::kMost);
    uint8_t* const newest = LargeBlocks::Take(kMiB);
    LargeBlocks::Give(oldest, LargeBlocks::kMost);
    LargeBlocks::Give(newer, LargeBlocks::kMost);
    LargeBlocks::Give(newest, kMiB);
    EXPECT_EQ(LargeBlocks::kept_bytes(), LargeBlocks::kMost + LargeBlocks::SizeFor(kMiB));
    EXPECT_EQ(LargeBlocks::Take(LargeBlocks::kMost), newer);
    EXPECT_EQ(LargeBlocks::Take(kMiB), newest);
    LargeBlocks::Give(newer, LargeBlocks::kMost);
    LargeBlocks::Give(newest, kMiB);
  });
}

TEST(LargeBlocks, TheThreadThatGivesABlockBackKeepsIt) {
  OnNewThread([] {
    uint8_t* const block = LargeBlocks::Take(kMiB);
    OnNewThread([block] {
      LargeBlocks::Give(block, kMiB);
      EXPECT_EQ(LargeBlocks::Take(kMiB), block);
      LargeBlocks::Give(block, kMiB);
    });
    EXPECT_EQ(LargeBlocks::kept_bytes(), 0u);
  });
}

// Made before the thread first gives anything back, and so destroyed after what the thread keeps.
struct GivesAtTheEnd {
  uint8_t* block = nullptr;
  size_t* kept = nullptr;
  ~GivesAtTheEnd() {
    LargeBlocks::Give(block, kMiB);
    *kept = LargeBlocks::kept_bytes();
  }
};

TEST(LargeBlocks, AThreadThatEndsKeepsNothing) {
  size_t kept = 1;
  OnNewThread([&] {
    thread_local GivesAtTheEnd late;
    late.kept = &kept;
    late.block = LargeBlocks::Take(kMiB);
    LargeBlocks::Give(LargeBlocks::Take(kMiB), kMiB);
    EXPECT_GT(LargeBlocks::kept_bytes(), 0u);
  });
  EXPECT_EQ(kept, 0u);
}

TEST(LargeBlockAllocator, AContainerTakesWhatTheLastOneGaveBack) {
  using Vector = std::vector<uint32_t, LargeBlockAllocator<uint32_t>>;
  OnNewThread([] {
    { const Vector first(100'000); }
    const size_t kept = LargeBlocks::kept_bytes();
    EXPECT_EQ(kept, LargeBlocks::SizeFor(100'000 * sizeof(uint32_t)));
    const testing::AllocationCounter counter;
    { const Vector second(100'000, 7); }
    EXPECT_EQ(counter.Count(), 0u);
    EXPECT_EQ(LargeBlocks::kept_bytes(), kept);
  });
}

#else

TEST(LargeBlocksDeathTest, ABlockThatWasGivenBackIsUnreadable) {
  volatile uint8_t* const stale = LargeBlocks::Take(kMiB);
  LargeBlocks::Give(const_cast<uint8_t*>(stale), kMiB);
  LargeBlocks::Give(LargeBlocks::Take(kMiB), kMiB);  // the next of its size lies elsewhere
  EXPECT_DEATH(static_cast<void>(*stale), "heap-use-after-free");
}

TEST(LargeBlocksDeathTest, ABlockEndsWhereItsSizeSays) {
  volatile uint8_t* const block = LargeBlocks::Take(kMiB + 1);
  EXPECT_DEATH(block[kMiB + 1] = 1, "heap-buffer-overflow");
  LargeBlocks::Give(const_cast<uint8_t*>(block), kMiB + 1);
}

#endif

}  // namespace
}  // namespace culvert::io
