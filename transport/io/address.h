#ifndef CULVERT_TRANSPORT_IO_ADDRESS_H_
#define CULVERT_TRANSPORT_IO_ADDRESS_H_

// Socket addresses as text, in gRPC's spelling: "127.0.0.1:50051", "[::1]:50051", "unix:/path", "unix-abstract:name". Pure but for the types.

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace culvert::io {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
};

// Numeric addresses only; names are the resolver's affair. "localhost:PORT" is taken as 127.0.0.1. InvalidArgument says what is wrong.
absl::StatusOr<SocketAddress> ParseAddress(std::string_view text);

// "ipv4:127.0.0.1:50051", "ipv6:[::1]:50051", "unix:/path": what a peer is called.
std::string PeerName(const SocketAddress& address);
// "127.0.0.1:50051", "[::1]:50051", "unix:/path": what ParseAddress reads.
std::string FormatAddress(const SocketAddress& address);

// "host:port" or "[v6]:port" in two; port 0 to 65535.
absl::StatusOr<std::pair<std::string, uint16_t>> SplitHostPort(std::string_view text);

}  // namespace culvert::io

#endif  // CULVERT_TRANSPORT_IO_ADDRESS_H_
