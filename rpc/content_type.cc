#include "rpc/content_type.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "transport/base/strings.h"

namespace culvert::rpc {

std::optional<std::string_view> ParseMessageFormat(std::string_view content_type) {
  constexpr std::string_view kGrpc = "application/grpc";
  if (content_type == kGrpc) return std::string_view();  // what nearly all send
  std::string_view media_type =
      ToStd(absl::StripAsciiWhitespace(ToAbsl(content_type.substr(0, content_type.find(';')))));
  if (!absl::StartsWithIgnoreCase(ToAbsl(media_type), ToAbsl(kGrpc))) return std::nullopt;
  media_type.remove_prefix(kGrpc.size());
  if (media_type.empty()) return media_type;
  if (media_type.front() != '+') return std::nullopt;
  return media_type.substr(1);
}

}  // namespace culvert::rpc
