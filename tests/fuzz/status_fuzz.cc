// Any message survives grpc-message, whole or its first 4096 bytes; any grpc-status, grpc-message, details and HTTP status (a line each)
// make the status that their numbers say, which survives being sent again.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "rpc/status.h"
#include "tests/fuzz/fuzz.h"
#include "transport/http/header_list.h"
#include "transport/http/validate.h"

namespace culvert::rpc {
namespace {

bool IsPrintable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c <= 0x7e; });
}

void CheckMessage(std::string_view text) {
  const std::string message = EncodeStatusMessage(text);
  FUZZ_EXPECT(DecodeStatusMessage(message) == text);
  FUZZ_EXPECT(IsPrintable(message) && !message.starts_with(' ') && !message.ends_with(' '));
  FUZZ_EXPECT(DecodeStatusMessage(text).size() <= text.size());

  std::string longer;
  for (int i = 0; i < 8; ++i) longer += text;
  http::HeaderList trailers;
  AppendStatusFields(absl::InternalError(longer), trailers);
  FUZZ_EXPECT(http::ValidateTrailers(trailers.fields()).ok());
  // Of a longer one as many whole characters travel as fit; a blank at the end takes four bytes more than it would within.
  const std::string_view sent = trailers.Find("grpc-message").value_or("");
  const std::string cut = DecodeStatusMessage(sent);
  FUZZ_EXPECT(sent.size() <= 4096 + 4 && longer.starts_with(cut));
  if (cut.size() < longer.size()) FUZZ_EXPECT(EncodeStatusMessage(longer.substr(0, cut.size() + 4)).size() > 4096);
}

// Of the numbers of gRPC, as they are written; nullopt for anything else.
std::optional<absl::StatusCode> CodeOf(std::string_view text) {
  for (int i = 0; i <= 16; ++i) {
    if (text == std::to_string(i)) return static_cast<absl::StatusCode>(i);
  }
  return std::nullopt;
}

}  // namespace
}  // namespace culvert::rpc

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace culvert;  // NOLINT
  // Longer messages are cut.
  std::string_view text(reinterpret_cast<const char*>(data), std::min<size_t>(size, 1000));
  rpc::CheckMessage(text);

  http::HeaderList trailers, again;
  const auto line = [&text] {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    return line;
  };
  for (const std::string_view name : {"grpc-status", "grpc-message", "grpc-status-details-bin"}) {
    if (const std::string_view value = line(); !value.empty()) trailers.Add(name, value);
  }
  int http_status = 0;
  for (const char c : line().substr(0, 4)) http_status = http_status * 10 + (c - '0');
  const absl::Status status = rpc::StatusFromTrailers(trailers.fields(), http_status);
  if (const std::optional<std::string_view> code = trailers.Find("grpc-status")) {
    FUZZ_EXPECT(status.code() == rpc::CodeOf(*code).value_or(absl::StatusCode::kUnknown));
  } else {
    // An error whatever HTTP says, and it names what that was.
    FUZZ_EXPECT(!status.ok());
    const std::string number = http_status == 0 ? "" : std::to_string(http_status);
    FUZZ_EXPECT(std::string(status.message()).find(number) != std::string::npos);
  }
  rpc::AppendStatusFields(status, again);
  FUZZ_EXPECT(http::ValidateTrailers(again.fields()).ok());
  FUZZ_EXPECT(rpc::StatusFromTrailers(again.fields(), 200) == status);
  return 0;
}
