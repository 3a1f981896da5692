#include "transport/http1/chunked.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>

#include "transport/http1/fields.h"

namespace culvert::http1 {

namespace {

// 15 digits make less than 2^60: no sum of sizes overflows.
constexpr size_t kMostSizeDigits = 15;

int HexDigit(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

void ChunkedDecoder::Reset() {
  state_ = State::kSize;
  digits_ = 0;
  left_ = 0;
  extension_bytes_ = trailer_bytes_ = scanned_ = 0;
  trailers_.Clear();
  error_ = absl::OkStatus();
}

ChunkedDecoder::Step ChunkedDecoder::Fail(const char* why, size_t consumed) {
  state_ = State::kError;
  error_ = absl::InvalidArgumentError(why);
  return {Kind::kError, consumed, {}};
}

// One byte of a chunk's first line; answers the rule it breaks, or null.
const char* ChunkedDecoder::OnSizeByte(uint8_t c) {
  if (state_ == State::kSizeLf) {
    if (c != '\n') return "bare CR in a chunk header";
    extension_bytes_ -= std::min<uint64_t>(extension_bytes_, 16 + 2 * left_);
    state_ = left_ == 0 ? State::kTrailers : State::kData;
    return nullptr;
  }
  if (c == '\r') {
    if (digits_ == 0) return "chunk without a size";
    state_ = State::kSizeLf;
    return nullptr;
  }
  if (state_ == State::kExtension) {
    if ((c < 0x20 && c != '\t') || c == 0x7f) return "forbidden character in a chunk extension";
    return ++extension_bytes_ > limits_.extension_bytes ? "too many bytes of chunk extensions" : nullptr;
  }
  if (c == ';' && digits_ > 0) {
    state_ = State::kExtension;
    return nullptr;
  }
  const int digit = HexDigit(c);
  if (digit < 0) return "chunk size is not a hexadecimal number";
  if (++digits_ > kMostSizeDigits) return "chunk size has too many digits";
  left_ = left_ * 16 + static_cast<uint64_t>(digit);
  return nullptr;
}

ChunkedDecoder::Step ChunkedDecoder::Next(std::span<const uint8_t> unread, size_t most_data) {
  size_t at = 0;
  for (;;) {
    if (state_ == State::kTrailers) return ReadTrailers(unread.subspan(at), at);
    if (state_ == State::kEnd) return {Kind::kEnd, at, {}};
    if (state_ == State::kError) return {Kind::kError, at, {}};
    if (at == unread.size()) return {Kind::kNeedMore, at, {}};
    if (state_ == State::kData) {
      const auto n = static_cast<size_t>(std::min<uint64_t>({left_, unread.size() - at, most_data}));
      if (n == 0) return {Kind::kNeedMore, at, {}};
      left_ -= n;
      if (left_ == 0) state_ = State::kDataCr;
      return {Kind::kData, at + n, unread.subspan(at, n)};
    }
    const uint8_t c = unread[at++];
    if (state_ == State::kDataCr) {
      if (c != '\r') return Fail("chunk longer than its size", at);
      state_ = State::kDataLf;
    } else if (state_ == State::kDataLf) {
      if (c != '\n') return Fail("bare CR after a chunk", at);
      state_ = State::kSize;
      digits_ = 0;
    } else if (const char* why = OnSizeByte(c); why != nullptr) {
      return Fail(why, at);
    }
  }
}

// Consumes whole lines; an unfinished one stays unread until it is complete.
ChunkedDecoder::Step ChunkedDecoder::ReadTrailers(std::span<const uint8_t> bytes, size_t consumed) {
  const auto* data = reinterpret_cast<const char*>(bytes.data());
  size_t begin = 0;
  for (;;) {
    const size_t from = begin + scanned_;
    const auto* lf = from == bytes.size()
                         ? nullptr
                         : static_cast<const char*>(std::memchr(data + from, '\n', bytes.size() - from));
    const size_t end = lf == nullptr ? bytes.size() + 1 : static_cast<size_t>(lf - data) + 1;
    if (trailer_bytes_ + (end - begin) > limits_.trailer_bytes)
      return Fail("trailers too long", consumed + begin);
    if (lf == nullptr) {
      scanned_ = bytes.size() - begin;
      return {Kind::kNeedMore, consumed + begin, {}};
    }
    std::string_view line(data + begin, end - 1 - begin);
    trailer_bytes_ += end - begin;
    begin = end;
    scanned_ = 0;
    if (line.empty() || line.back() != '\r')
      return Fail("trailer line ends with a bare LF", consumed + begin);
    line.remove_suffix(1);
    if (line.empty()) {
      state_ = State::kEnd;
      return {Kind::kEnd, consumed + begin, {}};
    }
    if (trailers_.size() == limits_.trailer_count) return Fail("too many trailers", consumed + begin);
    if (!AddFieldLine(line, trailers_).ok()) return Fail("malformed trailer", consumed + begin);
    // RFC 9110 6.5.1: what frames or routes a message must be known before its body.
    if (IsFramingField(trailers_[trailers_.size() - 1].name))
      return Fail("framing field in trailers", consumed + begin);
  }
}

size_t WriteChunkHeader(uint64_t n, uint8_t* at) {
  char* begin = reinterpret_cast<char*>(at);
  char* end = std::to_chars(begin, begin + kMostChunkHeader - 2, n, 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  return static_cast<size_t>(end - begin);
}

void AppendChunkHeader(uint64_t n, io::WriteBuffer& out) {
  uint8_t* at = out.Grow(kMostChunkHeader);
  out.Shrink(kMostChunkHeader - WriteChunkHeader(n, at));
}

}  // namespace culvert::http1
