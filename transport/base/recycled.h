#ifndef CULVERT_TRANSPORT_BASE_RECYCLED_H_
#define CULVERT_TRANSPORT_BASE_RECYCLED_H_

// A base for what is made and destroyed with every call: its memory comes from what the same thread has freed before.
//
//   class Stream final : public http::Exchange, public base::Recycled { ... };
//
// A thread keeps a few blocks of each size, and gives them back when it ends. An object may be destroyed by another thread than made it. Under
// AddressSanitizer nothing is kept, so that a use after the end is seen.

#include <cstddef>

namespace culvert::base {

class Recycled {
 public:
  static void* operator new(size_t size);
  static void operator delete(void* block, size_t size);

 protected:
  ~Recycled() = default;
};

}  // namespace culvert::base

#endif  // CULVERT_TRANSPORT_BASE_RECYCLED_H_
