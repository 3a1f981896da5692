#include "transport/server/sniffer.h"

#include <string_view>

namespace culvert::server {

namespace {

constexpr std::string_view kPreface = frame::kConnectionPreface;
constexpr size_t kMethodEnd = 3;  // "PRI"

// RFC 9110 5.6.2
bool IsTokenCharacter(uint8_t c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c != 0 && std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos);
}

Protocol ClassifyTls(std::span<const uint8_t> bytes) {
  // type handshake (22), version 3.0 to 3.4, two bytes of length, message type client_hello (1)
  constexpr size_t kMessageType = 5;
  if (bytes.size() > 1 && bytes[1] != 3) return Protocol::kUnknown;
  if (bytes.size() > 2 && bytes[2] > 4) return Protocol::kUnknown;
  if (bytes.size() <= kMessageType) return Protocol::kNeedMore;
  return bytes[kMessageType] == 1 ? Protocol::kTls : Protocol::kUnknown;
}

}  // namespace

Protocol Classify(std::span<const uint8_t> bytes) {
  if (!bytes.empty() && bytes[0] == 22) return ClassifyTls(bytes);
  size_t same = 0;
  while (same < bytes.size() && same < kPreface.size() && bytes[same] == static_cast<uint8_t>(kPreface[same]))
    ++same;
  if (same == kPreface.size()) return Protocol::kHttp2;
  if (same == bytes.size()) return Protocol::kNeedMore;
  // The first byte that differs decides; what follows it is the parser's affair.
  const uint8_t other = bytes[same];
  const bool ends_method = other == ' ' && same > 0;
  return same > kMethodEnd || IsTokenCharacter(other) || ends_method ? Protocol::kHttp1 : Protocol::kUnknown;
}

}  // namespace culvert::server
