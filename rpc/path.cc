#include "rpc/path.h"

#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "transport/base/strings.h"

namespace culvert::rpc {

std::optional<MethodPath> ParseMethodPath(std::string_view path) {
  if (path.empty() || path.front() != '/') return std::nullopt;
  path.remove_prefix(1);
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const MethodPath parsed{path.substr(0, slash), path.substr(slash + 1)};
  if (parsed.service.empty() || parsed.method.empty()) return std::nullopt;
  return parsed;
}

std::optional<std::string_view> ParseMessageFormat(std::string_view content_type) {
  constexpr std::string_view kGrpc = "application/grpc";
  std::string_view media_type =
      ToStd(absl::StripAsciiWhitespace(ToAbsl(content_type.substr(0, content_type.find(';')))));
  if (!absl::StartsWithIgnoreCase(ToAbsl(media_type), ToAbsl(kGrpc))) return std::nullopt;
  media_type.remove_prefix(kGrpc.size());
  if (media_type.empty()) return media_type;
  if (media_type.front() != '+') return std::nullopt;
  return media_type.substr(1);
}

}  // namespace culvert::rpc
