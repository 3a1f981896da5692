#include "rpc/channel.h"

#include <thread>
#include <utility>

#include "absl/synchronization/notification.h"
#include "transport/base/status_macros.h"
#include "transport/base/strings.h"
#include "transport/client/connection.h"
#include "transport/client/target.h"
#include "transport/io/tls_context.h"

namespace culvert {

namespace {
constexpr std::string_view kUserAgent = "culvert-cc/0.1";

absl::Status Check(const ChannelOptions& options) {
  if (options.transport.tls == nullptr || !options.transport.tls->is_server()) return absl::OkStatus();
  return absl::InvalidArgumentError("TLS: a channel's context is made by TlsContext::ForClient, this one is a server's");
}

// Runs `f` on the loop, after the completions of calls that have ended: what has not run when a loop is stopped is dropped. A call lets go of
// its channel before it posts them, in the same turn of the loop: hence twice.
template <class F>
void PostLast(EventLoop& loop, F f) {
  loop.Post([&loop, f = std::move(f)]() mutable { loop.Post(std::move(f)); });
}
}  // namespace

absl::StatusOr<std::shared_ptr<Channel>> Channel::Create(EventLoop& loop, std::string_view target, ChannelOptions options) {
  CULVERT_RETURN_IF_ERROR(Check(options));
  CULVERT_ASSIGN_OR_RETURN(client::Target parsed, client::ParseTarget(target));
  std::string authority = options.authority.empty() ? parsed.authority : options.authority;
  std::shared_ptr<Channel> channel(new Channel(nullptr, loop, std::move(options), std::move(authority)));
  channel->connection_ = client::Connection::Create(loop, std::move(parsed), channel->options_.transport);
  return channel;
}

absl::StatusOr<std::shared_ptr<Channel>> Channel::Create(std::string_view target, ChannelOptions options) {
  CULVERT_RETURN_IF_ERROR(Check(options));
  CULVERT_ASSIGN_OR_RETURN(client::Target parsed, client::ParseTarget(target));
  std::string authority = options.authority.empty() ? parsed.authority : options.authority;
  auto threads = std::make_unique<EventLoopThreads>(1);
  EventLoop& loop = (*threads)[0];
  std::shared_ptr<Channel> channel(new Channel(std::move(threads), loop, std::move(options), std::move(authority)));
  channel->connection_ = client::Connection::Create(loop, std::move(parsed), channel->options_.transport);
  return channel;
}

Channel::Channel(std::unique_ptr<EventLoopThreads> threads, EventLoop& loop, ChannelOptions options, std::string authority)
    : threads_(std::move(threads)),
      loop_(loop),
      options_(std::move(options)),
      authority_(std::move(authority)),
      user_agent_(options_.user_agent.empty() ? std::string(kUserAgent) : StrCat(options_.user_agent, " ", kUserAgent)) {}

Channel::~Channel() {
  if (loop_.RunsHere()) {
    connection_->Shutdown();
    // The last owner was a call on the channel's own loop: the thread cannot wait for itself.
    if (threads_ == nullptr) return;
    PostLast(loop_, [threads = std::move(threads_)]() mutable {
      std::thread([threads = std::move(threads)]() mutable { threads.reset(); }).detach();
    });
    return;
  }
  if (threads_ == nullptr) {
    loop_.Post([connection = std::move(connection_)] { connection->Shutdown(); });
    return;
  }
  absl::Notification done;
  PostLast(loop_, [this, &done] {
    connection_->Shutdown();
    done.Notify();
  });
  done.WaitForNotification();
}

}  // namespace culvert
