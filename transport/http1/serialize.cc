#include "transport/http1/serialize.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <iterator>

#include "transport/http/validate.h"
#include "transport/http1/fields.h"

namespace culvert::http1 {

namespace {

struct Phrase {
  int status;
  std::string_view text;
};
// By status.
constexpr Phrase kPhrases[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {511, "Network Authentication Required"},
};

// Appends the pieces side by side.
template <class... Pieces>
void Append(io::WriteBuffer& out, const Pieces&... pieces) {
  uint8_t* at = out.Grow((std::string_view(pieces).size() + ...));
  const auto put = [&at](std::string_view piece) {
    if (!piece.empty()) std::memcpy(at, piece.data(), piece.size());
    at += piece.size();
  };
  (put(pieces), ...);
}

void AppendField(io::WriteBuffer& out, const http::HeaderField& field) {
  if (!IsToken(field.name) || !http::IsFieldValue(field.value)) return;
  Append(out, field.name, ": ", field.value, "\r\n");
}

struct Number {
  explicit Number(uint64_t n)
      : size(static_cast<size_t>(std::to_chars(text, text + sizeof(text), n).ptr - text)) {}
  operator std::string_view() const { return {text, size}; }
  char text[20];
  size_t size;
};

void AppendStatusLine(io::WriteBuffer& out, int status) {
  Append(out, "HTTP/1.1 ", Number(static_cast<uint64_t>(status)), " ", ReasonPhrase(status), "\r\n");
}

// Whether the connection speaks about it itself.
bool IsConnectionsOwn(std::string_view name) {
  return EqualsIgnoringCase(name, "connection") || EqualsIgnoringCase(name, "transfer-encoding") ||
         EqualsIgnoringCase(name, "keep-alive") || EqualsIgnoringCase(name, "proxy-connection");
}

std::string_view ConnectionField(ResponseFraming::Connection connection) {
  switch (connection) {
    case ResponseFraming::Connection::kUnstated:
      return "";
    case ResponseFraming::Connection::kClose:
      return "connection: close\r\n";
    case ResponseFraming::Connection::kKeepAlive:
      return "connection: keep-alive\r\n";
    case ResponseFraming::Connection::kUpgrade:
      return "connection: upgrade\r\n";
  }
  __builtin_unreachable();
}

}  // namespace

std::string_view ReasonPhrase(int status) {
  const auto* phrase = std::lower_bound(std::begin(kPhrases), std::end(kPhrases), status,
                                        [](const Phrase& p, int wanted) { return p.status < wanted; });
  return phrase != std::end(kPhrases) && phrase->status == status ? phrase->text : "";
}

void AppendResponseHead(io::WriteBuffer& out, const http::ResponseHead& head,
                        const ResponseFraming& framing) {
  AppendStatusLine(out, head.status);
  const bool length_as_given = framing.body == ResponseFraming::Body::kAsGiven;
  for (const http::HeaderField& field : head.fields) {
    if (IsConnectionsOwn(field.name)) continue;
    if (!length_as_given && EqualsIgnoringCase(field.name, "content-length")) continue;
    AppendField(out, field);
  }
  std::string_view coding;
  if (framing.body == ResponseFraming::Body::kLength)
    Append(out, "content-length: ", Number(framing.length), "\r\n");
  if (framing.body == ResponseFraming::Body::kChunked) coding = "transfer-encoding: chunked\r\n";
  Append(out, coding, ConnectionField(framing.connection), "\r\n");
}

void AppendTrailers(io::WriteBuffer& out, std::span<const http::HeaderField> trailers) {
  for (const http::HeaderField& field : trailers) {
    if (!IsFramingField(field.name)) AppendField(out, field);
  }
  out.Append(std::string_view("\r\n"));
}

void AppendRequestHead(io::WriteBuffer& out, std::string_view method, std::string_view target,
                       std::span<const http::HeaderField> fields) {
  Append(out, method, " ", target, " HTTP/1.1\r\n");
  for (const http::HeaderField& field : fields) AppendField(out, field);
  out.Append(std::string_view("\r\n"));
}

void AppendErrorResponse(io::WriteBuffer& out, int status, std::string_view text, bool head_only) {
  const http::HeaderField type{"content-type", "text/plain; charset=utf-8"};
  AppendResponseHead(out, {status, {&type, 1}},
                     {ResponseFraming::Body::kLength, text.size() + 1, ResponseFraming::Connection::kClose});
  if (!head_only) Append(out, text, "\n");
}

}  // namespace culvert::http1
