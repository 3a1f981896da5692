#include "transport/http1/serialize.h"

#include <charconv>
#include <cstring>

#include "transport/http1/fields.h"

namespace culvert::http1 {

namespace {

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
  if (!IsToken(field.name) || !IsFieldValue(field.value)) return;
  Append(out, field.name, ": ", field.value, "\r\n");
}

struct Number {
  explicit Number(uint64_t n) : size(static_cast<size_t>(std::to_chars(text, text + sizeof(text), n).ptr - text)) {}
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
  switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 103: return "Early Hints";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 203: return "Non-Authoritative Information";
    case 204: return "No Content";
    case 205: return "Reset Content";
    case 206: return "Partial Content";
    case 300: return "Multiple Choices";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 407: return "Proxy Authentication Required";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 425: return "Too Early";
    case 426: return "Upgrade Required";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 451: return "Unavailable For Legal Reasons";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 511: return "Network Authentication Required";
    default: return "";
  }
}

void AppendResponseHead(io::WriteBuffer& out, const http::ResponseHead& head, const ResponseFraming& framing) {
  AppendStatusLine(out, head.status);
  const bool length_as_given = framing.body == ResponseFraming::Body::kAsGiven;
  for (const http::HeaderField& field : head.fields) {
    if (IsConnectionsOwn(field.name)) continue;
    if (!length_as_given && EqualsIgnoringCase(field.name, "content-length")) continue;
    AppendField(out, field);
  }
  std::string_view coding;
  if (framing.body == ResponseFraming::Body::kLength) Append(out, "content-length: ", Number(framing.length), "\r\n");
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

void AppendErrorResponse(io::WriteBuffer& out, int status, std::string_view text) {
  const http::HeaderField type{"content-type", "text/plain; charset=utf-8"};
  AppendResponseHead(out, {status, {&type, 1}},
                     {ResponseFraming::Body::kLength, text.size() + 1, ResponseFraming::Connection::kClose});
  Append(out, text, "\n");
}

}  // namespace culvert::http1
