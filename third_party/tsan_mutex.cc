// Tells ThreadSanitizer about absl::Mutex; built into @com_google_absl by --config=tsan only.
//
// Debian's abseil is compiled without the sanitizer, and absl::Mutex is no pthread mutex, so the sanitizer
// would see threads touch guarded data with no lock between them. The linker sends every call of the
// functions below here
// (--wrap, see absl.bzl); each says what it does and calls the real one. Condition functions are run by
// whichever thread unlocks, hence the reads that are ignored around unlocking and waiting.

#include <sanitizer/tsan_interface.h>

#include <atomic>
#include <cstdint>

#include "absl/status/internal/status_internal.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

extern "C" void AnnotateIgnoreReadsBegin(const char* file, int line);
extern "C" void AnnotateIgnoreReadsEnd(const char* file, int line);

namespace {

using absl::Condition;
using absl::CondVar;
using absl::Duration;
using absl::Mutex;
using absl::Time;

class IgnoreReads {
 public:
  IgnoreReads() { AnnotateIgnoreReadsBegin(__FILE__, __LINE__); }
  ~IgnoreReads() { AnnotateIgnoreReadsEnd(__FILE__, __LINE__); }
};

constexpr unsigned kRead = __tsan_mutex_read_lock;
constexpr unsigned kTry = __tsan_mutex_try_lock;

template <class Real>
void Lock(Mutex* mutex, unsigned flags, Real real) {
  __tsan_mutex_pre_lock(mutex, flags);
  {
    IgnoreReads ignore;
    real();
  }
  __tsan_mutex_post_lock(mutex, flags, 0);
}

template <class Real>
bool TryLock(Mutex* mutex, unsigned flags, Real real) {
  __tsan_mutex_pre_lock(mutex, flags | kTry);
  const bool locked = real();
  __tsan_mutex_post_lock(mutex, flags | kTry | (locked ? 0 : __tsan_mutex_try_lock_failed), 0);
  return locked;
}

template <class Real>
void Unlock(Mutex* mutex, unsigned flags, Real real) {
  __tsan_mutex_pre_unlock(mutex, flags);
  {
    IgnoreReads ignore;
    real();
  }
  __tsan_mutex_post_unlock(mutex, flags);
}

// The mutex is held (exclusively, as far as this file is concerned) before and after, and free while `real`
// waits.
template <class Real>
auto Wait(Mutex* mutex, Real real) {
  struct Relock {
    Mutex* mutex;
    ~Relock() {
      __tsan_mutex_pre_lock(mutex, 0);
      __tsan_mutex_post_lock(mutex, 0, 0);
    }
  };
  __tsan_mutex_pre_unlock(mutex, 0);
  __tsan_mutex_post_unlock(mutex, 0);
  Relock relock{mutex};
  IgnoreReads ignore;
  return real();
}

}  // namespace

// absl::debian3::X::Y(...), as the compiler writes it.
#define WRAP(result, symbol, ...)                 \
  extern "C" result __real_##symbol(__VA_ARGS__); \
  extern "C" result __wrap_##symbol(__VA_ARGS__)

WRAP(void, _ZN4absl7debian35Mutex4LockEv, Mutex* m) {
  Lock(m, 0, [&] { __real__ZN4absl7debian35Mutex4LockEv(m); });
}
WRAP(void, _ZN4absl7debian35Mutex10ReaderLockEv, Mutex* m) {
  Lock(m, kRead, [&] { __real__ZN4absl7debian35Mutex10ReaderLockEv(m); });
}
WRAP(bool, _ZN4absl7debian35Mutex7TryLockEv, Mutex* m) {
  return TryLock(m, 0, [&] { return __real__ZN4absl7debian35Mutex7TryLockEv(m); });
}
WRAP(bool, _ZN4absl7debian35Mutex13ReaderTryLockEv, Mutex* m) {
  return TryLock(m, kRead, [&] { return __real__ZN4absl7debian35Mutex13ReaderTryLockEv(m); });
}
WRAP(void, _ZN4absl7debian35Mutex6UnlockEv, Mutex* m) {
  Unlock(m, 0, [&] { __real__ZN4absl7debian35Mutex6UnlockEv(m); });
}
WRAP(void, _ZN4absl7debian35Mutex12ReaderUnlockEv, Mutex* m) {
  Unlock(m, kRead, [&] { __real__ZN4absl7debian35Mutex12ReaderUnlockEv(m); });
}
WRAP(void, _ZN4absl7debian35Mutex8LockWhenERKNS0_9ConditionE, Mutex* m, const Condition& c) {
  Lock(m, 0, [&] { __real__ZN4absl7debian35Mutex8LockWhenERKNS0_9ConditionE(m, c); });
}
WRAP(bool, _ZN4absl7debian35Mutex19LockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE, Mutex* m,
     const Condition& c, Duration d) {
  bool met = false;
  Lock(m, 0, [&] {
    met = __real__ZN4absl7debian35Mutex19LockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE(m, c, d);
  });
  return met;
}
WRAP(bool, _ZN4absl7debian35Mutex20LockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE, Mutex* m,
     const Condition& c, Time t) {
  bool met = false;
  Lock(m, 0, [&] {
    met = __real__ZN4absl7debian35Mutex20LockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE(m, c, t);
  });
  return met;
}
WRAP(void, _ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE, Mutex* m, const Condition& c) {
  Wait(m, [&] { __real__ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE(m, c); });
}
WRAP(bool, _ZN4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE, Mutex* m,
     const Condition& c, Duration d) {
  return Wait(m, [&] {
    return __real__ZN4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE(m, c, d);
  });
}
WRAP(bool, _ZN4absl7debian35Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE, Mutex* m,
     const Condition& c, Time t) {
  return Wait(m, [&] {
    return __real__ZN4absl7debian35Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE(m, c, t);
  });
}
WRAP(void, _ZN4absl7debian37CondVar4WaitEPNS0_5MutexE, CondVar* cv, Mutex* m) {
  Wait(m, [&] { __real__ZN4absl7debian37CondVar4WaitEPNS0_5MutexE(cv, m); });
}
WRAP(bool, _ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE, CondVar* cv, Mutex* m,
     Duration d) {
  return Wait(m, [&] {
    return __real__ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE(cv, m, d);
  });
}
WRAP(bool, _ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE, CondVar* cv, Mutex* m, Time t) {
  return Wait(
      m, [&] { return __real__ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE(cv, m, t); });
}

// These count with atomics of their own.
using absl::BlockingCounter;
WRAP(bool, _ZN4absl7debian315BlockingCounter14DecrementCountEv, BlockingCounter* b) {
  __tsan_release(b);
  return __real__ZN4absl7debian315BlockingCounter14DecrementCountEv(b);
}
WRAP(void, _ZN4absl7debian315BlockingCounter4WaitEv, BlockingCounter* b) {
  __real__ZN4absl7debian315BlockingCounter4WaitEv(b);
  __tsan_acquire(b);
}

// HasBeenNotified is inline and reads the flag behind the mutex; the waits look at it before they lock.
using absl::Notification;
static void* FlagOf(const Notification* n) {
  static_assert(sizeof(Notification) == 2 * sizeof(Mutex));
  return const_cast<char*>(reinterpret_cast<const char*>(n)) + sizeof(Mutex);
}
WRAP(void, _ZN4absl7debian312Notification6NotifyEv, Notification* n) {
  __tsan_release(FlagOf(n));
  __real__ZN4absl7debian312Notification6NotifyEv(n);
}
WRAP(void, _ZNK4absl7debian312Notification19WaitForNotificationEv, const Notification* n) {
  __real__ZNK4absl7debian312Notification19WaitForNotificationEv(n);
  __tsan_acquire(FlagOf(n));
}
WRAP(bool, _ZNK4absl7debian312Notification30WaitForNotificationWithTimeoutENS0_8DurationE, const Notification* n,
     Duration d) {
  const bool notified = __real__ZNK4absl7debian312Notification30WaitForNotificationWithTimeoutENS0_8DurationE(n, d);
  if (notified) __tsan_acquire(FlagOf(n));
  return notified;
}
WRAP(bool, _ZNK4absl7debian312Notification31WaitForNotificationWithDeadlineENS0_4TimeE, const Notification* n,
     Time t) {
  const bool notified = __real__ZNK4absl7debian312Notification31WaitForNotificationWithDeadlineENS0_4TimeE(n, t);
  if (notified) __tsan_acquire(FlagOf(n));
  return notified;
}

// absl::Status counts references inline up, and in the library down. Counted down here; the library deletes.
WRAP(void, _ZN4absl7debian36Status15UnrefNonInlinedEm, uintptr_t rep) {
  std::atomic<int32_t>& references = reinterpret_cast<absl::status_internal::StatusRep*>(rep - 1)->ref;
  if (references.load(std::memory_order_acquire) != 1 && references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  references.store(1, std::memory_order_relaxed);
  __real__ZN4absl7debian36Status15UnrefNonInlinedEm(rep);
}
