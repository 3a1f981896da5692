// Any fields: a head that is accepted keeps every rule that RFC 9113 8.2 and 8.3 have, as looked up the slow way.

#include <vector>

#include "tests/fuzz/fuzz.h"
#include "transport/http/header_list.h"
#include "transport/http/validate.h"

namespace culvert::http {
namespace {

bool IsValueSlowly(std::string_view value) {
  for (const char c : value) {
    const auto u = static_cast<uint8_t>(c);
    if ((u < 0x20 && u != '\t') || u == 0x7f) return false;
  }
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  return value.empty() || (!blank(value.front()) && !blank(value.back()));
}

void CheckRegular(std::span<const HeaderField> fields) {
  for (const HeaderField& field : fields) {
    FUZZ_EXPECT(!field.name.empty() && field.name[0] != ':' && IsFieldName(field.name));
    FUZZ_EXPECT(field.name.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ \r\n:") == std::string_view::npos);
    FUZZ_EXPECT(IsValueSlowly(field.value));
    FUZZ_EXPECT(field.name != "connection" && field.name != "transfer-encoding" && field.name != "upgrade");
    FUZZ_EXPECT(field.name != "te" || field.value == "trailers");
  }
}

}  // namespace
}  // namespace culvert::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace culvert::http;  // NOLINT
  static constexpr std::string_view kNames[] = {":method", ":scheme", ":path",   ":authority", ":protocol",      ":status",
                                                "te",      "host",    "upgrade", "connection", "content-length", "grpc-timeout"};
  static constexpr std::string_view kValues[] = {"GET", "POST", "CONNECT", "http", "/", "*", "200", "trailers", "3", ""};
  culvert::fuzz::Input input(data, size);
  HeaderList list;
  while (!input.empty() && list.size() < 40) {
    const uint8_t name_choice = input.Byte();
    const uint8_t value_choice = input.Byte();
    const std::string_view name = name_choice < std::size(kNames) ? kNames[name_choice] : input.Text(name_choice % 32);
    const std::string_view value = value_choice < std::size(kValues) ? kValues[value_choice] : input.Text(value_choice);
    list.Add(name, value);
    FUZZ_EXPECT(IsFieldValue(list[list.size() - 1].value) == IsValueSlowly(list[list.size() - 1].value));
  }
  if (const auto head = ReadRequestHead(list.fields()); head.ok()) {
    FUZZ_EXPECT(!head->method.empty());
    FUZZ_EXPECT(head->method == "CONNECT" || (!head->scheme.empty() && !head->path.empty()));
    CheckRegular(head->fields);
  }
  if (const auto head = ReadResponseHead(list.fields()); head.ok()) {
    FUZZ_EXPECT(head->status >= 100 && head->status <= 999);
    CheckRegular(head->fields);
  }
  if (ValidateTrailers(list.fields()).ok()) CheckRegular(list.fields());
  if (const auto length = ReadContentLength(list.fields()); length.ok()) FUZZ_EXPECT(*length >= -1);
  return 0;
}
