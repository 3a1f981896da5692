#ifndef CULVERT_TRANSPORT_BASE_LIMIT_COUNTS_H_
#define CULVERT_TRANSPORT_BASE_LIMIT_COUNTS_H_

// How often each limit has stopped a peer, over the whole process since it began: for a monitoring system to export, and for tests to
// see that it was this limit and no other. docs/security.md names them all. Any thread; no locks.

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace culvert::base {

// Counts one more of `name`, such as "reset_flood": its text is what tells one from another. To be called where a limit acts, with a name that
// stands in the source, never with what a peer sent: beyond 255 different names the rest are counted as "other".
void CountLimit(std::string_view name);

// 0 of a name that was never counted.
uint64_t LimitCount(std::string_view name);

// All that were counted, in the order of their first time. The names last as long as the process.
std::vector<std::pair<std::string_view, uint64_t>> LimitCounts();

}  // namespace culvert::base

#endif  // CULVERT_TRANSPORT_BASE_LIMIT_COUNTS_H_
