#ifndef CULVERT_RPC_CHANNEL_H_
#define CULVERT_RPC_CHANNEL_H_

// Where a client's calls go: a target, and the connection to it.
//
//   auto channel = culvert::Channel::Create("dns:///localhost:50051");            // a loop of its own
//   auto channel = culvert::Channel::Create(culvert::EventLoop::Of(context), "127.0.0.1:50051");
//   if (!channel.ok()) ...;
//   RouteGuide::Stub stub(*channel);
//
// Connects on the first call, and again, with exponential backoff, after the connection was lost. Calls that come meanwhile wait for the
// attempt under way; when it fails they end with UNAVAILABLE, unless they wait for ready.
//
// Over TLS (transport/io/tls_context.h):
//
//   culvert::io::TlsClientOptions tls;                                            // trusts whom the system trusts
//   auto context = culvert::io::TlsContext::ForClient(tls);
//   if (!context.ok()) ...;
//   culvert::ChannelOptions options;
//   options.transport.tls = *context;
//   auto channel = culvert::Channel::Create("dns:///example.com:443", options);
//
// Any thread may start calls. They are fastest from the channel's own loop, where nothing is handed over. Closing is by letting go:
// calls under way keep the channel alive, and its connection ends when the last owner is gone.

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "rpc/envelope.h"
#include "transport/client/options.h"
#include "transport/io/event_loop.h"

namespace culvert {

namespace client {
class Connection;
}

struct ChannelOptions {
  size_t max_receive_bytes = rpc::kDefaultMaxReceiveBytes;
  size_t max_send_bytes = SIZE_MAX;
  // Goes before Culvert's own in the user-agent field.
  std::string user_agent;
  // ":authority", when it is not to be the target's host and port.
  std::string authority;
  // Connecting, TLS, backoff, HTTP/2.
  client::Options transport;
};

class Channel final : public std::enable_shared_from_this<Channel> {
 public:
  // Targets as gRPC names them: "host:port", "dns:///host:port", "ipv4:127.0.0.1:50051", "ipv6:[::1]:50051", "unix:/path",
  // "unix-abstract:name". InvalidArgument says what is wrong with a target, or that the TLS context is a
  // server's. The loop outlives the channel and its calls.
  static absl::StatusOr<std::shared_ptr<Channel>> Create(EventLoop& loop, std::string_view target, ChannelOptions options = {});
  // With a thread and a loop of its own, which end with the channel: a name that is being resolved then is waited for (client::Options).
  static absl::StatusOr<std::shared_ptr<Channel>> Create(std::string_view target, ChannelOptions options = {});
  ~Channel();

  EventLoop& loop() { return loop_; }
  const ChannelOptions& options() const { return options_; }
  const std::string& authority() const { return authority_; }
  std::string_view scheme() const { return options_.transport.tls != nullptr ? "https" : "http"; }
  const std::string& user_agent() const { return user_agent_; }
  // On the loop.
  client::Connection& connection() { return *connection_; }

 private:
  Channel(std::unique_ptr<EventLoopThreads> threads, EventLoop& loop, ChannelOptions options, std::string authority);

  std::unique_ptr<EventLoopThreads> threads_;  // null when the loop is the user's
  EventLoop& loop_;
  const ChannelOptions options_;
  const std::string authority_;
  const std::string user_agent_;
  std::shared_ptr<client::Connection> connection_;
};

}  // namespace culvert

#endif  // CULVERT_RPC_CHANNEL_H_
