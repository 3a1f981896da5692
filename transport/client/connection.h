#ifndef CULVERT_TRANSPORT_CLIENT_CONNECTION_H_
#define CULVERT_TRANSPORT_CLIENT_CONNECTION_H_

// A client's way to one target: connects when somebody needs a session, keeps it, and connects anew when it is lost, after a while when that
// failed. On its loop only.
//
//   idle --Request--> connecting --SETTINGS--> ready --lost--> idle
//                         |                                      ^
//                         +--failed--> backoff --time, if wanted-+

#include <asio/cancellation_signal.hpp>
#include <memory>
#include <random>

#include "absl/status/status.h"
#include "transport/base/intrusive_list.h"
#include "transport/base/task.h"
#include "transport/client/backoff.h"
#include "transport/client/options.h"
#include "transport/client/target.h"
#include "transport/http2/session.h"
#include "transport/io/event_loop.h"

namespace culvert::client {

// Somebody who needs a session. Embedded in a call; leaves the queue by Connection::Forget before it is destroyed.
class SessionWaiter {
 public:
  // There is a session that takes requests now: Connection::Open.
  virtual void OnSession() = 0;
  // Connecting failed, and the waiter does not wait for ready.
  virtual void OnNoSession(const absl::Status& why) = 0;

 protected:
  ~SessionWaiter() = default;

 private:
  friend class Connection;
  base::ListHook<SessionWaiter> hook_;
  bool wait_for_ready_ = false;
  uint64_t seen_by_ = 0;  // the last refusal that let it stay
};

class Connection final : public std::enable_shared_from_this<Connection> {
 public:
  static std::shared_ptr<Connection> Create(EventLoop& loop, Target target, const Options& options);
  ~Connection();

  // Calls the waiter once there is a session: at once, or when connecting is done. While attempts fail, a waiter that does not wait for
  // ready is refused with the last reason.
  void Request(SessionWaiter& waiter, bool wait_for_ready);
  void Forget(SessionWaiter& waiter) { waiters_.Remove(&waiter); }

  // Only from within OnSession: begins a request; see http2::Session::Open.
  http::Exchange& Open(const http::RequestHead& head, http::Receiver& receiver, bool end) { return session_->Open(head, receiver, end); }
  const std::shared_ptr<const std::string>& peer() const { return session_->peer(); }

  // Lets the session's calls end, gives up connecting, opens nothing more, and refuses who waits. The last call.
  void Shutdown();

 private:
  enum class State { kIdle, kConnecting, kReady, kBackoff, kShutdown };

  Connection(EventLoop& loop, Target target, const Options& options);

  void StartConnecting();
  static Task<void> RunAttempt(std::shared_ptr<Connection> self);
  bool has_session() const { return state_ == State::kReady && session_ != nullptr && session_->accepts_requests(); }
  void OnReady();
  void OnLost(const http2::Session* session, const absl::Status& why);
  void OnFailed(const absl::Status& why);
  void OnBackoffOver();
  void Serve();
  void Refuse(const absl::Status& why, bool all);

  EventLoop& loop_;
  const Target target_;
  const Options options_;
  State state_ = State::kIdle;
  asio::cancellation_signal give_up_;        // of the attempt under way
  std::shared_ptr<http2::Session> session_;  // connecting (no SETTINGS yet) or ready
  base::IntrusiveList<SessionWaiter, &SessionWaiter::hook_> waiters_;
  uint64_t refusals_ = 0;
  Backoff backoff_;
  io::Timer backoff_timer_;
  absl::Status last_failure_;
  std::minstd_rand random_;
};

}  // namespace culvert::client

#endif  // CULVERT_TRANSPORT_CLIENT_CONNECTION_H_
