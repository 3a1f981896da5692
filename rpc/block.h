#ifndef CULVERT_RPC_BLOCK_H_
#define CULVERT_RPC_BLOCK_H_

// The completion token that waits: for scripts and tests that have no event loop of their own.
//
//   absl::StatusOr<Reply> reply = stub.Greet(context, request, culvert::kBlock);
//
// Blocks the calling thread, which must not be the one that runs the channel's loop: that would wait for itself for ever.

#include <asio/async_result.hpp>
#include <optional>
#include <utility>

#include "absl/synchronization/notification.h"

namespace culvert {

struct Block {};
inline constexpr Block kBlock;

}  // namespace culvert

template <class R>
class asio::async_result<culvert::Block, void(R)> {
 public:
  using return_type = R;

  template <class Initiation, class... Args>
  static R initiate(Initiation&& initiation, const culvert::Block&, Args&&... args) {
    std::optional<R> result;
    absl::Notification done;
    std::forward<Initiation>(initiation)(
        [&](R value) {
          result.emplace(std::move(value));
          done.Notify();
        },
        std::forward<Args>(args)...);
    done.WaitForNotification();
    return *std::move(result);
  }
};

#endif  // CULVERT_RPC_BLOCK_H_
