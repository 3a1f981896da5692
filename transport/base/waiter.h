#ifndef CULVERT_TRANSPORT_BASE_WAITER_H_
#define CULVERT_TRANSPORT_BASE_WAITER_H_

// One party waiting for one thing on one thread: the suspension point under every Read, Write and call of the house.
//
//   co_await reader_waiter.Wait();                        // in the one that lacks something; or Wait(token)
//   reader_waiter.Wake();                                 // in the one that brings it: the waiter runs now, before Wake returns
//
// A completion handler runs on its associated executor, now when this thread runs that. asio's per-operation
// cancellation ends the wait early (all types); the waiter then simply looks again at what it waited for. At most one wait at a time;
// Wake without one does nothing. Used on one thread; destroyed only while nobody waits, or to drop the one who does.

#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/dispatch.hpp>
#include <asio/any_io_executor.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "transport/base/check.h"
#include "transport/base/spawn.h"

namespace culvert::base {

// The executor in `executor` when it is an E, or else null. any_io_executor::target alone casts whatever there is (asio 1.22).
template <class E>
const E* TargetOf(const asio::any_io_executor& executor) {
  return executor.target_type() == typeid(E) ? executor.target<E>() : nullptr;
}

class Waiter {
 public:
  Waiter() = default;
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  bool waiting() const { return static_cast<bool>(resume_); }

  // Completes with void().
  template <class Token>
  auto Wait(Token&& token) {
    return asio::async_initiate<Token, void()>([this](auto handler) { this->Park(std::move(handler)); }, token);
  }
  // The same in a Task, where it costs least:  co_await waiter.Wait();  Throws nothing; see Checkpoint.
  auto Wait() {
    return Suspend([this](auto handler) { this->Park(std::move(handler)); });
  }

  void Wake() {
    if (resume_) Take()(How::kNow);
  }

 private:
  enum class How { kNow, kPosted };

  absl::AnyInvocable<void(How)> Take() {
    auto resume = std::move(resume_);
    resume_ = nullptr;
    return resume;
  }

  template <class Handler>
  void Park(Handler handler) {
    CULVERT_DCHECK(!resume_, "two waits at once on one side of a stream");
    auto slot = asio::get_associated_cancellation_slot(handler);
    if (slot.is_connected()) {
      slot.assign([this](asio::cancellation_type_t) {
        if (resume_) Take()(How::kPosted);  // not from within the emission, which its owner may not survive otherwise
      });
    }
    resume_ = [handler = std::move(handler)](How how) mutable {
      if (how == How::kNow) return Resume(std::move(handler));
      auto executor = asio::get_associated_executor(handler);
      asio::post(executor, [handler = std::move(handler)]() mutable { Resume(std::move(handler)); });
    };
  }

  template <class Handler>
  static void Resume(Handler handler) {
    if (auto slot = asio::get_associated_cancellation_slot(handler); slot.is_connected()) slot.clear();
    auto executor = asio::get_associated_executor(handler);
    // What dispatch would find out too, by way of several virtual calls.
    if constexpr (std::is_same_v<decltype(executor), asio::any_io_executor>) {
      const auto* context = TargetOf<asio::io_context::executor_type>(executor);
      if (context != nullptr && context->running_in_this_thread()) return std::move(handler)();
    }
    asio::dispatch(executor, std::move(handler));
  }

  absl::AnyInvocable<void(How)> resume_;
};

}  // namespace culvert::base

#endif  // CULVERT_TRANSPORT_BASE_WAITER_H_
