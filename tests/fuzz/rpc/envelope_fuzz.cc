// Any bytes, cut into pieces of any size, give the same messages and the same error as in one piece.

#include <algorithm>
#include <cstdlib>
#include <string>

#include "rpc/envelope.h"

static std::string Read(std::span<const uint8_t> stream, size_t piece_size) {
  culvert::rpc::EnvelopeReader reader(512);
  std::string log;
  while (!stream.empty()) {
    const std::span<const uint8_t> piece = stream.first(std::min(piece_size, stream.size()));
    std::optional<culvert::rpc::Message> message;
    const absl::StatusOr<size_t> taken = reader.Next(piece, &message);
    if (!taken.ok()) return log + taken.status().ToString();
    stream = stream.subspan(*taken);
    if (message) log += std::string(message->bytes.begin(), message->bytes.end()) + "+-"[message->compressed];
    if (!message && *taken != piece.size()) std::abort();
    if (reader.held_bytes() > 512) std::abort();
  }
  return log + (reader.at_boundary() ? "end" : "torn");
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  if (Read({data + 1, size - 1}, size) != Read({data + 1, size - 1}, size_t{1} + data[0] % 64)) std::abort();
  return 0;
}
