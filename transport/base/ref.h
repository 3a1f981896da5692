#ifndef CULVERT_TRANSPORT_BASE_REF_H_
#define CULVERT_TRANSPORT_BASE_REF_H_

// Shared ownership counted in the object itself: one allocation, and a plain pointer can become an owner again.

#include <atomic>
#include <utility>

namespace culvert::base {

// Starts with no owner; the last Ref destroys it. Any thread.
class RefCounted {
 public:
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;

 protected:
  RefCounted() = default;
  virtual ~RefCounted() = default;

 private:
  template <class T>
  friend class Ref;
  std::atomic<int> refs_{0};
};

template <class T>
class Ref {
 public:
  Ref() = default;
  explicit Ref(T* object) : object_(object) {
    if (object_ != nullptr) Count().fetch_add(1, std::memory_order_relaxed);
  }
  Ref(const Ref& other) : Ref(other.object_) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() { reset(); }

  void reset() {
    T* const object = std::exchange(object_, nullptr);
    if (object != nullptr && static_cast<RefCounted*>(object)->refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      delete static_cast<RefCounted*>(object);
    }
  }

  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  std::atomic<int>& Count() { return static_cast<RefCounted*>(object_)->refs_; }

  T* object_ = nullptr;
};

}  // namespace culvert::base

#endif  // CULVERT_TRANSPORT_BASE_REF_H_
