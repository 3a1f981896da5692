#ifndef CULVERT_TRANSPORT_SERVER_SERVER_H_
#define CULVERT_TRANSPORT_SERVER_SERVER_H_

// Listens, accepts, and hands each connection to one of the event loops, in turn; there it stays.
//
// Ownership: Server -> one Acceptor per address, on the first loop; one ConnectionSet per loop, which owns nothing: connections own
// themselves and are in it while they live.

#include <atomic>
#include <chrono>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "transport/http/exchange.h"
#include "transport/io/address.h"
#include "transport/io/event_loop.h"
#include "transport/server/connection.h"
#include "transport/server/options.h"

namespace culvert::server {

class Acceptor;

class Server {
 public:
  // `loops` (at least one, all running or about to run) and `handler` outlive the server.
  Server(std::vector<EventLoop*> loops, http::Handler& handler, const Options& options);
  // Shuts down with no grace.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Begins to accept; returns the address with the port that was taken. FailedPrecondition once Shutdown has begun. Any thread.
  absl::StatusOr<io::SocketAddress> Listen(const io::SocketAddress& address);

  // Stops accepting, tells every peer to open nothing more, lets what is under way end for up to `grace`, then closes. Blocks until all
  // connections are gone; any thread but a loop's. A second call waits for the first.
  void Shutdown(std::chrono::milliseconds grace);

 private:
  const std::vector<EventLoop*> loops_;
  const Options options_;
  std::atomic<size_t> connection_count_{0};
  std::vector<std::unique_ptr<ConnectionSet>> sets_;  // one per loop
  std::atomic<size_t> next_loop_{0};

  absl::Mutex mutex_;
  std::vector<std::shared_ptr<Acceptor>> acceptors_ ABSL_GUARDED_BY(mutex_);
  bool shut_down_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Notification over_;  // the shutdown is
};

}  // namespace culvert::server

#endif  // CULVERT_TRANSPORT_SERVER_SERVER_H_
