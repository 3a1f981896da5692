#include "transport/client/target.h"

#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "transport/base/status_macros.h"
#include "transport/base/strings.h"

namespace culvert::client {

namespace {

bool ConsumePrefix(std::string_view* text, std::string_view prefix) {
  if (!text->starts_with(prefix)) return false;
  text->remove_prefix(prefix.size());
  return true;
}

absl::StatusOr<Target> Numeric(std::string_view list, int family, std::string_view whole) {
  Target target;
  while (!list.empty()) {
    const size_t comma = list.find(',');
    CULVERT_ASSIGN_OR_RETURN(io::SocketAddress address, io::ParseAddress(list.substr(0, comma)));
    if (address.family() != family) {
      return absl::InvalidArgumentError(StrCat("target '", whole, "': the address is not of the family that the scheme names"));
    }
    target.addresses.push_back(address);
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
  }
  if (target.addresses.empty()) return absl::InvalidArgumentError(StrCat("target '", whole, "' has no address"));
  target.authority = io::FormatAddress(target.addresses.front());
  return target;
}

}  // namespace

absl::StatusOr<Target> ParseTarget(std::string_view text) {
  const std::string_view whole = text;
  if (text.starts_with("unix:") || text.starts_with("unix-abstract:")) {
    Target target;
    CULVERT_ASSIGN_OR_RETURN(io::SocketAddress address, io::ParseAddress(text));
    target.addresses.push_back(address);
    target.authority = "localhost";
    return target;
  }
  if (ConsumePrefix(&text, "ipv4:")) return Numeric(text, AF_INET, whole);
  if (ConsumePrefix(&text, "ipv6:")) return Numeric(text, AF_INET6, whole);
  if (ConsumePrefix(&text, "dns:")) {
    if (ConsumePrefix(&text, "//")) {
      const size_t slash = text.find('/');
      if (slash == std::string_view::npos) return absl::InvalidArgumentError(StrCat("target '", whole, "' is not of the form dns:///host:port"));
      if (slash != 0) return absl::InvalidArgumentError(StrCat("target '", whole, "' names a DNS server, which is not supported"));
      text.remove_prefix(1);
    }
  } else if (const size_t scheme = text.find("://"); scheme != std::string_view::npos) {
    return absl::InvalidArgumentError(StrCat("target '", whole, "': unknown scheme '", text.substr(0, scheme), "'"));
  }
  const bool has_port = text.starts_with("[") ? text.find("]:") != std::string_view::npos : text.find(':') != std::string_view::npos;
  CULVERT_ASSIGN_OR_RETURN(auto host_port, io::SplitHostPort(has_port ? std::string(text) : StrCat(text, ":443")));
  Target target;
  target.host = std::move(host_port.first);
  target.port = host_port.second;
  target.authority = std::string(text);
  const auto forbidden = [](char c) { return static_cast<uint8_t>(c) <= 0x20 || c == 0x7f || c == '/' || c == '@' || c == '%'; };
  if (std::any_of(target.host.begin(), target.host.end(), forbidden)) {
    return absl::InvalidArgumentError(StrCat("target '", whole, "': '", target.host, "' is not a host name"));
  }
  const std::string numeric = text.starts_with("[") ? StrCat("[", target.host, "]:", target.port) : StrCat(target.host, ":", target.port);
  if (absl::StatusOr<io::SocketAddress> address = io::ParseAddress(numeric); address.ok()) target.addresses.push_back(*address);
  return target;
}

}  // namespace culvert::client
