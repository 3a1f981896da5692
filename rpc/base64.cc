#include "rpc/base64.h"

#include "absl/strings/escaping.h"
#include "transport/base/strings.h"

namespace culvert::rpc {

std::string EncodeBase64(std::string_view bytes) {
  std::string text;
  absl::Base64Escape(ToAbsl(bytes), &text);
  while (!text.empty() && text.back() == '=') text.pop_back();
  return text;
}

bool DecodeBase64(std::string_view text, std::string* bytes) {
  return absl::Base64Unescape(ToAbsl(text), bytes);
}

}  // namespace culvert::rpc
