#include "transport/base/recycled.h"

#include <array>
#include <new>
#include <utility>

namespace culvert::base {

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kKeeps = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool kKeeps = false;
#else
constexpr bool kKeeps = true;
#endif
#else
constexpr bool kKeeps = true;
#endif

constexpr size_t kStep = 16;     // from one size to the next
constexpr size_t kFirst = 24;    // the sizes are those that malloc has too: what is between them would be lost
constexpr size_t kClasses = 64;  // up to 1 KiB
constexpr size_t SizeOf(size_t c) { return kFirst + c * kStep; }
constexpr size_t kKept = 64;     // blocks of each

struct Block {
  Block* next;
};

struct FreeList {
  Block* first = nullptr;
  size_t count = 0;
};

// Trivially destroyed, so that it may still be used while the thread's other variables are.
constinit thread_local std::array<FreeList, kClasses> free_lists{};
constinit thread_local bool thread_ends = false;

struct Cleaner {
  ~Cleaner() {
    thread_ends = true;
    for (FreeList& list : free_lists) {
      while (list.first != nullptr) ::operator delete(std::exchange(list.first, list.first->next));
      list.count = 0;
    }
  }
};

size_t ClassOf(size_t size) { return size <= kFirst ? 0 : (size - kFirst + kStep - 1) / kStep; }

}  // namespace

void* Recycled::operator new(size_t size) {
  const size_t c = ClassOf(size);
  if (!kKeeps || c >= kClasses) return ::operator new(size);
  FreeList& list = free_lists[c];
  if (list.first == nullptr) return ::operator new(SizeOf(c));
  --list.count;
  return std::exchange(list.first, list.first->next);
}

void Recycled::operator delete(void* block, size_t size) {
  const size_t c = ClassOf(size);
  if (!kKeeps || c >= kClasses || free_lists[c].count >= kKept || thread_ends) return ::operator delete(block);
  thread_local const Cleaner cleaner;
  FreeList& list = free_lists[c];
  list.first = new (block) Block{list.first};
  ++list.count;
}

}  // namespace culvert::base
