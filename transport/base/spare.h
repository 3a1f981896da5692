#ifndef CULVERT_TRANSPORT_BASE_SPARE_H_
#define CULVERT_TRANSPORT_BASE_SPARE_H_

// What a connection needs only while it has something to do, and keeps its memory for the next time: idle connections leave it to the
// others of their thread.
//
//   std::unique_ptr<Workplace> work = base::Spare<Workplace>::Take();
//   ...
//   base::Spare<Workplace>::Give(std::move(work));      // as good as new, but for capacity
//
// A thread keeps one T, until it ends.

#include <memory>
#include <utility>

namespace culvert::base {

template <class T>
class Spare {
 public:
  // The one that the thread keeps, or else a new one.
  static std::unique_ptr<T> Take() {
    if (kept_ == nullptr) return std::make_unique<T>();
    return std::unique_ptr<T>(std::exchange(kept_, nullptr));
  }

  // Keeps `object`, or destroys it when there is one already.
  static void Give(std::unique_ptr<T> object) {
    if (kept_ != nullptr || thread_ends_) return;
    static thread_local const Cleaner cleaner;
    kept_ = object.release();
  }

 private:
  struct Cleaner {
    Cleaner() {}  // not trivial, so that the variable is one that is used
    ~Cleaner() {
      thread_ends_ = true;
      delete std::exchange(kept_, nullptr);
    }
  };

  // Trivially destroyed, so that they may still be used while the thread's other variables are.
  static inline constinit thread_local T* kept_ = nullptr;
  static inline constinit thread_local bool thread_ends_ = false;
};

}  // namespace culvert::base

#endif  // CULVERT_TRANSPORT_BASE_SPARE_H_
