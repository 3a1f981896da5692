#ifndef CULVERT_RPC_CLIENT_CONTEXT_H_
#define CULVERT_RPC_CLIENT_CONTEXT_H_

// What a client says about one call before it starts, and learns about it afterwards.
//
//   culvert::ClientContext context;
//   context.set_timeout(std::chrono::seconds(1));
//   absl::StatusOr<Reply> reply = co_await stub.Greet(context, request);
//
// One per call. It outlives the call, or the streaming object that was made with it. Set it up before the call starts; Cancel may come from
// any thread at any time.

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include "rpc/metadata.h"
#include "transport/base/ref.h"

namespace culvert {

namespace rpc {
class ClientCall;
}

class ClientContext {
 public:
  using Clock = std::chrono::steady_clock;

  ClientContext() = default;
  ~ClientContext();
  ClientContext(const ClientContext&) = delete;
  ClientContext& operator=(const ClientContext&) = delete;

  // Sent with the request.
  Metadata& metadata() { return metadata_; }

  // The call ends with DEADLINE_EXCEEDED at that time, and the server is told of it in advance. Default: never.
  void set_deadline(Clock::time_point deadline) { deadline_ = deadline; }
  void set_timeout(std::chrono::nanoseconds timeout) {
    const Clock::time_point now = Clock::now();
    deadline_ = timeout < Clock::time_point::max() - now ? now + timeout : Clock::time_point::max();
  }

  // Whether the call waits for a connection when there is none, rather than failing with UNAVAILABLE once connecting has failed.
  void set_wait_for_ready(bool wait) { wait_for_ready_ = wait; }

  // Ends the call with CANCELLED, on both sides, unless it is over. Any thread.
  void Cancel();

  // --- once the first message or the status has come ---

  const Metadata& initial_metadata() const { return initial_metadata_; }
  // "ipv4:127.0.0.1:50051"; empty when no connection was made.
  std::string peer() const { return peer_ == nullptr ? std::string() : *peer_; }

  // --- once the call has ended ---

  const Metadata& trailing_metadata() const { return trailing_metadata_; }

 private:
  friend class rpc::ClientCall;

  Metadata metadata_;
  Clock::time_point deadline_ = Clock::time_point::max();
  bool wait_for_ready_ = false;
  Metadata initial_metadata_;
  Metadata trailing_metadata_;
  std::shared_ptr<const std::string> peer_;

  base::Ref<base::RefCounted> keep_;  // the call, for as long as call_ is looked at
  std::atomic<rpc::ClientCall*> call_{nullptr};
  std::atomic<bool> cancelled_{false};
};

}  // namespace culvert

#endif  // CULVERT_RPC_CLIENT_CONTEXT_H_
