#include "transport/io/large_blocks.h"

#include <algorithm>
#include <array>
#include <bit>
#include <new>

#include "transport/io/poison.h"

namespace culvert::io {

namespace {

constexpr bool kKeeps = !kPoisons;  // not under AddressSanitizer

struct Kept {
  uint8_t* block;
  size_t size;
};

// What a thread has given back, oldest first. Few enough to be looked through: that is nothing beside filling a block.
struct Cache {
  std::array<Kept, 64> kept;
  size_t count;
  size_t bytes;

  uint8_t* Remove(size_t i) {
    const Kept removed = kept[i];
    std::copy(kept.begin() + i + 1, kept.begin() + count, kept.begin() + i);
    --count;
    bytes -= removed.size;
    return removed.block;
  }
};

// Trivially destroyed, so that it may still be used while the thread's other variables are.
constinit thread_local Cache cache{};
constinit thread_local bool thread_ends = false;

struct Cleaner {
  ~Cleaner() {
    thread_ends = true;
    while (cache.count > 0) ::operator delete(cache.Remove(cache.count - 1));
  }
};

}  // namespace

size_t LargeBlocks::SizeFor(size_t n) {
  const size_t round = n - kTags;
  const size_t step = std::bit_floor(round) / 4;
  return (round + step - 1) / step * step + kTags;
}

size_t LargeBlocks::kept_bytes() { return cache.bytes; }

uint8_t* LargeBlocks::TakeKept(size_t n) {
  if (!kKeeps) return static_cast<uint8_t*>(::operator new(n));
  const size_t size = SizeFor(n);
  // The last one given back is the likeliest to be in the processor's cache.
  for (size_t i = cache.count; i-- > 0;) {
    if (cache.kept[i].size == size) return cache.Remove(i);
  }
  return static_cast<uint8_t*>(::operator new(size));
}

void LargeBlocks::GiveKept(uint8_t* block, size_t n) {
  if (!kKeeps || block == nullptr || thread_ends) return ::operator delete(block);
  thread_local const Cleaner cleaner;
  const size_t size = SizeFor(n);
  while (cache.count == cache.kept.size() || cache.bytes + size > kKeptBytes) ::operator delete(cache.Remove(0));
  cache.kept[cache.count++] = {block, size};
  cache.bytes += size;
}

}  // namespace culvert::io
