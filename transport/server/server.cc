#include "transport/server/server.h"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <utility>

#include "transport/base/check.h"
#include "transport/base/status_macros.h"
#include "transport/io/connect.h"
#include "transport/server/acceptor.h"

namespace culvert::server {

Server::Server(std::vector<EventLoop*> loops, http::Handler& handler, const Options& options) : loops_(std::move(loops)), options_(options) {
  CULVERT_CHECK(!loops_.empty(), "a server needs at least one event loop");
  for (EventLoop* loop : loops_) sets_.push_back(std::make_unique<ConnectionSet>(*loop, handler, options_, connection_count_));
}

Server::~Server() { Shutdown(std::chrono::milliseconds(0)); }

absl::StatusOr<io::SocketAddress> Server::Listen(const io::SocketAddress& address) {
  absl::MutexLock lock(&mutex_);
  if (shut_down_) return absl::FailedPreconditionError("the server is shut down");
  CULVERT_ASSIGN_OR_RETURN(const io::Listener listener, io::Listen(address, options_.backlog));
  auto acceptor = std::make_shared<Acceptor>(
      *loops_[0], listener,
      [this] {
        if (connection_count_.fetch_add(1, std::memory_order_relaxed) < options_.max_connections) return true;
        connection_count_.fetch_sub(1, std::memory_order_relaxed);
        return false;
      },
      [this] { connection_count_.fetch_sub(1, std::memory_order_relaxed); },
      [this](int fd) {
        const size_t i = next_loop_.fetch_add(1, std::memory_order_relaxed) % loops_.size();
        if (loops_[i]->RunsHere()) return sets_[i]->Add(fd);
        loops_[i]->Post([set = sets_[i].get(), fd] { set->Add(fd); });
      });
  acceptors_.push_back(acceptor);
  asio::co_spawn(loops_[0]->executor(), Acceptor::Run(acceptor), asio::detached);
  return listener.address;
}

void Server::Shutdown(std::chrono::milliseconds grace) {
  bool first;
  {
    absl::MutexLock lock(&mutex_);
    first = !std::exchange(shut_down_, true);
  }
  if (!first) return over_.WaitForNotification();
  // The acceptors first: what they have handed over is queued on its loop before the shutdown below.
  absl::Notification stopped;
  loops_[0]->Post([this, &stopped] {
    {
      absl::MutexLock lock(&mutex_);
      for (const auto& acceptor : acceptors_) acceptor->Stop();
    }
    stopped.Notify();
  });
  stopped.WaitForNotification();
  std::vector<std::unique_ptr<absl::Notification>> empty;
  for (size_t i = 0; i < loops_.size(); ++i) {
    empty.push_back(std::make_unique<absl::Notification>());
    loops_[i]->Post([set = sets_[i].get(), grace, done = empty.back().get()] { set->Shutdown(grace, *done); });
  }
  for (const auto& e : empty) e->WaitForNotification();
  over_.Notify();
}

}  // namespace culvert::server
