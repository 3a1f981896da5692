#ifndef CULVERT_RPC_UNARY_H_
#define CULVERT_RPC_UNARY_H_

// What a unary handler returns: the response or a failed status, now or later.
//
//   culvert::Unary<Reply> Greet(culvert::ServerContext& call, const Request& request) override {
//     Reply reply;
//     reply.set_text("hello");
//     return reply;                                   // a plain function: no coroutine, no allocation
//   }
//   culvert::Unary<Reply> Fetch(culvert::ServerContext& call, const Request& request) override {
//     co_await ...;                                   // a coroutine, as any culvert::Task
//     co_return absl::NotFoundError("no such row");
//   }

#include <coroutine>
#include <type_traits>
#include <utility>
#include <variant>

#include "absl/status/statusor.h"
#include "transport/base/task.h"

namespace culvert {

template <class T>
class [[nodiscard]] Unary {
 public:
  Unary(T response)
      : state_(std::in_place_index<0>, std::move(response)) {}  // NOLINT(google-explicit-constructor)
  Unary(absl::Status status)
      : state_(std::in_place_index<0>, std::move(status)) {}  // NOLINT(google-explicit-constructor)
  Unary(absl::StatusOr<T> result)
      : state_(std::in_place_index<0>, std::move(result)) {}  // NOLINT(google-explicit-constructor)
  Unary(Task<absl::StatusOr<T>> task)
      : state_(std::in_place_index<1>, std::move(task)) {}  // NOLINT(google-explicit-constructor)

  bool ready() const { return state_.index() == 0; }
  // If ready.
  absl::StatusOr<T>& result() { return std::get<0>(state_); }
  // If not ready, once.
  Task<absl::StatusOr<T>> TakeTask() { return std::move(std::get<1>(state_)); }

 private:
  std::variant<absl::StatusOr<T>, Task<absl::StatusOr<T>>> state_;
};

}  // namespace culvert

// A function that returns Unary<T> and says co_await or co_return is the coroutine of asio that a Task is; its Task becomes the Unary.
template <class T, class... Args>
struct std::coroutine_traits<culvert::Unary<T>, Args...> : std::coroutine_traits<culvert::Task<absl::StatusOr<T>>, Args...> {};

#endif  // CULVERT_RPC_UNARY_H_
