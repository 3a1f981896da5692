#ifndef CULVERT_TRANSPORT_IO_LARGE_BLOCKS_H_
#define CULVERT_TRANSPORT_IO_LARGE_BLOCKS_H_

// Memory for messages: large blocks, taken from what the same thread has given back.
//
//   uint8_t* block = LargeBlocks::Take(n);
//   ...
//   LargeBlocks::Give(block, n);                  // the n of Take; on any thread, which then keeps it
//
// The heap gives a large block back to the system as soon as it is freed, and the next one costs a page fault for each of its pages, which
// is more than filling and sending it. So each thread keeps a few. Smaller and larger ones are the heap's own. Unlike the blocks of a
// BlockPool they belong to no loop: messages are serialized on the threads of callers too.
//
// A thread keeps at most kKeptBytes until it ends, idle or not: what was given back longest ago makes room for what is given back now.
// Under AddressSanitizer nothing is kept and the sizes are exact, so that a use after Give, or behind the end, is seen.

#include <cstddef>
#include <cstdint>
#include <new>

namespace culvert::io {

class LargeBlocks {
 public:
  // What is added to round sizes: a message is often a round number of bytes and its tags.
  static constexpr size_t kTags = 4096;
  // Bytes asked for, of the blocks that are kept.
  static constexpr size_t kLeast = 32 * 1024;
  static constexpr size_t kMost = 4 * 1024 * 1024 + kTags;
  // A call whose messages are as large as gRPC takes by default, one each way.
  static constexpr size_t kKeptBytes = 2 * kMost;

  // At least n bytes, contents unspecified, aligned as by operator new.
  static uint8_t* Take(size_t n) {
    if (n < kLeast || n > kMost) return static_cast<uint8_t*>(::operator new(n));
    return TakeKept(n);
  }
  // May be null.
  static void Give(uint8_t* block, size_t n) {
    if (n < kLeast || n > kMost) return ::operator delete(block);
    GiveKept(block, n);
  }

  // How large a block for n bytes is, kLeast <= n <= kMost: kTags, and the rest of n rounded up to four sizes from each power of two to the
  // next. So it serves messages of about its size, and at most a fifth of it is unused.
  static size_t SizeFor(size_t n);

  // What the calling thread keeps.
  static size_t kept_bytes();

 private:
  static uint8_t* TakeKept(size_t n);
  static void GiveKept(uint8_t* block, size_t n);
};

// For containers of the standard library.
template <class T>
struct LargeBlockAllocator {
  using value_type = T;

  LargeBlockAllocator() = default;
  template <class U>
  LargeBlockAllocator(const LargeBlockAllocator<U>&) {}  // NOLINT(google-explicit-constructor)

  static_assert(alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);

  T* allocate(size_t n) { return reinterpret_cast<T*>(LargeBlocks::Take(n * sizeof(T))); }
  void deallocate(T* block, size_t n) { LargeBlocks::Give(reinterpret_cast<uint8_t*>(block), n * sizeof(T)); }

  friend bool operator==(const LargeBlockAllocator&, const LargeBlockAllocator&) { return true; }
};

}  // namespace culvert::io

#endif  // CULVERT_TRANSPORT_IO_LARGE_BLOCKS_H_
