#ifndef CULVERT_BENCH_ALLOCATION_COUNTER_ALLOCATION_COUNTER_H_
#define CULVERT_BENCH_ALLOCATION_COUNTER_ALLOCATION_COUNTER_H_

// How often the calling thread has asked the heap for memory, and for how much. Linking this in replaces the program's operator
// new and, where no sanitizer has a malloc of its own, malloc, calloc and realloc.
//
//   const AllocationCounter counter;
//   framer.ReadFrame();
//   EXPECT_EQ(counter.Count(), 0);

#include <cstdint>

namespace culvert::testing {

class AllocationCounter {
 public:
  AllocationCounter() : begin_(Total()), begin_bytes_(TotalBytes()) {}

  // Since this counter was made, on its thread.
  uint64_t Count() const { return Total() - begin_; }
  // As asked for, without what the heap adds; what was freed meanwhile is not taken off.
  uint64_t Bytes() const { return TotalBytes() - begin_bytes_; }

  // Since the thread began.
  static uint64_t Total();
  static uint64_t TotalBytes();

 private:
  uint64_t begin_;
  uint64_t begin_bytes_;
};

}  // namespace culvert::testing

#endif  // CULVERT_BENCH_ALLOCATION_COUNTER_ALLOCATION_COUNTER_H_
