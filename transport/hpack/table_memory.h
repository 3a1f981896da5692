#ifndef CULVERT_TRANSPORT_HPACK_TABLE_MEMORY_H_
#define CULVERT_TRANSPORT_HPACK_TABLE_MEMORY_H_

// The memory under one HPACK table: nghttp2 takes a few small blocks per field, which here come from free
// lists by size.
//
// A block that nghttp2 frees is kept for the next field of that size, up to kMaxKept bytes in all; so in
// steady state the heap is not asked. Owned by an Encoder or a Decoder, outlives what nghttp2 built in it.
// Not thread-safe.

#include <nghttp2/nghttp2.h>

#include <array>
#include <cstddef>

namespace culvert::hpack {

class TableMemory {
 public:
  TableMemory();
  ~TableMemory();
  TableMemory(const TableMemory&) = delete;
  TableMemory& operator=(const TableMemory&) = delete;

  // Valid as long as this object, which it points to.
  nghttp2_mem* mem() { return &mem_; }

  static constexpr size_t kMaxKept = 16 * 1024;

 private:
  struct Block;  // precedes what is handed out

  static constexpr size_t kSmallest = 64;  // bytes, Block included
  static constexpr size_t kClasses = 8;    // up to 8 KiB; larger ones go to the heap

  void* Allocate(size_t n);
  void Free(void* bytes);
  void* Reallocate(void* bytes, size_t n);

  nghttp2_mem mem_;
  std::array<Block*, kClasses> free_{};
  size_t kept_ = 0;
};

}  // namespace culvert::hpack

#endif  // CULVERT_TRANSPORT_HPACK_TABLE_MEMORY_H_
