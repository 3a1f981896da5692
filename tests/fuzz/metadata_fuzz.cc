// Any fields: metadata that was read can be sent, and is read as the same again; so can what Add takes, which is what the specification
// allows and no more. Base64 and the names of message formats survive being sent, too.
//
// A text for those two, then the fields: a name, a byte (bit 0 clear: "-bin" follows the name; bit 1: sensitive), and a value.

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "rpc/base64.h"
#include "rpc/content_type.h"
#include "rpc/metadata.h"
#include "rpc/status.h"
#include "tests/fuzz/fuzz.h"
#include "transport/http/header_list.h"
#include "transport/http/validate.h"

namespace culvert {
namespace {

constexpr std::string_view kBlanks = " \t\r\n\v\f";

void CheckBase64(std::string_view text) {
  std::string bytes, again;
  if (rpc::DecodeBase64(text, &bytes)) FUZZ_EXPECT(rpc::DecodeBase64(rpc::EncodeBase64(bytes), &again) && again == bytes);
  const std::string encoded = rpc::EncodeBase64(text);
  FUZZ_EXPECT(encoded.size() == (text.size() * 4 + 2) / 3 && encoded.find('=') == std::string::npos);
  FUZZ_EXPECT(rpc::DecodeBase64(encoded, &bytes) && bytes == text);
}

void CheckContentType(std::string_view text) {
  if (const auto format = rpc::ParseMessageFormat(text)) {
    FUZZ_EXPECT(rpc::ParseMessageFormat("APPLICATION/Grpc+" + std::string(*format) + " ;x=y") == *format);
  }
  // Whatever the format's name, but for parameters and the blanks before them.
  std::string_view name = text.substr(0, text.find(';'));
  name = name.substr(0, name.find_last_not_of(kBlanks) + 1);
  FUZZ_EXPECT(rpc::ParseMessageFormat("application/grpc+" + std::string(text)) == name);
  // gRPC-Web's is another type.
  FUZZ_EXPECT(rpc::ParseMessageFormat("application/grpc-web+" + std::string(text)) == std::nullopt);
}

std::string Lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}
std::string Upper(std::string text) {
  for (char& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return text;
}

// Whether an application may send that, by the specification's words ("Custom-Metadata"); `key` is in lower case.
bool MaySend(const std::string& key, std::string_view value) {
  if (key.empty() || key.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyz_-.") != std::string::npos) return false;
  if (key.starts_with("grpc-") || http::IsConnectionSpecific(key)) return false;
  for (const std::string_view own : {"content-type", "content-length", "te", "trailer", "user-agent", "host"}) {
    if (key == own) return false;
  }
  return key.ends_with("-bin") || std::ranges::all_of(value, [](char c) { return c >= 0x20 && c <= 0x7e; });
}

bool Same(const Metadata& a, const Metadata& b) { return std::ranges::equal(a, b); }

// What is sent is valid, and read as the same.
void CheckSent(const Metadata& metadata) {
  http::HeaderList sent;
  metadata.AppendTo(sent);
  FUZZ_EXPECT(http::ValidateTrailers(sent.fields()).ok());
  for (const Metadata::Entry& entry : metadata) {
    if (!entry.name.ends_with("-bin")) FUZZ_EXPECT(sent.Find(entry.name) == metadata.Find(entry.name));
  }
  Metadata again;
  FUZZ_EXPECT(again.AssignFromFields(sent.fields()).ok() && Same(metadata, again));
}

// Each of the fields, as an application would give it.
void CheckAdd(const http::HeaderList& fields) {
  Metadata metadata;
  std::vector<std::pair<std::string, std::string>> added;
  for (const http::HeaderField& field : fields) {
    const std::string key = Lower(std::string(field.name));
    const absl::Status status = metadata.Add(field.name, field.value, field.sensitive);
    FUZZ_EXPECT(status.ok() == MaySend(key, field.value) && (status.ok() || absl::IsInvalidArgument(status)));
    if (!status.ok()) continue;
    std::string_view value = field.value;
    while (!key.ends_with("-bin") && value.starts_with(' ')) value.remove_prefix(1);
    while (!key.ends_with("-bin") && value.ends_with(' ')) value.remove_suffix(1);
    added.emplace_back(key, value);
    FUZZ_EXPECT((metadata.end() - 1)->sensitive == field.sensitive);
  }
  FUZZ_EXPECT(metadata.size() == added.size());
  FUZZ_EXPECT(std::equal(metadata.begin(), metadata.end(), added.begin(), [](const auto& entry, const auto& pair) {
    return entry.name == pair.first && entry.value == pair.second;
  }));
  for (const http::HeaderField& field : fields) {
    std::vector<std::string_view> values;
    for (const auto& [key, value] : added) {
      if (key == Lower(std::string(field.name))) values.push_back(value);
    }
    FUZZ_EXPECT(metadata.FindAll(Upper(std::string(field.name))) == values);
    const auto found = metadata.Find(field.name);
    FUZZ_EXPECT(values.empty() ? !found : found == values[0]);
  }
  CheckSent(metadata);
}

// Fields from a peer. The values that are not base64 are what can be wrong with them.
void CheckRead(const http::HeaderList& fields) {
  Metadata metadata;
  if (!metadata.AssignFromFields(fields.fields()).ok()) {
    FUZZ_EXPECT(metadata.empty());
    return;
  }
  CheckSent(metadata);
  // A copy is its own, and what was cleared takes the same again.
  Metadata copy;
  copy = metadata;
  metadata.Clear();
  FUZZ_EXPECT(metadata.empty());
  FUZZ_EXPECT(metadata.AssignFromFields(fields.fields()).ok() && Same(metadata, copy));
  // Views hold where it is moved to.
  const auto first = copy.empty() ? std::nullopt : metadata.Find(copy.begin()->name);
  const Metadata moved = std::move(metadata);
  FUZZ_EXPECT(Same(moved, copy) && (!first || *first == copy.begin()->value));
}

void CheckStatus(const http::HeaderList& fields, int http_status) {
  const absl::Status status = rpc::StatusFromTrailers(fields.fields(), http_status);
  http::HeaderList trailers;
  rpc::AppendStatusFields(status, trailers);
  FUZZ_EXPECT(http::ValidateTrailers(trailers.fields()).ok());
  FUZZ_EXPECT(rpc::StatusFromTrailers(trailers.fields(), 200).code() == status.code());
}

}  // namespace
}  // namespace culvert

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace culvert;  // NOLINT
  fuzz::Input input(data, size);
  const std::string_view text = input.Text();
  CheckBase64(text);
  CheckContentType(text);

  http::HeaderList fields;
  while (!input.empty() && fields.size() < 30) {
    std::string name(input.Text());
    const uint8_t kind = input.Byte();
    if ((kind & 1) == 0) name += "-bin";
    fields.Add(name, input.Text(), (kind & 2) != 0);
  }
  CheckStatus(fields, static_cast<int>(input.Byte()) * 4);
  CheckAdd(fields);
  CheckRead(fields);
  return 0;
}
