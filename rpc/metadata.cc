#include "rpc/metadata.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "rpc/base64.h"
#include "transport/base/strings.h"

namespace culvert {

namespace {

// Those of the call itself, and those that belong to the connection (RFC 9113 8.2.2) or frame the body.
constexpr std::string_view kReserved[] = {
    "connection", "content-length", "content-type",      "host",    "keep-alive", "proxy-connection",
    "te",         "trailer",        "transfer-encoding", "upgrade", "user-agent",
};

bool IsReserved(std::string_view key) {
  if (key.starts_with("grpc-")) return true;
  for (const std::string_view reserved : kReserved) {
    if (key == reserved) return true;
  }
  return false;
}

constexpr auto kKeyCharacter = [] {
  std::array<bool, 256> table{};
  for (const char c : std::string_view("0123456789abcdefghijklmnopqrstuvwxyz_-.")) table[static_cast<uint8_t>(c)] = true;
  return table;
}();

bool IsKey(std::string_view key) {
  for (const char c : key) {
    if (!kKeyCharacter[static_cast<uint8_t>(c)]) return false;
  }
  return !key.empty();
}

bool IsBinary(std::string_view key) { return key.ends_with("-bin"); }

bool IsPrintable(char c) { return c >= 0x20 && c <= 0x7e; }

bool IsControl(char c) { return absl::ascii_iscntrl(static_cast<unsigned char>(c)) && c != '\t'; }

std::string_view Trimmed(std::string_view value) { return ToStd(absl::StripAsciiWhitespace(ToAbsl(value))); }

}  // namespace

absl::Status Metadata::Add(std::string_view key, std::string_view value, bool sensitive) {
  std::string lowered;
  if (std::any_of(key.begin(), key.end(),
                  [](char c) { return absl::ascii_isupper(static_cast<unsigned char>(c)); })) {
    lowered = absl::AsciiStrToLower(ToAbsl(key));
    key = lowered;
  }
  if (key.empty()) return absl::InvalidArgumentError("metadata key is empty");
  if (!IsKey(key)) {
    return absl::InvalidArgumentError(StrCat("metadata key \"", absl::CHexEscape(ToAbsl(key)),
                                             "\" has characters other than letters, digits, _ - ."));
  }
  if (IsReserved(key)) return absl::InvalidArgumentError(StrCat("metadata key \"", key, "\" is reserved"));
  if (!IsBinary(key)) {
    if (!std::all_of(value.begin(), value.end(), IsPrintable)) {
      return absl::InvalidArgumentError(StrCat(
          "metadata value of \"", key, "\" is not printable ASCII; raw bytes need a key that ends in -bin"));
    }
    value = Trimmed(value);
  }
  entries_.Add(key, value, sensitive);
  return absl::OkStatus();
}

std::optional<std::string_view> Metadata::Find(std::string_view key) const {
  for (const Entry& entry : entries_) {
    if (absl::EqualsIgnoreCase(ToAbsl(entry.name), ToAbsl(key))) return entry.value;
  }
  return std::nullopt;
}

std::vector<std::string_view> Metadata::FindAll(std::string_view key) const {
  std::vector<std::string_view> values;
  for (const Entry& entry : entries_) {
    if (absl::EqualsIgnoreCase(ToAbsl(entry.name), ToAbsl(key))) values.push_back(entry.value);
  }
  return values;
}

void Metadata::AppendTo(http::HeaderList& fields) const {
  for (const Entry& entry : entries_) {
    if (IsBinary(entry.name)) {
      fields.Add(entry.name, rpc::EncodeBase64(entry.value), entry.sensitive);
    } else {
      fields.Add(entry.name, entry.value, entry.sensitive);
    }
  }
}

absl::Status Metadata::AssignFromFields(std::span<const http::HeaderField> fields) {
  entries_.Clear();
  std::string bytes;
  for (const http::HeaderField& field : fields) {
    if (IsReserved(field.name) || !IsKey(field.name)) continue;
    if (std::any_of(field.value.begin(), field.value.end(), IsControl)) continue;
    if (!IsBinary(field.name)) {
      entries_.Add(field.name, Trimmed(field.value), field.sensitive);
      continue;
    }
    for (const absl::string_view piece : absl::StrSplit(ToAbsl(field.value), ',')) {
      if (!rpc::DecodeBase64(ToStd(piece), &bytes)) {
        absl::Status status =
            absl::InternalError(StrCat("metadata value of \"", field.name, "\" is not base64"));
        entries_.Clear();
        return status;
      }
      entries_.Add(field.name, bytes, field.sensitive);
    }
  }
  return absl::OkStatus();
}

}  // namespace culvert
