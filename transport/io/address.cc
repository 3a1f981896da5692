#include "transport/io/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "transport/base/status_macros.h"
#include "transport/base/strings.h"

namespace culvert::io {

namespace {

bool ConsumePrefix(std::string_view* text, std::string_view prefix) {
  if (!text->starts_with(prefix)) return false;
  text->remove_prefix(prefix.size());
  return true;
}

absl::StatusOr<SocketAddress> UnixAddress(std::string_view path, bool abstract) {
  SocketAddress out;
  auto* un = reinterpret_cast<sockaddr_un*>(&out.storage);
  if (path.empty()) return absl::InvalidArgumentError("unix address without a path");
  if (path.size() + 1 > sizeof(un->sun_path)) {
    return absl::InvalidArgumentError(
        StrCat("unix path of ", path.size(), " bytes, at most ", sizeof(un->sun_path) - 1, " are possible"));
  }
  un->sun_family = AF_UNIX;
  std::memcpy(un->sun_path + (abstract ? 1 : 0), path.data(), path.size());
  out.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return out;
}

}  // namespace

absl::StatusOr<std::pair<std::string, uint16_t>> SplitHostPort(std::string_view text) {
  std::string_view host, port;
  if (!text.empty() && text[0] == '[') {
    const size_t close = text.find(']');
    if (close == std::string_view::npos || close + 1 >= text.size() || text[close + 1] != ':') {
      return absl::InvalidArgumentError(StrCat("address '", text, "' is not of the form [host]:port"));
    }
    host = text.substr(1, close - 1);
    port = text.substr(close + 2);
  } else {
    const size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return absl::InvalidArgumentError(StrCat("address '", text, "' has no port"));
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (host.find(':') != std::string_view::npos) {
      return absl::InvalidArgumentError(StrCat("address '", text, "': an IPv6 host must stand in brackets"));
    }
  }
  uint32_t number = 0;
  if (host.empty()) return absl::InvalidArgumentError(StrCat("address '", text, "' has no host"));
  if (port.empty() || port.find_first_not_of("0123456789") != std::string_view::npos || !absl::SimpleAtoi(ToAbsl(port), &number) || number > 65535) {
    return absl::InvalidArgumentError(StrCat("address '", text, "': the port is not a number from 0 to 65535"));
  }
  return std::pair<std::string, uint16_t>(host, static_cast<uint16_t>(number));
}

absl::StatusOr<SocketAddress> ParseAddress(std::string_view text) {
  if (ConsumePrefix(&text, "unix-abstract:")) return UnixAddress(text, true);
  if (ConsumePrefix(&text, "unix:")) {
    ConsumePrefix(&text, "//");
    return UnixAddress(text, false);
  }
  CULVERT_ASSIGN_OR_RETURN(auto host_port, SplitHostPort(text));
  auto& [host, port] = host_port;
  if (host == "localhost") host = "127.0.0.1";
  SocketAddress out;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
  if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    out.size = sizeof(sockaddr_in);
  } else if (inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    out.size = sizeof(sockaddr_in6);
  } else {
    return absl::InvalidArgumentError(StrCat("'", host, "' is not a numeric IP address"));
  }
  return out;
}

std::string FormatAddress(const SocketAddress& address) {
  char text[INET6_ADDRSTRLEN] = "";
  switch (address.family()) {
    case AF_INET: {
      const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address.storage);
      inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
      return StrCat(text, ":", ntohs(v4->sin_port));
    }
    case AF_INET6: {
      const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address.storage);
      inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
      return StrCat("[", text, "]:", ntohs(v6->sin6_port));
    }
    case AF_UNIX: {
      const auto* un = reinterpret_cast<const sockaddr_un*>(&address.storage);
      const size_t length = address.size > offsetof(sockaddr_un, sun_path) ? address.size - offsetof(sockaddr_un, sun_path) : 0;
      if (length > 1 && un->sun_path[0] == '\0') {
        return StrCat("unix-abstract:", std::string_view(un->sun_path + 1, strnlen(un->sun_path + 1, length - 1)));
      }
      return StrCat("unix:", std::string_view(un->sun_path, strnlen(un->sun_path, length)));
    }
    default:
      return "unknown";
  }
}

std::string PeerName(const SocketAddress& address) {
  switch (address.family()) {
    case AF_INET:
      return StrCat("ipv4:", FormatAddress(address));
    case AF_INET6:
      return StrCat("ipv6:", FormatAddress(address));
    default:
      return FormatAddress(address);
  }
}

}  // namespace culvert::io
