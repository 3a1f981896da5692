#include "transport/client/connector.h"

#include <netinet/in.h>

#include <asio/ip/tcp.hpp>
#include <cstring>
#include <utility>
#include <vector>

#include "transport/base/status_macros.h"
#include "transport/base/strings.h"
#include "transport/io/connect.h"

namespace culvert::client {

namespace {

Task<absl::StatusOr<std::vector<io::SocketAddress>>> Resolve(EventLoop& loop, const Target& target) {
  asio::ip::basic_resolver<asio::ip::tcp, EventLoop::Executor> resolver(loop.executor());
  auto [error, results] = co_await resolver.async_resolve(target.host, std::to_string(target.port), kTuple);
  if (error) co_return absl::UnavailableError(StrCat("cannot resolve '", target.host, "': ", error.message()));
  std::vector<io::SocketAddress> addresses;
  for (const auto& entry : results) {
    io::SocketAddress address;
    address.size = static_cast<socklen_t>(entry.endpoint().size());
    std::memcpy(&address.storage, entry.endpoint().data(), address.size);
    addresses.push_back(address);
  }
  co_return addresses;
}

}  // namespace

Task<absl::StatusOr<std::unique_ptr<io::ByteStream>>> Connect(EventLoop& loop, const Target& target, const Options& options) {
  const auto deadline = io::Timer::Clock::now() + options.connect_timeout;
  std::vector<io::SocketAddress> addresses = target.addresses;
  if (addresses.empty()) {
    CULVERT_CO_ASSIGN_OR_RETURN(addresses, co_await Resolve(loop, target));
  }
  absl::Status last = absl::UnavailableError(StrCat("'", target.host, "' has no address"));
  for (const io::SocketAddress& address : addresses) {
    absl::StatusOr<std::unique_ptr<io::ByteStream>> stream = co_await io::ConnectSocket(loop, address, deadline);
    if (stream.ok()) co_return stream;
    last = stream.status();
  }
  co_return last;
}

}  // namespace culvert::client
