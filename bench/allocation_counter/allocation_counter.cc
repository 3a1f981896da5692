#include "bench/allocation_counter/allocation_counter.h"

#include <cstddef>
#include <cstdlib>
#include <new>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CULVERT_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define CULVERT_SANITIZED 1
#endif
#endif

namespace {
constinit thread_local uint64_t allocations = 0;
constinit thread_local uint64_t allocated_bytes = 0;

void Note(size_t n) {
  ++allocations;
  allocated_bytes += n;
}
}  // namespace

namespace culvert::testing {

uint64_t AllocationCounter::Total() { return allocations; }
uint64_t AllocationCounter::TotalBytes() { return allocated_bytes; }

}  // namespace culvert::testing

#ifdef CULVERT_SANITIZED

// The sanitizer's malloc stays: only operator new is counted.
#define CULVERT_COUNTED_MALLOC(n) (Note(n), std::malloc(n))

#else

// glibc's own names of what it exports as malloc and so on.
extern "C" {
void* __libc_malloc(size_t n);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* bytes, size_t n);

void* malloc(size_t n) {
  Note(n);
  return __libc_malloc(n);
}
void* calloc(size_t count, size_t size) {
  Note(count * size);
  return __libc_calloc(count, size);
}
void* realloc(void* bytes, size_t n) {
  Note(n);
  return __libc_realloc(bytes, n);
}
}  // extern "C"

#define CULVERT_COUNTED_MALLOC(n) std::malloc(n)

#endif

void* operator new(size_t n) {
  if (void* const bytes = CULVERT_COUNTED_MALLOC(n != 0 ? n : 1)) return bytes;
  std::abort();
}
void* operator new[](size_t n) { return ::operator new(n); }
void* operator new(size_t n, const std::nothrow_t&) noexcept {
  return CULVERT_COUNTED_MALLOC(n != 0 ? n : 1);
}
void* operator new[](size_t n, const std::nothrow_t& tag) noexcept { return ::operator new(n, tag); }
void operator delete(void* bytes) noexcept { std::free(bytes); }
void operator delete[](void* bytes) noexcept { std::free(bytes); }
void operator delete(void* bytes, size_t) noexcept { std::free(bytes); }
void operator delete[](void* bytes, size_t) noexcept { std::free(bytes); }
void operator delete(void* bytes, const std::nothrow_t&) noexcept { std::free(bytes); }
void operator delete[](void* bytes, const std::nothrow_t&) noexcept { std::free(bytes); }
