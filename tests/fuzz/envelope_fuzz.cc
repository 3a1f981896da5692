// Any bytes: messages are the same whole and in pieces, within their limit, and what is kept grows with what came.

#include <optional>
#include <string>

#include "rpc/envelope.h"
#include "tests/fuzz/fuzz.h"

static std::string Read(std::span<const uint8_t> bytes, size_t piece_size) {
  constexpr size_t kLimit = 300;
  culvert::rpc::EnvelopeReader reader(kLimit);
  std::string log;
  while (!bytes.empty()) {
    std::span<const uint8_t> piece = bytes.first(std::min(piece_size, bytes.size()));
    bytes = bytes.subspan(piece.size());
    while (!piece.empty()) {
      std::optional<culvert::rpc::Message> message;
      const absl::StatusOr<size_t> taken = reader.Next(piece, &message);
      if (!taken.ok()) return log + "error " + std::string(taken.status().message());
      FUZZ_EXPECT(*taken > 0 || message.has_value());
      piece = piece.subspan(*taken);
      if (!message) continue;
      FUZZ_EXPECT(message->bytes.size() <= kLimit);
      log += message->compressed ? "c" : "m";
      log.append(message->bytes.begin(), message->bytes.end());
    }
    FUZZ_EXPECT(reader.held_bytes() <= 2 * kLimit);
  }
  return log + (reader.at_boundary() ? "." : "...");
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  culvert::fuzz::Input input(data, size);
  const size_t piece = input.Byte() % 20u + 1;
  FUZZ_EXPECT(Read(input.rest(), size) == Read(input.rest(), piece));
  return 0;
}
