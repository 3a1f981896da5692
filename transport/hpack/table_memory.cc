#include "transport/hpack/table_memory.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

namespace culvert::hpack {

struct alignas(std::max_align_t) TableMemory::Block {
  size_t size;  // Block included
  Block* next;  // in a free list
};

namespace {

// The free list for blocks of `size` bytes, a power of two.
size_t ClassOf(size_t size, size_t smallest) {
  return static_cast<size_t>(std::countr_zero(size) - std::countr_zero(smallest));
}

}  // namespace

TableMemory::TableMemory() {
  mem_.mem_user_data = this;
  mem_.malloc = [](size_t n, void* self) { return static_cast<TableMemory*>(self)->Allocate(n); };
  mem_.free = [](void* bytes, void* self) { static_cast<TableMemory*>(self)->Free(bytes); };
  mem_.calloc = [](size_t count, size_t size, void* self) -> void* {
    if (size != 0 && count > std::numeric_limits<size_t>::max() / size) return nullptr;
    void* const bytes = static_cast<TableMemory*>(self)->Allocate(count * size);
    return bytes == nullptr ? nullptr : std::memset(bytes, 0, count * size);
  };
  mem_.realloc = [](void* bytes, size_t n, void* self) {
    return static_cast<TableMemory*>(self)->Reallocate(bytes, n);
  };
}

TableMemory::~TableMemory() {
  for (Block* block : free_) {
    while (block != nullptr) ::operator delete(std::exchange(block, block->next));
  }
}

void* TableMemory::Allocate(size_t n) {
  if (n > std::numeric_limits<size_t>::max() / 2) return nullptr;
  size_t size = n + sizeof(Block);
  if (size <= kSmallest << (kClasses - 1)) {
    size = std::max(std::bit_ceil(size), kSmallest);
    Block*& first = free_[ClassOf(size, kSmallest)];
    if (first != nullptr) {
      Block* const block = std::exchange(first, first->next);
      kept_ -= size;
      return block + 1;
    }
  }
  void* const bytes = ::operator new(size, std::nothrow);
  return bytes == nullptr ? nullptr : new (bytes) Block{size, nullptr} + 1;
}

void TableMemory::Free(void* bytes) {
  if (bytes == nullptr) return;
  Block* const block = static_cast<Block*>(bytes) - 1;
  if (block->size > kSmallest << (kClasses - 1) || kept_ + block->size > kMaxKept) {
    ::operator delete(block);
    return;
  }
  Block*& first = free_[ClassOf(block->size, kSmallest)];
  block->next = std::exchange(first, block);
  kept_ += block->size;
}

void* TableMemory::Reallocate(void* bytes, size_t n) {
  if (bytes == nullptr) return Allocate(n);
  const size_t held = (static_cast<Block*>(bytes) - 1)->size - sizeof(Block);
  if (n <= held) return bytes;
  void* const larger = Allocate(n);
  if (larger == nullptr) return nullptr;
  std::memcpy(larger, bytes, held);
  Free(bytes);
  return larger;
}

}  // namespace culvert::hpack
