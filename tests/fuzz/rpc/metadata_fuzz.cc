// Any fields (one per line, "name:value") are taken or refused; what is taken is read back as it was sent.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "rpc/metadata.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  culvert::http::HeaderList fields;
  culvert::Metadata added, received;
  for (std::string_view rest(reinterpret_cast<const char*>(data), size); !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    const std::string_view name = line.substr(0, line.find(':'));
    const std::string_view value = line.substr(std::min(name.size() + 1, line.size()));
    fields.Add(name, value);
    static_cast<void>(added.Add(name, value));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
  }
  static_cast<void>(received.AssignFromFields(fields.fields()));
  for (const culvert::Metadata* metadata : {&added, &received}) {
    culvert::http::HeaderList sent;
    culvert::Metadata back;
    metadata->AppendTo(sent);
    if (!back.AssignFromFields(sent.fields()).ok() || !std::ranges::equal(back, *metadata)) std::abort();
  }
  return 0;
}
