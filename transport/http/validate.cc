#include "transport/http/validate.h"

#include <array>
#include <cstdint>
#include <cstring>

#include "absl/base/optimization.h"
#include "transport/base/status_macros.h"
#include "transport/base/strings.h"

namespace culvert::http {

namespace {

constexpr auto kNameCharacter = [] {
  std::array<bool, 256> table{};
  for (char c : std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")) table[static_cast<uint8_t>(c)] = true;
  return table;
}();

// False when none of the eight bytes is below 0x20 or is 0x7f. May be true of others, too.
constexpr bool MayHoldControl(uint64_t bytes) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  constexpr uint64_t kHigh = 0x80 * kOnes;
  const uint64_t not_delete = bytes ^ (0x7f * kOnes);
  return (((bytes - 0x20 * kOnes) | (not_delete - kOnes)) & ~bytes & kHigh) != 0;
}
static_assert(!MayHoldControl(0x7e20'6162'63ff'8041) && MayHoldControl(0x611f'6161'6161'6161) && MayHoldControl(0x6161'6161'6161'617f) &&
              MayHoldControl(0x0061'6161'6161'6161));

// RFC 9110 5.6.2: as of a field's name, but in any case.
bool IsToken(std::string_view text) {
  for (const char c : text) {
    if (!kNameCharacter[static_cast<uint8_t>(c)] && !(c >= 'A' && c <= 'Z')) return false;
  }
  return true;
}

// RFC 3986 3.1
bool IsScheme(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (!letter(text[0])) return false;
  for (const char c : text) {
    if (!letter(c) && !(c >= '0' && c <= '9') && c != '+' && c != '-' && c != '.') return false;
  }
  return true;
}

absl::Status Malformed(std::string_view why) { return absl::InvalidArgumentError(ToAbsl(why)); }

absl::Status ValidateRegular(const HeaderField& field, bool is_request) {
  if (!IsFieldName(field.name)) return Malformed("field name is not a lower-case token");
  if (!IsFieldValue(field.value)) return Malformed("field value has a forbidden character, or blanks around it");
  if (IsConnectionSpecific(field.name)) return Malformed("connection-specific field in an HTTP/2 message");
  // RFC 9113 8.2.2: the exception for te is one of requests.
  if (field.name == "te" && !is_request) return Malformed("te in a response or in trailers");
  if (field.name == "te" && field.value != "trailers") return Malformed("te with a value other than trailers");
  return absl::OkStatus();
}

// Sets `slot` once.
absl::Status SetOnce(std::string_view value, bool& seen, std::string_view& slot) {
  if (seen) return Malformed("pseudo-header field appears twice");
  if (!IsFieldValue(value)) return Malformed("pseudo-header field has a forbidden character");
  seen = true;
  slot = value;
  return absl::OkStatus();
}

}  // namespace

bool IsConnectionSpecific(std::string_view name) {
  switch (name.size()) {
    case 7:
      return name == "upgrade";
    case 10:
      return name == "connection" || name == "keep-alive";
    case 16:
      return name == "proxy-connection";
    case 17:
      return name == "transfer-encoding";
    default:
      return false;
  }
}

bool IsFieldName(std::string_view name) {
  if (name.empty()) return false;
  for (char c : name) {
    if (!kNameCharacter[static_cast<uint8_t>(c)]) return false;
  }
  return true;
}

bool IsFieldValue(std::string_view value) {
  if (value.empty()) return true;
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  if (blank(value.front()) || blank(value.back())) return false;
  // Eight at a time as long as none is suspicious, which is nearly always to the end.
  size_t i = 0;
  for (; i + 8 <= value.size(); i += 8) {
    uint64_t bytes;
    std::memcpy(&bytes, value.data() + i, 8);
    if (ABSL_PREDICT_FALSE(MayHoldControl(bytes))) break;
  }
  for (; i < value.size(); ++i) {
    const auto u = static_cast<uint8_t>(value[i]);
    if ((u < 0x20 && u != '\t') || u == 0x7f) return false;
  }
  return true;
}

absl::StatusOr<RequestHead> ReadRequestHead(std::span<const HeaderField> fields) {
  RequestHead head;
  bool method = false, scheme = false, authority = false, path = false, protocol = false;
  size_t i = 0;
  for (; i < fields.size() && !fields[i].name.empty() && fields[i].name[0] == ':'; ++i) {
    const auto& [name, value, sensitive] = fields[i];
    if (name == ":method") {
      CULVERT_RETURN_IF_ERROR(SetOnce(value, method, head.method));
    } else if (name == ":scheme") {
      CULVERT_RETURN_IF_ERROR(SetOnce(value, scheme, head.scheme));
    } else if (name == ":authority") {
      CULVERT_RETURN_IF_ERROR(SetOnce(value, authority, head.authority));
    } else if (name == ":path") {
      CULVERT_RETURN_IF_ERROR(SetOnce(value, path, head.path));
    } else if (name == ":protocol") {
      CULVERT_RETURN_IF_ERROR(SetOnce(value, protocol, head.protocol));
    } else {
      return Malformed("unknown pseudo-header field in a request");
    }
  }
  head.fields = fields.subspan(i);
  std::string_view host;
  for (const HeaderField& field : head.fields) {
    if (!field.name.empty() && field.name[0] == ':') return Malformed("pseudo-header field after a regular field");
    CULVERT_RETURN_IF_ERROR(ValidateRegular(field, true));
    if (field.name == "host") host = field.value;
  }
  if (!method || head.method.empty()) return Malformed("request without :method");
  if (!IsToken(head.method)) return Malformed(":method is not a token");
  if (head.method == "CONNECT" && !protocol) {
    // RFC 9113 8.5
    if (scheme || path) return Malformed("CONNECT with :scheme or :path");
    if (head.authority.empty()) return Malformed("CONNECT without :authority");
    return head;
  }
  if (protocol && head.method != "CONNECT") return Malformed(":protocol in a request that is not CONNECT");
  if (!scheme || head.scheme.empty()) return Malformed("request without :scheme");
  if (!path || head.path.empty()) return Malformed("request without :path");
  if (!IsScheme(head.scheme)) return Malformed(":scheme is not a scheme");
  // RFC 9113 8.3.1; what a request line of HTTP/1.1 could not hold would become another request there.
  const bool asterisk = head.path == "*" && head.method == "OPTIONS";
  if (head.path[0] != '/' && !asterisk) return Malformed(":path does not begin with /");
  if (head.path.find_first_of(" \t#") != std::string_view::npos) return Malformed(":path has a blank or a fragment");
  const bool http = head.scheme == "http" || head.scheme == "https";
  if (http && head.authority.find('@') != std::string_view::npos) return Malformed(":authority has userinfo");
  if (!authority) head.authority = host;
  return head;
}

absl::StatusOr<ResponseHead> ReadResponseHead(std::span<const HeaderField> fields) {
  ResponseHead head;
  if (fields.empty() || fields[0].name != ":status") return Malformed("response without :status as its first field");
  const std::string_view digits = fields[0].value;
  if (digits.size() != 3) return Malformed(":status is not three digits");
  head.status = 0;
  for (char c : digits) {
    if (c < '0' || c > '9') return Malformed(":status is not three digits");
    head.status = head.status * 10 + (c - '0');
  }
  if (head.status < 100) return Malformed(":status below 100");
  head.fields = fields.subspan(1);
  for (const HeaderField& field : head.fields) {
    if (!field.name.empty() && field.name[0] == ':') return Malformed("unexpected pseudo-header field in a response");
    CULVERT_RETURN_IF_ERROR(ValidateRegular(field, false));
  }
  return head;
}

absl::Status ValidateTrailers(std::span<const HeaderField> fields) {
  for (const HeaderField& field : fields) {
    if (!field.name.empty() && field.name[0] == ':') return Malformed("pseudo-header field in trailers");
    CULVERT_RETURN_IF_ERROR(ValidateRegular(field, false));
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> ReadContentLength(std::span<const HeaderField> fields) {
  int64_t length = -1;
  for (const HeaderField& field : fields) {
    if (field.name != "content-length") continue;
    if (field.value.empty() || field.value.size() > 18) return Malformed("content-length is not a number");
    int64_t value = 0;
    for (char c : field.value) {
      if (c < '0' || c > '9') return Malformed("content-length is not a number");
      value = value * 10 + (c - '0');
    }
    if (length >= 0 && value != length) return Malformed("content-length values differ");
    length = value;
  }
  return length;
}

}  // namespace culvert::http
