#ifndef CULVERT_TRANSPORT_HTTP1_PARSER_H_
#define CULVERT_TRANSPORT_HTTP1_PARSER_H_

// The heads of HTTP/1.x messages (RFC 9112 2 to 6): start line, fields, and how the body that follows is
// framed. Pure.
//
//   switch (parser.Parse(buffer.unread())) {
//     case Parsed::kNeedMore: read more, call again with all unread bytes;
//     case Parsed::kHead:     buffer.Consume(parser.request().bytes); use parser.request(); parser.Reset();
//     case Parsed::kError:    answer parser.error().http_status and close;
//   }
//
// Strict where leniency lets two parties see different messages (request smuggling): CRLF only, no folded
// lines, one plain Content-Length, no coding but chunked, exactly one Host. The scan goes on where it
// stopped: time is linear however the bytes arrive.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "transport/http/header_list.h"
#include "transport/http/message.h"

namespace culvert::http1 {

enum class Parsed { kNeedMore, kHead, kError };

// What stops floods of header bytes: a connection holds at most this much of an unfinished head.
struct HeadLimits {
  size_t start_line = 8 * 1024;    // beyond it 414
  size_t field_bytes = 64 * 1024;  // all field lines with their CRLFs; beyond it 431
  size_t field_count = 128;        // beyond it 431
};

struct ParseError {
  int http_status = 0;  // what to answer; then close
  absl::Status why;
};

enum class BodyKind {
  kNone,
  kLength,
  kChunked,
  kUntilClose,  // responses only
};

// Finds the lines of a head, one call after the other, and never looks at a byte twice. The common half of
// both parsers.
class HeadScanner {
 public:
  explicit HeadScanner(HeadLimits limits) : limits_(limits) {}

  // Sees to the lines that have become complete. `on_start_line` answers kNeedMore to go on, or fails.
  Parsed Scan(std::span<const uint8_t> unread,
              absl::FunctionRef<Parsed(std::string_view line)> on_start_line);

  Parsed Fail(int http_status, std::string_view why);
  void Reset();

  const http::HeaderList& fields() const { return fields_; }
  const ParseError& error() const { return error_; }
  size_t bytes() const { return line_begin_; }

 private:
  Parsed OnFieldLine(std::string_view line);

  HeadLimits limits_;
  http::HeaderList fields_;
  ParseError error_;
  // Offsets from the first unread byte:
  size_t line_begin_ = 0;
  size_t scanned_ = 0;  // no LF before it, from line_begin_ on
  size_t fields_begin_ = 0;
  size_t empty_lines_ = 0;
  bool start_line_seen_ = false;
};

struct Request {
  http::RequestHead head;  // views into the bytes given to Parse, and into the parser
  int minor_version = 1;
  BodyKind body = BodyKind::kNone;
  uint64_t content_length = 0;    // of kLength, at least 1
  bool keep_alive = true;         // as the client wants it
  bool expects_continue = false;  // RFC 9110 10.1.1
  size_t bytes = 0;               // of the head with its empty line
};

class RequestParser {
 public:
  // `scheme`: the connection's, "http" or "https", in static storage; absolute targets of the other are
  // refused.
  explicit RequestParser(HeadLimits limits = {}, std::string_view scheme = "http")
      : scheme_(scheme), scanner_(limits) {}

  // `unread` begins with the first byte of the head at each call until the answer is kHead; then Reset.
  Parsed Parse(std::span<const uint8_t> unread);
  void Reset();

  // After kHead; dies at Reset, or when the bytes given to Parse move.
  const Request& request() const { return request_; }
  // After kError.
  const ParseError& error() const { return scanner_.error(); }

 private:
  Parsed OnRequestLine(std::string_view line, size_t offset);
  Parsed Finish(std::string_view bytes);
  Parsed ReadFields(std::string_view& host);
  Parsed ReadTarget(std::string_view target, std::string_view host);
  Parsed ReadAbsoluteTarget(std::string_view target);

  std::string_view scheme_;
  HeadScanner scanner_;
  Request request_;
  size_t method_begin_ = 0;
  size_t method_size_ = 0;
  size_t target_size_ = 0;
  std::string path_;  // only of an absolute target with a query and no path
};

struct Response {
  http::ResponseHead head;
  int minor_version = 1;
  BodyKind body = BodyKind::kNone;  // RFC 9112 6.3
  uint64_t content_length = 0;
  bool keep_alive = true;
  size_t bytes = 0;
};

// For a client of a proxy (CONNECT).
class ResponseParser {
 public:
  // `request_method` decides whether a body can follow.
  explicit ResponseParser(std::string_view request_method, HeadLimits limits = {})
      : method_(request_method), scanner_(limits) {}

  Parsed Parse(std::span<const uint8_t> unread);
  void Reset();  // after a 1xx
  const Response& response() const { return response_; }
  const absl::Status& error() const { return scanner_.error().why; }

 private:
  Parsed OnStatusLine(std::string_view line);
  Parsed Finish();

  std::string method_;
  HeadScanner scanner_;
  Response response_;
};

}  // namespace culvert::http1

#endif  // CULVERT_TRANSPORT_HTTP1_PARSER_H_
