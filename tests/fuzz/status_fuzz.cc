// Any message survives grpc-message; any grpc-status, grpc-message and details (a line each) make a status, which survives being sent
// again.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "rpc/status.h"
#include "tests/fuzz/fuzz.h"
#include "transport/http/header_list.h"
#include "transport/http/validate.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace culvert;  // NOLINT
  // Longer messages are cut.
  std::string_view text(reinterpret_cast<const char*>(data), std::min<size_t>(size, 1000));
  const std::string message = rpc::EncodeStatusMessage(text);
  FUZZ_EXPECT(rpc::DecodeStatusMessage(message) == text);
  for (const char c : message) FUZZ_EXPECT(c >= 0x20 && c <= 0x7e);
  FUZZ_EXPECT(rpc::DecodeStatusMessage(text).size() <= text.size());

  http::HeaderList trailers, again;
  for (const std::string_view name : {"grpc-status", "grpc-message", "grpc-status-details-bin"}) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (!line.empty()) trailers.Add(name, line);
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  const absl::Status status = rpc::StatusFromTrailers(trailers.fields(), static_cast<int>(size));
  rpc::AppendStatusFields(status, again);
  FUZZ_EXPECT(http::ValidateTrailers(again.fields()).ok());
  FUZZ_EXPECT(rpc::StatusFromTrailers(again.fields(), 200) == status);
  return 0;
}
