#ifndef CULVERT_RPC_SERVER_H_
#define CULVERT_RPC_SERVER_H_

// A gRPC server.
//
//   GreeterService greeter;
//   culvert::Server server;
//   server.AddService(greeter);
//   absl::StatusOr<std::string> address = server.Listen("127.0.0.1:0");     // "127.0.0.1:41233"
//   if (!address.ok()) ...;
//   server.Wait();                                                          // until another thread calls Shutdown
//
// Over TLS (transport/io/tls_context.h):
//
//   culvert::io::TlsServerOptions tls;
//   tls.certificate_chain = ...;                                            // PEM
//   tls.private_key = ...;
//   auto context = culvert::io::TlsContext::ForServer(tls);
//   if (!context.ok()) ...;
//   culvert::ServerOptions options;
//   options.transport.tls = *context;
//   culvert::Server server(std::move(options));
//
// One port answers gRPC and, when an HTTP handler is set, HTTP/2 and HTTP/1.1 requests of any other kind.

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "rpc/server_call.h"
#include "rpc/service.h"
#include "transport/base/task.h"
#include "transport/http/exchange.h"
#include "transport/io/event_loop.h"
#include "transport/server/options.h"

namespace culvert {

namespace server {
class Server;
}

struct ServerOptions {
  // Threads with an event loop each, among which connections are spread. 0: one per core.
  size_t threads = 0;
  // Event loops of the user's, instead of threads of the server's; they outlive it.
  std::vector<EventLoop*> loops;
  rpc::CallLimits calls;
  // Answers what is not gRPC; outlives the server. Null: 415.
  http::Handler* http_handler = nullptr;
  server::Options transport;
};

class Server final {
 public:
  explicit Server(ServerOptions options = {});
  // Shuts down at once, when that was not done: see Shutdown.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Before the first Listen. `service` outlives the server.
  void AddService(Service& service);

  // Begins to accept on "host:port", "[v6]:port", "unix:/path" or "unix-abstract:name"; port 0 takes a free one. Returns the address
  // listened on. May be called again for more addresses, from any thread. InvalidArgument for the address or a TLS context that is a client's,
  // FailedPrecondition once a shutdown has begun, or what the system says, such as that the port is taken.
  absl::StatusOr<std::string> Listen(std::string_view address);

  // Refuses new connections and calls, lets the calls under way end for up to `grace`, then cancels them. Blocks. Any thread but
  // those of the server's loops: what it waits for happens there, so it aborts the process unless the shutdown is over.
  void Shutdown(std::chrono::milliseconds grace = std::chrono::milliseconds(0));
  // The same for coroutines, on whatever executor, which may be a loop of ServerOptions::loops, the only one too:
  //
  //   culvert::Task<void> UntilSignal(asio::io_context& context, culvert::Server& server) {
  //     asio::signal_set signals(context, SIGINT, SIGTERM);
  //     co_await signals.async_wait(culvert::kTuple);
  //     co_await server.AsyncShutdown(std::chrono::seconds(5));
  //   }
  //
  // Begins when it is awaited; the server outlives it, and may be destroyed then, on that loop as well. Cancelling it changes nothing. Not to
  // be awaited by a handler of this server, for whose end it would wait: co_spawn it there.
  Task<void> AsyncShutdown(std::chrono::milliseconds grace = std::chrono::milliseconds(0));
  // Blocks until one of the two has been called and is done; any thread but those of the server's loops.
  void Wait();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace culvert

#endif  // CULVERT_RPC_SERVER_H_
