#include "transport/http1/parser.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "transport/base/strings.h"
#include "transport/http1/fields.h"

namespace culvert::http1 {

namespace {

// RFC 9112 2.2: empty lines before a request line are skipped, but not without end.
constexpr size_t kMostEmptyLines = 2;
// 10^18 - 1 bytes are enough for anyone, and fit an int64_t.
constexpr size_t kMostLengthDigits = 18;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsAlpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool AllDigits(std::string_view text) { return std::all_of(text.begin(), text.end(), IsDigit); }

// "HTTP/1.0" and "HTTP/1.1" are 0 and 1; another version is nullopt; anything else is -1.
std::optional<int> ReadVersion(std::string_view text) {
  if (text.size() != 8 || !text.starts_with("HTTP/") || !IsDigit(text[5]) || text[6] != '.' ||
      !IsDigit(text[7]))
    return -1;
  if (text[5] != '1' || text[7] > '1') return std::nullopt;
  return text[7] - '0';
}

// RFC 3986 3.2.2 and 3.2.3, without user information (RFC 9110 4.2.4) and without commas, which only merged
// fields have.
bool IsHostPort(std::string_view text, bool host_and_port_required) {
  size_t host_size = 0;
  if (text.starts_with('[')) {
    const auto is_address = [](char c) { return IsDigit(c) || IsAlpha(c) || c == ':' || c == '.'; };
    const size_t end = text.find(']');
    if (end == std::string_view::npos || end < 2) return false;
    if (!std::all_of(text.begin() + 1, text.begin() + static_cast<ptrdiff_t>(end), is_address)) return false;
    host_size = end + 1;
  } else {
    host_size = std::min(text.find(':'), text.size());
    const auto is_name = [](char c) {
      return IsDigit(c) || IsAlpha(c) ||
             (c != 0 && std::string_view("-._~%!$&'()*+;=").find(c) != std::string_view::npos);
    };
    if (!std::all_of(text.begin(), text.begin() + static_cast<ptrdiff_t>(host_size), is_name)) return false;
  }
  if (host_and_port_required && host_size == 0) return false;
  std::string_view port = text.substr(host_size);
  if (port.empty()) return !host_and_port_required;
  if (port[0] != ':') return false;
  port.remove_prefix(1);
  if (port.empty()) return !host_and_port_required;
  if (port.size() > 5 || !AllDigits(port)) return false;
  int number = 0;
  for (char c : port) number = number * 10 + (c - '0');
  return number <= 65535;
}

// What the fields say about the body and the connection, whichever way the message goes.
struct Framing {
  std::optional<uint64_t> content_length;
  bool chunked = false;
  bool close = false;
  bool keep_alive = false;
};

// Answers the HTTP status of a violation and sets `why`, or 0.
int ReadFraming(const http::HeaderList& fields, int minor_version, Framing& framing, const char*& why) {
  bool transfer_encoding = false;
  for (const http::HeaderField& field : fields) {
    if (field.name == "content-length") {
      // One plain number; even equal repetitions are refused: not every party on the way merges them alike
      // (RFC 9112 6.3).
      why = "content-length twice, or not a plain number";
      if (framing.content_length || field.value.empty() || field.value.size() > kMostLengthDigits ||
          !AllDigits(field.value))
        return 400;
      uint64_t length = 0;
      for (char c : field.value) length = length * 10 + static_cast<uint64_t>(c - '0');
      framing.content_length = length;
    } else if (field.name == "transfer-encoding") {
      transfer_encoding = true;
      std::string_view list = field.value;
      while (const std::optional<std::string_view> coding = NextElement(list)) {
        why = "unknown transfer coding";
        if (!EqualsIgnoringCase(*coding, "chunked")) return 501;
        why = "chunked applied twice";
        if (framing.chunked) return 400;
        framing.chunked = true;
      }
    } else if (field.name == "connection") {
      std::string_view list = field.value;
      while (const std::optional<std::string_view> option = NextElement(list)) {
        if (EqualsIgnoringCase(*option, "close")) framing.close = true;
        if (EqualsIgnoringCase(*option, "keep-alive")) framing.keep_alive = true;
      }
    }
  }
  if (transfer_encoding) {
    why = "transfer-encoding without a coding";
    if (!framing.chunked) return 400;
    why = "content-length together with transfer-encoding";
    if (framing.content_length) return 400;
    why = "transfer-encoding in HTTP/1.0";  // RFC 9112 6.1: the framing is faulty
    if (minor_version == 0) return 400;
  }
  return 0;
}

}  // namespace

Parsed HeadScanner::Fail(int http_status, std::string_view why) {
  error_ = {http_status, absl::InvalidArgumentError(ToAbsl(why))};
  return Parsed::kError;
}

void HeadScanner::Reset() {
  fields_.Clear();
  error_ = {};
  line_begin_ = scanned_ = fields_begin_ = empty_lines_ = 0;
  start_line_seen_ = false;
}

Parsed HeadScanner::Scan(std::span<const uint8_t> unread,
                         absl::FunctionRef<Parsed(std::string_view line)> on_start_line) {
  const auto* data = reinterpret_cast<const char*>(unread.data());
  for (;;) {
    const auto* lf =
        scanned_ == unread.size()
            ? nullptr
            : static_cast<const char*>(std::memchr(data + scanned_, '\n', unread.size() - scanned_));
    // Without an LF the line is at least one byte longer than what is here.
    const size_t end = lf == nullptr ? unread.size() + 1 : static_cast<size_t>(lf - data) + 1;
    if (!start_line_seen_ && end - line_begin_ > limits_.start_line + 2) {
      return Fail(414, StrCat("start line longer than ", limits_.start_line, " bytes"));
    }
    if (start_line_seen_ && end - fields_begin_ > limits_.field_bytes) {
      return Fail(431, StrCat("fields longer than ", limits_.field_bytes, " bytes"));
    }
    if (lf == nullptr) {
      scanned_ = unread.size();
      return Parsed::kNeedMore;
    }
    std::string_view line(data + line_begin_, end - 1 - line_begin_);
    if (line.empty() || line.back() != '\r') return Fail(400, "line ends with a bare LF");
    line.remove_suffix(1);
    scanned_ = end;
    if (!start_line_seen_) {
      if (line.empty()) {
        if (++empty_lines_ > kMostEmptyLines) return Fail(400, "empty lines before the start line");
      } else {
        start_line_seen_ = true;
        fields_begin_ = end;
        if (on_start_line(line) == Parsed::kError) return Parsed::kError;
      }
    } else if (!line.empty()) {
      if (OnFieldLine(line) == Parsed::kError) return Parsed::kError;
    }
    line_begin_ = end;
    if (start_line_seen_ && line.empty()) return Parsed::kHead;
  }
}

Parsed HeadScanner::OnFieldLine(std::string_view line) {
  if (fields_.size() == limits_.field_count)
    return Fail(431, StrCat("more than ", limits_.field_count, " fields"));
  const absl::Status status = AddFieldLine(line, fields_);
  return status.ok() ? Parsed::kNeedMore : Fail(400, ToStd(status.message()));
}

void RequestParser::Reset() {
  scanner_.Reset();
  request_ = {};
  path_.clear();
}

Parsed RequestParser::Parse(std::span<const uint8_t> unread) {
  const auto* data = reinterpret_cast<const char*>(unread.data());
  const Parsed parsed = scanner_.Scan(unread, [&](std::string_view line) {
    return OnRequestLine(line, static_cast<size_t>(line.data() - data));
  });
  return parsed == Parsed::kHead ? Finish({data, unread.size()}) : parsed;
}

// RFC 9112 3: method SP request-target SP HTTP-version
Parsed RequestParser::OnRequestLine(std::string_view line, size_t offset) {
  const size_t method_end = line.find(' ');
  const size_t target_end = line.rfind(' ');
  if (method_end == std::string_view::npos || target_end == method_end) {
    return scanner_.Fail(400, "request line is not method, target and version");
  }
  const std::string_view target = line.substr(method_end + 1, target_end - method_end - 1);
  if (!IsToken(line.substr(0, method_end))) return scanner_.Fail(400, "method is not a token");
  const bool printable =
      std::all_of(target.begin(), target.end(), [](char c) { return c > 0x20 && c < 0x7f && c != '#'; });
  if (target.empty() || !printable) return scanner_.Fail(400, "request target has a forbidden character");
  const std::optional<int> version = ReadVersion(line.substr(target_end + 1));
  if (!version) return scanner_.Fail(505, "HTTP version is neither 1.0 nor 1.1");
  if (*version < 0) return scanner_.Fail(400, "malformed HTTP version");
  request_.minor_version = *version;
  method_begin_ = offset;
  method_size_ = method_end;
  target_size_ = target.size();
  return Parsed::kNeedMore;
}

Parsed RequestParser::Finish(std::string_view bytes) {
  request_.bytes = scanner_.bytes();
  request_.head.method = bytes.substr(method_begin_, method_size_);
  request_.head.fields = scanner_.fields().fields();
  std::string_view host;
  if (ReadFields(host) == Parsed::kError) return Parsed::kError;
  return ReadTarget(bytes.substr(method_begin_ + method_size_ + 1, target_size_), host);
}

Parsed RequestParser::ReadFields(std::string_view& host) {
  Framing framing;
  const char* why = nullptr;
  if (const int status = ReadFraming(scanner_.fields(), request_.minor_version, framing, why); status != 0) {
    return scanner_.Fail(status, why);
  }
  if (framing.chunked) {
    request_.body = BodyKind::kChunked;
  } else if (framing.content_length.value_or(0) > 0) {
    request_.body = BodyKind::kLength;
    request_.content_length = *framing.content_length;
  }
  request_.keep_alive = !framing.close && (request_.minor_version == 1 || framing.keep_alive);

  size_t hosts = 0;
  for (const http::HeaderField& field : scanner_.fields()) {
    if (field.name == "host") {
      ++hosts;
      host = field.value;
    } else if (field.name == "expect") {
      if (!EqualsIgnoringCase(field.value, "100-continue")) return scanner_.Fail(417, "unknown expectation");
      request_.expects_continue = request_.minor_version == 1 && request_.body != BodyKind::kNone;
    }
  }
  // RFC 9112 3.2
  if (hosts > 1) return scanner_.Fail(400, "host field twice");
  if (hosts == 0 && request_.minor_version == 1) return scanner_.Fail(400, "no host field");
  if (!IsHostPort(host, false)) return scanner_.Fail(400, "host field is not a host and port");
  return Parsed::kHead;
}

// RFC 9112 3.2
Parsed RequestParser::ReadTarget(std::string_view target, std::string_view host) {
  http::RequestHead& head = request_.head;
  if (head.method == "CONNECT") {
    if (!IsHostPort(target, true)) return scanner_.Fail(400, "CONNECT target is not a host and port");
    // RFC 9110 9.3.6: such a body has no meaning, and what follows the head is the tunnel's.
    if (request_.body != BodyKind::kNone) return scanner_.Fail(400, "CONNECT with a body");
    head.authority = target;
    return Parsed::kHead;
  }
  head.authority = host;
  if (target[0] == '/') {
    head.path = target;
    return Parsed::kHead;
  }
  if (target == "*") {
    if (head.method != "OPTIONS") return scanner_.Fail(400, "target * in a request that is not OPTIONS");
    head.path = target;
    return Parsed::kHead;
  }
  return ReadAbsoluteTarget(target);
}

Parsed RequestParser::ReadAbsoluteTarget(std::string_view target) {
  http::RequestHead& head = request_.head;
  const size_t scheme_end = target.find("://");
  const std::string_view scheme = target.substr(0, std::min(scheme_end, target.size()));
  const auto is_scheme = [](char c) { return IsAlpha(c) || IsDigit(c) || c == '+' || c == '-' || c == '.'; };
  if (scheme_end == std::string_view::npos || scheme.empty() || !IsAlpha(scheme[0]) ||
      !std::all_of(scheme.begin(), scheme.end(), is_scheme)) {
    return scanner_.Fail(400, "request target is neither a path nor absolute");
  }
  const std::string_view rest = target.substr(scheme_end + 3);
  const size_t authority_size = std::min(rest.find_first_of("/?"), rest.size());
  const std::string_view authority = rest.substr(0, authority_size);
  if (authority.empty() || authority[0] == ':' || !IsHostPort(authority, false)) {
    return scanner_.Fail(400, "authority of the request target is not a host and port");
  }
  // RFC 9110 7.4: https without TLS, or http with it, was not meant for this connection.
  const bool ours = EqualsIgnoringCase(scheme, scheme_);
  if (!ours && (EqualsIgnoringCase(scheme, "http") || EqualsIgnoringCase(scheme, "https"))) {
    return scanner_.Fail(421, "scheme of the request target is not the connection's");
  }
  head.scheme = ours ? scheme_ : scheme;
  head.authority = authority;  // the host field is to be ignored (RFC 9112 3.2.2)
  head.path = rest.substr(authority_size);
  if (head.path.empty()) {
    head.path = head.method == "OPTIONS" ? "*" : "/";  // RFC 9112 3.2.4
  } else if (head.path[0] == '?') {
    path_ = StrCat("/", head.path);
    head.path = path_;
  }
  return Parsed::kHead;
}

void ResponseParser::Reset() {
  scanner_.Reset();
  response_ = {};
}

Parsed ResponseParser::Parse(std::span<const uint8_t> unread) {
  const Parsed parsed = scanner_.Scan(unread, [&](std::string_view line) { return OnStatusLine(line); });
  return parsed == Parsed::kHead ? Finish() : parsed;
}

// RFC 9112 4: HTTP-version SP status-code SP [ reason-phrase ]; the last SP is often forgotten where no
// reason follows.
Parsed ResponseParser::OnStatusLine(std::string_view line) {
  constexpr size_t kVersion = 8;
  constexpr size_t kCodeEnd = kVersion + 1 + 3;
  const std::optional<int> version = ReadVersion(line.substr(0, kVersion));
  if (!version || *version < 0)
    return scanner_.Fail(502, "malformed or unknown HTTP version in a status line");
  response_.minor_version = *version;
  if (line.size() < kCodeEnd || line[kVersion] != ' ' || (line.size() > kCodeEnd && line[kCodeEnd] != ' ')) {
    return scanner_.Fail(502, "malformed status line");
  }
  const std::string_view code = line.substr(kVersion + 1, 3);
  if (!AllDigits(code) || code[0] == '0')
    return scanner_.Fail(502, "status code is not a number from 100 to 999");
  const std::string_view reason = line.substr(std::min(kCodeEnd + 1, line.size()));
  const bool printable = std::all_of(reason.begin(), reason.end(), [](char c) {
    return c == '\t' || (static_cast<uint8_t>(c) >= 0x20 && c != 0x7f);
  });
  if (!printable) return scanner_.Fail(502, "reason phrase has a forbidden character");
  response_.head.status = (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
  return Parsed::kNeedMore;
}

// RFC 9112 6.3
Parsed ResponseParser::Finish() {
  response_.bytes = scanner_.bytes();
  response_.head.fields = scanner_.fields().fields();
  Framing framing;
  const char* why = nullptr;
  const int failed = ReadFraming(scanner_.fields(), response_.minor_version, framing, why);
  response_.keep_alive = !framing.close && (response_.minor_version == 1 || framing.keep_alive);
  const int status = response_.head.status;
  if (status < 200 || status == 204 || status == 304 || method_ == "HEAD" ||
      (method_ == "CONNECT" && status < 300)) {
    response_.body = BodyKind::kNone;  // whatever the fields say
  } else if (failed != 0) {
    return scanner_.Fail(502, why);
  } else if (framing.chunked) {
    response_.body = BodyKind::kChunked;
  } else if (framing.content_length) {
    response_.content_length = *framing.content_length;
    response_.body = *framing.content_length > 0 ? BodyKind::kLength : BodyKind::kNone;
  } else {
    response_.body = BodyKind::kUntilClose;
    response_.keep_alive = false;
  }
  return Parsed::kHead;
}

}  // namespace culvert::http1
