// Any bytes. As requests with their bodies, as the response to one, and as a chunked body they are the same whole and in steps, keep to
// their limits, and are framed as RFC 9112 6.3 says; a request that is accepted is the same when it is written again. As fields and chunks
// for us to write, they are read back as those and as nothing else.
//
// The first byte has the size of the steps, and in its upper half the method that a response answers and the scheme of the connection.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/fuzz/fuzz.h"
#include "transport/http/header_list.h"
#include "transport/http/message.h"
#include "transport/http/validate.h"
#include "transport/http1/chunked.h"
#include "transport/http1/fields.h"
#include "transport/http1/parser.h"
#include "transport/http1/serialize.h"
#include "transport/io/block_pool.h"
#include "transport/io/write_buffer.h"

namespace culvert::http1 {
namespace {

using Bytes = std::span<const uint8_t>;
using Fields = std::span<const http::HeaderField>;

constexpr HeadLimits kHead{.start_line = 200, .field_bytes = 500, .field_count = 10};
constexpr ChunkedLimits kChunks{.extension_bytes = 50, .trailer_bytes = 100, .trailer_count = 5};

// Bytes that come in steps.
class Arriving {
 public:
  Arriving(Bytes bytes, size_t step) : bytes_(bytes), step_(step) { More(); }

  Bytes unread() const { return bytes_.first(shown_); }
  size_t step() const { return step_; }
  size_t left() const { return bytes_.size(); }
  void Consume(size_t n) {
    FUZZ_EXPECT(n <= shown_);
    bytes_ = bytes_.subspan(n);
    shown_ -= n;
  }
  // False when there are no more.
  bool More() {
    const size_t shown = std::min(shown_ + step_, bytes_.size());
    return std::exchange(shown_, shown) != shown;
  }

 private:
  Bytes bytes_;
  size_t step_;
  size_t shown_ = 0;
};

std::string Told(Fields fields) {
  std::string text;
  for (const http::HeaderField& field : fields) {
    FUZZ_EXPECT(!field.name.empty() && field.name.find_first_of(": \tABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string_view::npos);
    FUZZ_EXPECT(field.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos);
    text.append("\n").append(field.name).append("=").append(field.value);
  }
  return text;
}

// Whether `body` is what the fields say (RFC 9112 6.3), no two of which may speak of it; `unsaid` where none does.
void CheckBody(Fields fields, int minor_version, BodyKind body, uint64_t length, BodyKind unsaid) {
  size_t codings = 0;
  std::string lengths;
  for (const http::HeaderField& field : fields) {
    if (field.name == "transfer-encoding") ++codings;
    if (field.name == "content-length") lengths.append(",").append(field.value);
  }
  if (codings != 0) {
    FUZZ_EXPECT(body == BodyKind::kChunked && lengths.empty() && minor_version == 1);
  } else if (!lengths.empty()) {
    FUZZ_EXPECT(lengths.find_first_not_of("0123456789", 1) == std::string::npos && length == std::strtoull(&lengths[1], nullptr, 10));
    FUZZ_EXPECT(body == (length == 0 ? BodyKind::kNone : BodyKind::kLength));
  } else {
    FUZZ_EXPECT(body == unsaid);
  }
}

// All but how many bytes it was.
std::string Told(const Request& request) {
  const http::RequestHead& head = request.head;
  CheckBody(head.fields, request.minor_version, request.body, request.content_length, BodyKind::kNone);
  FUZZ_EXPECT(!request.expects_continue || (request.minor_version == 1 && request.body != BodyKind::kNone));
  FUZZ_EXPECT(head.method == "CONNECT" ? head.path.empty() : head.path == "*" || head.path[0] == '/');
  std::string text;
  for (const std::string_view part : {head.method, head.scheme, head.authority, head.path}) text.append(part).append(" ");
  text += std::to_string(static_cast<int>(request.body)) + " " + std::to_string(request.content_length);
  if (request.keep_alive) text += " stays";
  if (request.expects_continue) text += " expects";
  return text + Told(head.fields);
}

// What `append` writes, whole.
template <class Append>
std::vector<uint8_t> Written(Append append) {
  static io::BlockPool pool;  // a block is large: made anew for each run, it would take most of the time
  io::WriteBuffer out(pool);
  append(out);
  std::vector<uint8_t> bytes;
  std::array<iovec, 16> pieces;
  while (!out.empty()) {
    size_t size = 0;
    for (size_t i = 0, n = out.Gather(pieces); i < n; size += pieces[i++].iov_len) {
      const auto* begin = static_cast<const uint8_t*>(pieces[i].iov_base);
      bytes.insert(bytes.end(), begin, begin + pieces[i].iov_len);
    }
    out.Consume(size);
  }
  return bytes;
}

// A request of HTTP/1.1 that was accepted, as we would send it.
void CheckRewritten(const Request& request, std::string_view scheme) {
  const http::RequestHead& head = request.head;
  std::string target(head.method == "CONNECT" ? head.authority : head.path);
  if (!head.scheme.empty()) target = std::string(head.scheme) + "://" + std::string(head.authority) + (target == "*" ? "" : target);
  const std::vector<uint8_t> bytes = Written([&](io::WriteBuffer& out) { AppendRequestHead(out, head.method, target, head.fields); });
  RequestParser parser({}, scheme);
  FUZZ_EXPECT(parser.Parse(bytes) == Parsed::kHead);
  FUZZ_EXPECT(parser.request().bytes == bytes.size() && Told(parser.request()) == Told(request));
}

// Appends a chunked body, and answers whether it ended.
bool ReadChunks(Arriving& in, ChunkedDecoder& decoder, std::string& log) {
  // It is asked for no data first: then it stops in front of some.
  for (size_t most = 0;;) {
    const ChunkedDecoder::Step next = decoder.Next(in.unread(), most);
    in.Consume(next.consumed);
    log.append(next.data.begin(), next.data.end());
    switch (next.kind) {
      case ChunkedDecoder::Kind::kData:
        FUZZ_EXPECT(!next.data.empty() && next.data.size() <= most);
        most = 0;
        break;
      case ChunkedDecoder::Kind::kNeedMore:
        if (most != 0 && !in.More()) return log += " more", false;
        most = most == 0 ? in.step() : 0;
        break;
      default: {
        const ChunkedDecoder::Step again = decoder.Next(in.unread());
        FUZZ_EXPECT(again.kind == next.kind && again.consumed == 0);
        if (next.kind == ChunkedDecoder::Kind::kError) return log += " error " + std::string(decoder.error().message()), false;
        log += Told(decoder.trailers().fields()) + " end " + std::to_string(in.left());
        return true;
      }
    }
  }
}

std::string ReadBody(Arriving in) {
  ChunkedDecoder decoder(kChunks);
  std::string log;
  ReadChunks(in, decoder, log);
  FUZZ_EXPECT(decoder.trailers().size() <= kChunks.trailer_count);
  return log;
}

// A connection: requests and their bodies. Parsers that are used again, or made `anew`, are the same.
std::string ReadRequests(Arriving in, std::string_view scheme, bool anew) {
  RequestParser parser(kHead, scheme);
  ChunkedDecoder decoder(kChunks);
  std::string log;
  for (;;) {
    const Parsed parsed = parser.Parse(in.unread());
    if (parsed == Parsed::kNeedMore) {
      if (!in.More()) return log + "more";
      continue;
    }
    if (parsed == Parsed::kError) {
      FUZZ_EXPECT(parser.error().http_status >= 400 && parser.error().http_status < 600);
      return log + "error " + std::to_string(parser.error().http_status) + " " + std::string(parser.error().why.message());
    }
    const Request request = parser.request();
    FUZZ_EXPECT(request.head.fields.size() <= kHead.field_count);
    log += Told(request) + " " + std::to_string(request.bytes) + "\n";
    if (request.minor_version == 1) CheckRewritten(request, scheme);
    in.Consume(request.bytes);
    if (request.head.method == "CONNECT") return log;
    if (request.body == BodyKind::kChunked) {
      if (!ReadChunks(in, decoder, log)) return log;
      anew ? void(decoder = ChunkedDecoder(kChunks)) : decoder.Reset();
    }
    for (uint64_t left = request.content_length; left != 0;) {
      const uint64_t n = std::min<uint64_t>(left, in.unread().size());
      in.Consume(n);
      left -= n;
      if (left != 0 && !in.More()) return log + "more";
    }
    anew ? void(parser = RequestParser(kHead, scheme)) : parser.Reset();
  }
}

// Informational responses, and the one that follows them.
std::string ReadResponses(Arriving in, std::string_view method, bool anew) {
  ResponseParser parser(method, kHead);
  std::string log;
  for (;;) {
    const Parsed parsed = parser.Parse(in.unread());
    if (parsed == Parsed::kNeedMore) {
      if (!in.More()) return log + "more";
      continue;
    }
    if (parsed == Parsed::kError) return log + "error " + std::string(parser.error().message());
    const Response& response = parser.response();
    const int status = response.head.status;
    FUZZ_EXPECT(status >= 100 && status <= 999);
    if (status < 200 || status == 204 || status == 304 || method == "HEAD" || (method == "CONNECT" && status < 300)) {
      FUZZ_EXPECT(response.body == BodyKind::kNone);
    } else {
      CheckBody(response.head.fields, response.minor_version, response.body, response.content_length, BodyKind::kUntilClose);
      FUZZ_EXPECT(response.body != BodyKind::kUntilClose || !response.keep_alive);
    }
    log += std::to_string(status) + " " + std::to_string(static_cast<int>(response.body)) + " " +
           std::to_string(response.content_length) + (response.keep_alive ? " stays " : " ") + std::to_string(response.bytes) +
           Told(response.head.fields) + "\n";
    in.Consume(response.bytes);
    if (status >= 200) return log;
    anew ? void(parser = ResponseParser(method, kHead)) : parser.Reset();
  }
}

// Fields in lower case, as an application has them; the rest of `input` up to an empty name.
http::HeaderList TakeFields(fuzz::Input& input) {
  static constexpr std::string_view kNames[] = {
      "",     "content-length", "connection", "transfer-encoding", "keep-alive", "te",
      "host", "x-status",       "trailer",    "set-cookie",        "upgrade",    "proxy-connection"};
  http::HeaderList fields;
  while (!input.empty() && fields.size() < 30) {
    const uint8_t n = input.Byte();
    std::string name(n < std::size(kNames) ? kNames[n] : input.Text(n % 16));
    if (name.empty()) break;
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    fields.Add(name, input.Text(input.Byte() % 64));
  }
  return fields;
}

// The fields that are sent; those of the names in `omitted` are not.
std::string Sent(const http::HeaderList& fields, std::span<const std::string_view> omitted) {
  std::string text;
  for (const http::HeaderField& field : fields) {
    if (!IsToken(field.name) || !http::IsFieldValue(field.value) || std::ranges::count(omitted, field.name) != 0) continue;
    text.append("\n").append(field.name).append("=").append(field.value);
  }
  return text;
}

// A response is read with just the fields and the body that it was written with.
void WriteResponse(fuzz::Input& input) {
  using Body = ResponseFraming::Body;
  using Connection = ResponseFraming::Connection;
  const int status = 100 + input.Short() % 900;
  const uint8_t how = input.Byte();
  const ResponseFraming framing{static_cast<Body>(how % 4), input.Byte(), static_cast<Connection>(how / 4 % 4)};
  const http::HeaderList fields = TakeFields(input);
  const std::vector<uint8_t> bytes =
      Written([&](io::WriteBuffer& out) { AppendResponseHead(out, {status, fields.fields()}, framing); });
  ResponseParser parser(framing.body == Body::kAsGiven ? "HEAD" : "GET");
  FUZZ_EXPECT(parser.Parse(bytes) == Parsed::kHead);
  const Response& response = parser.response();
  FUZZ_EXPECT(response.bytes == bytes.size() && response.head.status == status);

  static constexpr std::string_view kOwn[] = {"connection", "transfer-encoding", "keep-alive", "proxy-connection", "content-length"};
  std::string expected = Sent(fields, std::span(kOwn).first(framing.body == Body::kAsGiven ? 4 : 5));
  if (framing.body == Body::kLength) expected += "\ncontent-length=" + std::to_string(framing.length);
  if (framing.body == Body::kChunked) expected += "\ntransfer-encoding=chunked";
  if (framing.connection == Connection::kClose) expected += "\nconnection=close";
  if (framing.connection == Connection::kKeepAlive) expected += "\nconnection=keep-alive";
  if (framing.connection == Connection::kUpgrade) expected += "\nconnection=upgrade";
  FUZZ_EXPECT(Told(response.head.fields) == expected);

  const std::string_view why = input.Text();
  const std::vector<uint8_t> error = Written([&](io::WriteBuffer& out) { AppendErrorResponse(out, 400 + status % 100, why); });
  parser = ResponseParser("GET");
  FUZZ_EXPECT(parser.Parse(error) == Parsed::kHead && !parser.response().keep_alive);
  FUZZ_EXPECT(parser.response().bytes + parser.response().content_length == error.size());
}

// So is a body in chunks, with its trailers.
void WriteBody(fuzz::Input& input) {
  const http::HeaderList trailers = TakeFields(input);
  std::string body;
  const std::vector<uint8_t> bytes = Written([&](io::WriteBuffer& out) {
    while (!input.empty()) {
      const std::string_view chunk = input.Text();
      if (chunk.empty()) continue;
      AppendChunkHeader(chunk.size(), out);
      out.Append(chunk);
      out.Append(kChunkEnd);
      body += chunk;
    }
    out.Append(kLastChunk);
    AppendTrailers(out, trailers.fields());
  });
  static constexpr std::string_view kFraming[] = {"content-length", "connection", "transfer-encoding", "keep-alive",      "te",
                                                  "host",           "trailer",    "upgrade",           "proxy-connection"};
  ChunkedDecoder decoder;
  std::string log;
  Arriving in(bytes, bytes.size());
  FUZZ_EXPECT(ReadChunks(in, decoder, log) && log == body + Sent(trailers, kFraming) + " end 0");
}

// A chunk may be of any size.
void CheckChunkHeader(uint64_t n) {
  std::array<uint8_t, kMostChunkHeader + 1> header{};
  const size_t size = WriteChunkHeader(n, header.data());
  char* end = nullptr;
  FUZZ_EXPECT(std::strtoull(reinterpret_cast<const char*>(header.data()), &end, 16) == n && std::string_view(end) == "\r\n");
  FUZZ_EXPECT(size <= kMostChunkHeader && end + 2 == reinterpret_cast<const char*>(header.data()) + size);
}

}  // namespace
}  // namespace culvert::http1

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace culvert::http1;  // NOLINT
  static constexpr std::string_view kMethods[] = {"GET", "HEAD", "CONNECT"};
  culvert::fuzz::Input input(data, size);
  const uint8_t first = input.Byte();
  const size_t step = first % 16u + 1;
  const std::string_view method = kMethods[first / 16 % 8 % 3], scheme = first < 128 ? "http" : "https";
  const Arriving whole(input.rest(), size + 1), steps(input.rest(), step);
  FUZZ_EXPECT(ReadRequests(whole, scheme, true) == ReadRequests(steps, scheme, false));
  FUZZ_EXPECT(ReadResponses(whole, method, true) == ReadResponses(steps, method, false));
  FUZZ_EXPECT(ReadBody(whole) == ReadBody(steps));
  WriteResponse(input);
  WriteBody(input);
  CheckChunkHeader(uint64_t{culvert::fuzz::Input(data, size).Number()} << 32 >> (4 * (step - 1)));
  return 0;
}
