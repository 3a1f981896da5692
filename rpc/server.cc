#include "rpc/server.h"

#include <thread>
#include <utility>

#include "absl/synchronization/notification.h"
#include "rpc/router.h"
#include "transport/base/check.h"
#include "transport/base/status_macros.h"
#include "transport/io/address.h"
#include "transport/server/server.h"

namespace culvert {

struct Server::State {
  explicit State(ServerOptions o) : options(std::move(o)) {}

  ServerOptions options;
  MethodRegistry methods;
  rpc::Router router{methods, options.calls, options.http_handler};
  std::unique_ptr<EventLoopThreads> threads;  // unless the loops are the user's
  std::unique_ptr<server::Server> server;     // from the first Listen on; gone before its threads
  absl::Mutex mutex;
  bool stopping = false;  // guarded by mutex
  absl::Notification done;

  // Nobody listens any more. What is to be shut down, or null.
  server::Server* Stop() {
    absl::MutexLock lock(&mutex);
    stopping = true;
    return server.get();
  }
  void NotifyDone() {
    absl::MutexLock lock(&mutex);
    if (!done.HasBeenNotified()) done.Notify();
  }
};

Server::Server(ServerOptions options) : state_(std::make_unique<State>(std::move(options))) {}

Server::~Server() { Shutdown(); }

void Server::AddService(Service& service) {
  CULVERT_CHECK(state_->server == nullptr, "AddService after Listen");
  service.Register(state_->methods);
}

absl::StatusOr<std::string> Server::Listen(std::string_view address) {
  CULVERT_ASSIGN_OR_RETURN(const io::SocketAddress parsed, io::ParseAddress(address));
  absl::MutexLock lock(&state_->mutex);
  if (state_->stopping) return absl::FailedPreconditionError("Listen after Shutdown");
  if (state_->server == nullptr) {
    std::vector<EventLoop*> loops = state_->options.loops;
    if (loops.empty()) {
      const size_t cores = std::max(1u, std::thread::hardware_concurrency());
      state_->threads = std::make_unique<EventLoopThreads>(state_->options.threads != 0 ? state_->options.threads : cores);
      for (size_t i = 0; i < state_->threads->size(); ++i) loops.push_back(&(*state_->threads)[i]);
    }
    state_->server = std::make_unique<server::Server>(std::move(loops), state_->router, state_->options.transport);
  }
  CULVERT_ASSIGN_OR_RETURN(const io::SocketAddress bound, state_->server->Listen(parsed));
  return io::FormatAddress(bound);
}

void Server::Shutdown(std::chrono::milliseconds grace) {
  server::Server* const server = state_->Stop();
  if (server != nullptr) server->Shutdown(grace);
  state_->NotifyDone();
}

Task<void> Server::AsyncShutdown(std::chrono::milliseconds grace) {
  server::Server* const server = state_->Stop();
  if (server != nullptr) co_await server->AsyncShutdown(grace);
  state_->NotifyDone();
}

void Server::Wait() { state_->done.WaitForNotification(); }

}  // namespace culvert
