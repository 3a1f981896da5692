// Any `priority` value (RFC 9218 4): it is read within its bounds, a later member counts before an earlier one, and what was read, written
// again, is the same. Any priorities of streams to come are kept as a plain list of them would be.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/fuzz/fuzz.h"
#include "transport/http2/priority.h"

using culvert::http2::EarlyPriorities;
using culvert::http2::ParsePriority;
using culvert::http2::Priority;

static void Read(std::string_view text) {
  const std::optional<Priority> read = ParsePriority(text);
  const bool blank = text.find_first_not_of(' ') == text.npos;
  const std::string more = std::string(text) + (blank ? "" : ",");
  const std::optional<Priority> urgent = ParsePriority(more + "u=0");
  const std::optional<Priority> calm = ParsePriority(more + "i=?0");
  FUZZ_EXPECT(read.has_value() == urgent.has_value() && read.has_value() == calm.has_value());  // what does not parse does not begin to
  if (!read) return;
  FUZZ_EXPECT(read->urgency < culvert::http2::kUrgencies);
  FUZZ_EXPECT(urgent->urgency == 0 && calm->urgency == read->urgency && !calm->incremental);
  FUZZ_EXPECT(urgent->incremental == read->incremental || *read == culvert::http2::kUnsignalled);
  FUZZ_EXPECT(ParsePriority("u=" + std::to_string(read->urgency) + (read->incremental ? ", i" : "")) == read);
}

static void Keep(culvert::fuzz::Input input) {
  EarlyPriorities early;
  std::vector<std::pair<uint32_t, Priority>> plain;
  while (!input.empty()) {
    const uint32_t id = input.Byte() % 32 * 2 + 1;
    const uint8_t how = input.Byte();
    const auto is_it = [id](const auto& entry) { return entry.first == id; };
    if (how % 4 != 0) {
      const Priority priority{.urgency = static_cast<uint8_t>(how / 4 % 8), .incremental = how >= 128};
      early.Set(id, priority);
      std::erase_if(plain, is_it);
      plain.emplace_back(id, priority);
      if (plain.size() > EarlyPriorities::kMost) plain.erase(plain.begin());
    } else {
      std::optional<Priority> expected;
      for (const auto& [other, priority] : plain) {
        if (other == id) expected = priority;
      }
      FUZZ_EXPECT(early.Take(id) == expected);
      std::erase_if(plain, [id](const auto& entry) { return entry.first <= id; });
    }
    FUZZ_EXPECT(early.size() == plain.size());
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Read({reinterpret_cast<const char*>(data), size});
  Keep(culvert::fuzz::Input(data, size));
  return 0;
}
