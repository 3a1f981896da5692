#ifndef CULVERT_TRANSPORT_IO_POISON_H_
#define CULVERT_TRANSPORT_IO_POISON_H_

// Memory that is ours but may not be read now, made known to AddressSanitizer; nothing at all in other
// builds.
//
// Shadow memory has a granularity of eight bytes: a granule that also holds readable bytes stays readable.

#include <cstddef>
#include <cstdint>

#if defined(__SANITIZE_ADDRESS__)
#define CULVERT_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CULVERT_POISONS 1
#endif
#endif

#ifdef CULVERT_POISONS
#include <sanitizer/asan_interface.h>
#endif

namespace culvert::io {

#ifdef CULVERT_POISONS
inline constexpr bool kPoisons = true;
inline void Poison(const uint8_t* at, size_t n) { ASAN_POISON_MEMORY_REGION(at, n); }
inline void Unpoison(const uint8_t* at, size_t n) { ASAN_UNPOISON_MEMORY_REGION(at, n); }
#else
inline constexpr bool kPoisons = false;
inline void Poison(const uint8_t*, size_t) {}
inline void Unpoison(const uint8_t*, size_t) {}
#endif

}  // namespace culvert::io

#endif  // CULVERT_TRANSPORT_IO_POISON_H_
