#include "transport/server/server.h"

#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>
#include <utility>

#include "absl/synchronization/notification.h"
#include "transport/base/check.h"
#include "transport/base/status_macros.h"
#include "transport/io/connect.h"
#include "transport/io/tls_context.h"
#include "transport/server/acceptor.h"

namespace culvert::server {

Server::Server(std::vector<EventLoop*> loops, http::Handler& handler, const Options& options)
    : loops_(std::move(loops)), options_(options), sets_left_(loops_.size()) {
  CULVERT_CHECK(!loops_.empty(), "a server needs at least one event loop");
  for (EventLoop* loop : loops_) sets_.push_back(std::make_unique<ConnectionSet>(*loop, handler, options_, connection_count_));
}

Server::~Server() { Shutdown(std::chrono::milliseconds(0)); }

absl::StatusOr<io::SocketAddress> Server::Listen(const io::SocketAddress& address) {
  if (options_.tls != nullptr && !options_.tls->is_server()) {
    return absl::InvalidArgumentError("TLS: a server's context is made by TlsContext::ForServer, this one is a client's");
  }
  absl::MutexLock lock(&mutex_);
  if (stage_ != Stage::kServing) return absl::FailedPreconditionError("the server is shut down");
  CULVERT_ASSIGN_OR_RETURN(const io::Listener listener, io::Listen(address, options_.backlog));
  const auto acceptor = std::make_shared<Acceptor>(
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
  // Not from here: on the loop's own thread it would begin at once, under the lock.
  loops_[0]->Post([loop = loops_[0], acceptor] { asio::co_spawn(loop->executor(), Acceptor::Run(acceptor), asio::detached); });
  return listener.address;
}

void Server::Shutdown(std::chrono::milliseconds grace) {
  {
    absl::MutexLock lock(&mutex_);
    if (stage_ == Stage::kOver) return;
  }
  for (const EventLoop* loop : loops_) {
    CULVERT_CHECK(!loop->RunsHere(), "a server cannot wait for its own event loop: co_await AsyncShutdown there, before it is destroyed");
  }
  absl::Notification over;
  StartShutdown(grace, [&over] { over.Notify(); });
  over.WaitForNotification();
}

Task<void> Server::AsyncShutdown(std::chrono::milliseconds grace) {
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(
      [this, grace](auto handler) {
        // The guard, since the executor may have nothing else to do meanwhile.
        auto work = asio::make_work_guard(asio::get_associated_executor(handler));
        StartShutdown(grace, [work = std::move(work), handler = std::move(handler)]() mutable {
          asio::post(work.get_executor(), std::move(handler));
        });
      },
      asio::use_awaitable);
}

void Server::StartShutdown(std::chrono::milliseconds grace, absl::AnyInvocable<void()> over) {
  Stage before;
  {
    absl::MutexLock lock(&mutex_);
    before = stage_;
    if (before == Stage::kServing) stage_ = Stage::kShuttingDown;
    if (before != Stage::kOver) waiting_.push_back(std::move(over));
  }
  if (before == Stage::kOver) return over();
  if (before == Stage::kShuttingDown) return;
  // The acceptors first: what they have handed over is queued on its loop before the shutdown is.
  loops_[0]->Post([this, grace] {
    {
      absl::MutexLock lock(&mutex_);
      for (const auto& acceptor : acceptors_) acceptor->Stop();
    }
    for (size_t i = 0; i < loops_.size(); ++i) {
      loops_[i]->Post([this, set = sets_[i].get(), grace] { set->Shutdown(grace, [this] { OnSetEmpty(); }); });
    }
  });
}

void Server::OnSetEmpty() {
  std::vector<absl::AnyInvocable<void()>> waiting;
  {
    absl::MutexLock lock(&mutex_);
    if (--sets_left_ > 0) return;
    stage_ = Stage::kOver;
    waiting.swap(waiting_);
  }
  for (auto& over : waiting) over();  // after the first the server may be gone
}

}  // namespace culvert::server
