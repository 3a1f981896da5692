#ifndef CULVERT_TRANSPORT_BASE_LOG_H_
#define CULVERT_TRANSPORT_BASE_LOG_H_

// What the library says on standard error, which by default is nothing but warnings. Any thread; one write per line.
//
// CULVERT_DEBUG is a comma-separated list of topics (read once): "frames" prints every HTTP/2 frame both ways,
// "connections" why each HTTP/2 connection ended.

#include <string_view>

namespace culvert::base {

enum class Topic { kFrames, kConnections };

bool DebugEnabled(Topic topic);

// "culvert: <line>\n"
void LogLine(std::string_view line);

}  // namespace culvert::base

#endif  // CULVERT_TRANSPORT_BASE_LOG_H_
