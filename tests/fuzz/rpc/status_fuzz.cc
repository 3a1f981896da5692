// Any grpc-status, grpc-message and details (one per line) make a status, which survives being sent again.

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "rpc/status.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (culvert::rpc::DecodeStatusMessage(culvert::rpc::EncodeStatusMessage(text)) != text) std::abort();
  culvert::http::HeaderList trailers, again;
  for (const std::string_view name : {"grpc-status", "grpc-message", "grpc-status-details-bin"}) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (!line.empty()) trailers.Add(name, line);
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  const absl::Status status = culvert::rpc::StatusFromTrailers(trailers.fields(), static_cast<int>(size));
  culvert::rpc::AppendStatusFields(status, again);
  if (culvert::rpc::StatusFromTrailers(again.fields(), 200) != status) std::abort();
  return 0;
}
