#include "transport/base/log.h"

#include <cstdio>
#include <cstdlib>
#include <string>

namespace culvert::base {

namespace {

bool Listed(std::string_view topic) {
  const char* value = std::getenv("CULVERT_DEBUG");
  if (value == nullptr) return false;
  std::string_view list(value);
  while (!list.empty()) {
    const size_t comma = list.find(',');
    if (list.substr(0, comma) == topic) return true;
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
  }
  return false;
}

}  // namespace

bool DebugEnabled(Topic topic) {
  static const bool frames = Listed("frames");
  static const bool connections = Listed("connections");
  switch (topic) {
    case Topic::kFrames:
      return frames;
    case Topic::kConnections:
      return connections;
  }
  __builtin_unreachable();
}

void LogLine(std::string_view line) {
  std::string text = "culvert: ";
  text.append(line);
  text.push_back('\n');
  std::fwrite(text.data(), 1, text.size(), stderr);
}

}  // namespace culvert::base
