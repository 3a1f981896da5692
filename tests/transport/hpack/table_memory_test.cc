#include "transport/hpack/table_memory.h"

#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "bench/allocation_counter/allocation_counter.h"

namespace culvert::hpack {
namespace {

TEST(TableMemory, ABlockThatWasFreedServesAgain) {
  TableMemory memory;
  nghttp2_mem* const mem = memory.mem();
  for (const size_t n : {size_t{0}, size_t{1}, size_t{48}, size_t{49}, size_t{1000}, size_t{8000}}) {
    mem->free(mem->malloc(n, mem->mem_user_data), mem->mem_user_data);
    const testing::AllocationCounter counter;
    void* const bytes = mem->malloc(n, mem->mem_user_data);
    EXPECT_EQ(counter.Count(), 0u) << n;
    std::memset(bytes, 1, n);
    mem->free(bytes, mem->mem_user_data);
  }
  mem->free(nullptr, mem->mem_user_data);
}

TEST(TableMemory, CallocGivesZeroesEvenInAUsedBlock) {
  TableMemory memory;
  nghttp2_mem* const mem = memory.mem();
  void* const used = mem->malloc(100, mem->mem_user_data);
  std::memset(used, 0xff, 100);
  mem->free(used, mem->mem_user_data);
  auto* const bytes = static_cast<uint8_t*>(mem->calloc(10, 10, mem->mem_user_data));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(bytes[i], 0);
  mem->free(bytes, mem->mem_user_data);
}

TEST(TableMemory, RefusesSizesThatOverflow) {
  TableMemory memory;
  nghttp2_mem* const mem = memory.mem();
  constexpr size_t kMax = std::numeric_limits<size_t>::max();
  EXPECT_EQ(mem->malloc(kMax, mem->mem_user_data), nullptr);
  EXPECT_EQ(mem->calloc(kMax / 2, 3, mem->mem_user_data), nullptr);
  void* const bytes = mem->malloc(10, mem->mem_user_data);
  EXPECT_EQ(mem->realloc(bytes, kMax, mem->mem_user_data), nullptr);
  mem->free(bytes, mem->mem_user_data);
}

TEST(TableMemory, ReallocKeepsTheBytes) {
  TableMemory memory;
  nghttp2_mem* const mem = memory.mem();
  auto* bytes = static_cast<uint8_t*>(mem->realloc(nullptr, 10, mem->mem_user_data));
  std::memset(bytes, 7, 10);
  for (const size_t n : {size_t{20}, size_t{500}, size_t{20000}, size_t{5}}) {
    bytes = static_cast<uint8_t*>(mem->realloc(bytes, n, mem->mem_user_data));
    for (size_t i = 0; i < 5; ++i) EXPECT_EQ(bytes[i], 7);
  }
  mem->free(bytes, mem->mem_user_data);
}

TEST(TableMemory, KeepsNoMoreThanItsBound) {
  TableMemory memory;
  nghttp2_mem* const mem = memory.mem();
  std::vector<void*> blocks(1000);
  for (void*& block : blocks) block = mem->malloc(48, mem->mem_user_data);
  for (void* block : blocks) mem->free(block, mem->mem_user_data);
  const testing::AllocationCounter counter;
  for (void*& block : blocks) block = mem->malloc(48, mem->mem_user_data);
  EXPECT_EQ(counter.Count(), 1000 - TableMemory::kMaxKept / 64);
  for (void* block : blocks) mem->free(block, mem->mem_user_data);
}

TEST(TableMemory, BlocksNeverOverlap) {
  TableMemory memory;
  nghttp2_mem* const mem = memory.mem();
  struct Held {
    uint8_t* bytes;
    size_t size;
    uint8_t mark;
  };
  std::vector<Held> held;
  std::mt19937 random(1);
  for (int i = 0; i < 5000; ++i) {
    if (held.size() < 50 && random() % 2 == 0) {
      const size_t size = random() % (random() % 10 == 0 ? 20000 : 300);
      auto* const bytes = static_cast<uint8_t*>(mem->malloc(size, mem->mem_user_data));
      const auto mark = static_cast<uint8_t>(i);
      std::memset(bytes, mark, size);
      held.push_back({bytes, size, mark});
    } else if (!held.empty()) {
      const size_t at = random() % held.size();
      const Held block = held[at];
      for (size_t k = 0; k < block.size; ++k) ASSERT_EQ(block.bytes[k], block.mark);
      mem->free(block.bytes, mem->mem_user_data);
      held.erase(held.begin() + static_cast<ptrdiff_t>(at));
    }
  }
  for (const Held& block : held) mem->free(block.bytes, mem->mem_user_data);
}

}  // namespace
}  // namespace culvert::hpack
