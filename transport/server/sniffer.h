#ifndef CULVERT_TRANSPORT_SERVER_SNIFFER_H_
#define CULVERT_TRANSPORT_SERVER_SNIFFER_H_

// Which protocol a client speaks, told by its first bytes. Pure; consumes nothing.
//
// Three-valued by nature: yes, no, or not yet. An answer other than kNeedMore is final, so it does not matter
// how the bytes were cut; at most kMostBytes are looked at.

#include <cstddef>
#include <cstdint>
#include <span>

#include "transport/frame/constants.h"

namespace culvert::server {

enum class Protocol { kNeedMore, kTls, kHttp2, kHttp1, kUnknown };

// kHttp2: the whole connection preface (RFC 9113 3.4). kTls: a handshake record with a ClientHello (RFC 8446
// 5.1, 4). kHttp1: a method token that is not, or no longer, the preface's.
Protocol Classify(std::span<const uint8_t> first_bytes);

inline constexpr size_t kMostBytes = frame::kConnectionPreface.size();

}  // namespace culvert::server

#endif  // CULVERT_TRANSPORT_SERVER_SNIFFER_H_
