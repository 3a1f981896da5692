#ifndef CULVERT_TRANSPORT_SERVER_SERVER_H_
#define CULVERT_TRANSPORT_SERVER_SERVER_H_

// Listens, accepts, and hands each connection to one of the event loops, in turn; there it stays.
//
// Ownership: Server -> one Acceptor per address, on the first loop; one ConnectionSet per loop, which owns nothing: connections are owned by what
// they wait for (server/connection.h) and are in it while they live.

#include <atomic>
#include <chrono>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "transport/base/task.h"
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
  // Shuts down with no grace, unless that is done: see Shutdown.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Begins to accept; returns the address with the port that was taken. FailedPrecondition once a shutdown has begun, InvalidArgument for a
  // TLS context that is a client's. Any thread.
  absl::StatusOr<io::SocketAddress> Listen(const io::SocketAddress& address);

  // Stops accepting, tells every peer to open nothing more, lets what is under way end for up to `grace`, then closes. Blocks until all
  // connections are gone. A second call, of this or the next, waits for the first. Any thread but those of the server's loops: what it waits
  // for happens there, so it aborts the process unless the shutdown is over.
  void Shutdown(std::chrono::milliseconds grace);
  // The same for coroutines, on whatever executor, which may be one of the loops: begins when it is awaited, and goes on when all connections
  // are gone. The server outlives it, and may be destroyed then, also on its own loop. Cancelling it changes nothing. Not to be awaited by
  // a handler of this server, for whose end it would wait: co_spawn it there.
  Task<void> AsyncShutdown(std::chrono::milliseconds grace);

 private:
  enum class Stage { kServing, kShuttingDown, kOver };

  // `over` is called once all connections are gone, on any thread.
  void StartShutdown(std::chrono::milliseconds grace, absl::AnyInvocable<void()> over);
  void OnSetEmpty();

  const std::vector<EventLoop*> loops_;
  const Options options_;
  std::atomic<size_t> connection_count_{0};
  std::vector<std::unique_ptr<ConnectionSet>> sets_;  // one per loop
  std::atomic<size_t> next_loop_{0};

  absl::Mutex mutex_;
  std::vector<std::shared_ptr<Acceptor>> acceptors_ ABSL_GUARDED_BY(mutex_);
  Stage stage_ ABSL_GUARDED_BY(mutex_) = Stage::kServing;
  size_t sets_left_ ABSL_GUARDED_BY(mutex_);  // that are not yet empty for good
  std::vector<absl::AnyInvocable<void()>> waiting_ ABSL_GUARDED_BY(mutex_);  // for the shutdown's end
};

}  // namespace culvert::server

#endif  // CULVERT_TRANSPORT_SERVER_SERVER_H_
