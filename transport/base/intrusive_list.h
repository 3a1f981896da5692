#ifndef CULVERT_TRANSPORT_BASE_INTRUSIVE_LIST_H_
#define CULVERT_TRANSPORT_BASE_INTRUSIVE_LIST_H_

// A first-in first-out list through its members: linking and unlinking allocate nothing, and a member can leave from the middle.
//
//   struct Stream { base::ListHook<Stream> ready; };
//   base::IntrusiveList<Stream, &Stream::ready> ready_streams;
//
// Members are not owned. A member unlinks itself from any list before it is destroyed.

#include "transport/base/check.h"

namespace culvert::base {

template <class T>
struct ListHook {
  T* previous = nullptr;  // of the first one itself; null: in no list
  T* next = nullptr;
  bool linked() const { return previous != nullptr; }
};

template <class T, ListHook<T> T::*hook>
class IntrusiveList {
 public:
  IntrusiveList() = default;
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;

  bool empty() const { return first_ == nullptr; }
  T* front() const { return first_; }

  // Does nothing when `item` is in the list already.
  void PushBack(T* item) {
    ListHook<T>& h = item->*hook;
    if (h.previous != nullptr) return;
    h.previous = last_ != nullptr ? last_ : item;
    (last_ != nullptr ? (last_->*hook).next : first_) = item;
    last_ = item;
  }

  // Does nothing when `item` is not in the list.
  void Remove(T* item) {
    ListHook<T>& h = item->*hook;
    if (h.previous == nullptr) return;
    const bool is_first = h.previous == item;
    (is_first ? first_ : (h.previous->*hook).next) = h.next;
    if (h.next != nullptr) {
      (h.next->*hook).previous = is_first ? h.next : h.previous;
    } else {
      last_ = is_first ? nullptr : h.previous;
    }
    h = {};
  }

  T* PopFront() {
    T* item = first_;
    if (item != nullptr) Remove(item);
    return item;
  }

 private:
  T* first_ = nullptr;
  T* last_ = nullptr;
};

}  // namespace culvert::base

#endif  // CULVERT_TRANSPORT_BASE_INTRUSIVE_LIST_H_
