#include "transport/http1/fields.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>

#include "transport/http/validate.h"

namespace culvert::http1 {

namespace {

constexpr auto kTokenCharacter = [] {
  std::array<bool, 256> table{};
  for (char c :
       std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")) {
    table[static_cast<uint8_t>(c)] = true;
  }
  return table;
}();

bool IsBlank(char c) { return c == ' ' || c == '\t'; }
char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return text;
}

absl::Status Malformed(const char* why) { return absl::InvalidArgumentError(why); }

}  // namespace

bool IsToken(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return kTokenCharacter[static_cast<uint8_t>(c)]; });
}

bool EqualsIgnoringCase(std::string_view text, std::string_view lower) {
  return text.size() == lower.size() &&
         std::equal(text.begin(), text.end(), lower.begin(), [](char a, char b) { return Lower(a) == b; });
}

bool IsFramingField(std::string_view name) {
  switch (name.size()) {
    case 2:
      return name == "te";
    case 4:
      return name == "host";
    case 7:
      return name == "trailer" || name == "upgrade";
    case 10:
      return name == "connection" || name == "keep-alive";
    case 14:
      return name == "content-length";
    case 16:
      return name == "proxy-connection";
    case 17:
      return name == "transfer-encoding";
    default:
      return false;
  }
}

std::optional<std::string_view> NextElement(std::string_view& list) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    const std::string_view element = Trim(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
    if (!element.empty()) return element;
  }
  return std::nullopt;
}

absl::Status AddFieldLine(std::string_view line, http::HeaderList& fields) {
  // RFC 9112 5.2, 2.2: a folded line, or blanks between the start line and the first field
  if (!line.empty() && IsBlank(line.front())) return Malformed("field line begins with a blank");
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return Malformed("field line without a colon");
  const std::string_view name = line.substr(0, colon);
  if (!IsToken(name))
    return Malformed("field name is not a token");  // RFC 9112 5.1: no blank before the colon either
  const std::string_view value = Trim(line.substr(colon + 1));
  if (!http::IsFieldValue(value)) return Malformed("field value has a forbidden character");

  constexpr size_t kShortName = 64;
  std::array<char, kShortName> short_name;
  std::unique_ptr<char[]> long_name;
  char* lower = short_name.data();
  if (name.size() > kShortName) {
    long_name = std::make_unique_for_overwrite<char[]>(name.size());
    lower = long_name.get();
  }
  std::transform(name.begin(), name.end(), lower, Lower);
  fields.Add({lower, name.size()}, value);
  return absl::OkStatus();
}

}  // namespace culvert::http1
