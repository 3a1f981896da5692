#ifndef CULVERT_TRANSPORT_HTTP1_CHUNKED_H_
#define CULVERT_TRANSPORT_HTTP1_CHUNKED_H_

// The chunked transfer coding (RFC 9112 7.1). Pure.
//
//   ChunkedDecoder::Step step = decoder.Next(buffer.unread());
//   buffer.Consume(step.consumed);
//   switch (step.kind) {
//     case kData:     use step.data, which lies within the consumed bytes; again;
//     case kEnd:      decoder.trailers();
//     case kNeedMore: read more, again;
//     case kError:    answer 400 and close;
//   }
//
// Nothing is copied but trailers. Strict: CRLF only, hexadecimal digits right up to CRLF or ';'.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "transport/http/header_list.h"
#include "transport/io/write_buffer.h"

namespace culvert::http1 {

struct ChunkedLimits {
  // Bytes of chunk extensions that may be outstanding: each chunk of n bytes earns 16 + 2n of them back.
  // Signed uploads (one signature for each 64 KiB) never get near; a flood of extensions around tiny chunks
  // does (CVE-2023-39326).
  size_t extension_bytes = 16 * 1024;
  size_t trailer_bytes = 16 * 1024;
  size_t trailer_count = 64;
};

class ChunkedDecoder {
 public:
  enum class Kind { kNeedMore, kData, kEnd, kError };
  struct Step {
    Kind kind = Kind::kNeedMore;
    size_t consumed = 0;            // of the bytes given, whatever the kind
    std::span<const uint8_t> data;  // of kData: never empty, lies within the consumed bytes
  };

  explicit ChunkedDecoder(ChunkedLimits limits = {}) : limits_(limits) {}

  // `unread` goes on where the last call's consumed bytes ended. At most `most_data` bytes of data are taken
  // at once; with 0 it stops in front of them (kNeedMore), but still finds the end. kEnd and kError are final
  // until Reset.
  Step Next(std::span<const uint8_t> unread, size_t most_data = static_cast<size_t>(-1));
  void Reset();

  // After kEnd, until Reset.
  const http::HeaderList& trailers() const { return trailers_; }
  // After kError: lower case, names the rule.
  const absl::Status& error() const { return error_; }

 private:
  //   size ─┬─> size LF ─┬─> data -> data CR -> data LF ─> size
  //         └ extension ┘└─> trailers ─> end           (chunk of size 0)
  enum class State { kSize, kExtension, kSizeLf, kData, kDataCr, kDataLf, kTrailers, kEnd, kError };

  Step Fail(const char* why, size_t consumed);
  Step ReadTrailers(std::span<const uint8_t> bytes, size_t consumed);
  const char* OnSizeByte(uint8_t c);

  ChunkedLimits limits_;
  State state_ = State::kSize;
  size_t digits_ = 0;
  uint64_t left_ = 0;           // of the current chunk
  size_t extension_bytes_ = 0;  // outstanding
  size_t trailer_bytes_ = 0;    // in complete lines
  size_t scanned_ = 0;          // of an unfinished trailer line: no LF before it
  http::HeaderList trailers_;
  absl::Status error_;
};

// "1f\r\n": writes the header of a chunk of n > 0 bytes to `at` and returns its size, at most
// kMostChunkHeader. After the bytes follows kChunkEnd; after the last chunk kLastChunk, the trailers if any,
// and an empty line.
inline constexpr size_t kMostChunkHeader = 18;
size_t WriteChunkHeader(uint64_t n, uint8_t* at);
void AppendChunkHeader(uint64_t n, io::WriteBuffer& out);
inline constexpr std::string_view kChunkEnd = "\r\n";
inline constexpr std::string_view kLastChunk = "0\r\n";
inline constexpr std::string_view kEndOfChunks = "0\r\n\r\n";  // without trailers

}  // namespace culvert::http1

#endif  // CULVERT_TRANSPORT_HTTP1_CHUNKED_H_
