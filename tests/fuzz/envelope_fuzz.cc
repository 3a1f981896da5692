// Any bytes, and messages of any sizes as we write them: in pieces of any size they are what a slow reader makes of them, messages larger
// than the limit and unknown flags are refused for good, and memory and copies keep to what came.
//
// The first byte chooses the pieces and the limit; the rest are the bytes, and again the messages: three bytes each, two for the
// length (% 10000) and what it is filled with, of which the first bit says whether it is compressed.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rpc/envelope.h"
#include "tests/fuzz/fuzz.h"

namespace culvert::rpc {
namespace {

using Bytes = std::span<const uint8_t>;

// The messages, and how they end.
std::string ReadSlowly(Bytes bytes, size_t limit) {
  std::string log;
  while (bytes.size() >= 5) {
    if (bytes[0] > 1) return log + "error " + absl::StatusCodeToString(absl::StatusCode::kInternal);
    const size_t length = size_t{bytes[1]} * 0x1000000 + bytes[2] * 0x10000 + bytes[3] * 0x100 + bytes[4];
    if (length > limit) return log + "error " + absl::StatusCodeToString(absl::StatusCode::kResourceExhausted);
    if (bytes.size() - 5 < length) break;
    log += bytes[0] == 1 ? "c" : "m";
    log.append(bytes.begin() + 5, bytes.begin() + 5 + static_cast<std::ptrdiff_t>(length));
    bytes = bytes.subspan(5 + length);
  }
  return log + (bytes.empty() ? "." : "...");
}

std::string Read(Bytes bytes, size_t piece_size, size_t limit) {
  EnvelopeReader reader(limit);
  std::string log;
  size_t whole = 0;    // bytes up to the end of the last message
  size_t taken = 0;    // of all bytes
  size_t refused = 0;  // how many were not looked at, behind an error
  for (Bytes rest = bytes; !rest.empty() && refused == 0;) {
    Bytes piece = rest.first(std::min(piece_size, rest.size()));
    rest = rest.subspan(piece.size());
    while (!piece.empty()) {
      std::optional<Message> message;
      const absl::StatusOr<size_t> n = reader.Next(piece, &message);
      if (!n.ok()) {
        FUZZ_EXPECT(!message && reader.Next(bytes, &message).status() == n.status() && !message);
        log += "error " + absl::StatusCodeToString(n.status().code());
        refused = piece.size() + rest.size();
        break;
      }
      FUZZ_EXPECT(*n == piece.size() || message.has_value());
      piece = piece.subspan(*n);
      taken += *n;
      // Of a message there is less than four times what came of it, and of one that was read kKeptBytes at most.
      const size_t came = std::max<size_t>(taken - whole, 64);
      FUZZ_EXPECT(reader.held_bytes() <= std::max(4 * came + 4, EnvelopeReader::kKeptBytes));
      FUZZ_EXPECT(reader.held_bytes() <= std::max<size_t>(limit, 64));
      FUZZ_EXPECT(reader.at_boundary() == message.has_value());
      if (!message) continue;
      FUZZ_EXPECT(message->bytes.size() <= limit);
      whole = taken;
      log += message->compressed ? "c" : "m";
      log.append(message->bytes.begin(), message->bytes.end());
    }
  }
  // What was whole in its piece was lent, and what was torn was not copied again for each piece.
  FUZZ_EXPECT(reader.bytes_copied() <= 3 * taken);
  if (piece_size >= bytes.size()) FUZZ_EXPECT(reader.bytes_copied() <= taken - whole);
  if (refused == 0) log += reader.at_boundary() ? "." : "...";
  reader.Abandon();
  FUZZ_EXPECT(reader.held_bytes() == 0);
  return log;
}

void Check(Bytes bytes, size_t piece_size, size_t limit) {
  const std::string log = ReadSlowly(bytes, limit);
  FUZZ_EXPECT(Read(bytes, piece_size, limit) == log);
  FUZZ_EXPECT(Read(bytes, bytes.size() + 1, limit) == log);
}

}  // namespace
}  // namespace culvert::rpc

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace culvert::rpc;  // NOLINT
  static constexpr size_t kLimits[] = {300, 0, 1, 5000, SIZE_MAX};
  culvert::fuzz::Input input(data, size);
  const uint8_t first = input.Byte();
  const size_t piece_size = first % 20u + 1;
  const size_t limit = kLimits[first / 20 % 5];
  Check(input.rest(), piece_size, limit);

  std::vector<uint8_t> wire;
  std::string log;
  while (!input.empty() && wire.size() < 10000) {
    const size_t length = input.Short() % 10000u;
    const uint8_t fill = input.Byte();
    wire.resize(wire.size() + kEnvelopePrefix);
    PutPrefix(&wire[wire.size() - kEnvelopePrefix], fill >= 128, static_cast<uint32_t>(length));
    wire.resize(wire.size() + length, fill);
    log += fill >= 128 ? "c" : "m";
    log.append(length, static_cast<char>(fill));
  }
  FUZZ_EXPECT(ReadSlowly(wire, SIZE_MAX) == log + ".");
  Check(wire, 50 * piece_size, limit);
  return 0;
}
