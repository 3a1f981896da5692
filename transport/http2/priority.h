#ifndef CULVERT_TRANSPORT_HTTP2_PRIORITY_H_
#define CULVERT_TRANSPORT_HTTP2_PRIORITY_H_

// What a client says about the order in which it wants its responses (RFC 9218): the value of a `priority` field, or of a PRIORITY_UPDATE
// frame. Pure. For what a server makes of it see Turns in stream.h.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "transport/frame/constants.h"

namespace culvert::http2 {

inline constexpr uint8_t kUrgencies = 8;

struct Priority {
  uint8_t urgency = 3;       // 0 to 7, the lower the sooner
  bool incremental = false;  // is of use in parts: shares the way with others of its urgency, rather than being sent before or after them

  friend bool operator==(const Priority&, const Priority&) = default;
};

// Of a stream whose client has said neither. RFC 9218 4 has it that such a stream is not incremental, and so sent whole before the next.
// But peers that know nothing of priorities, gRPC's all among them, run long streams and small calls side by side, and one long stream
// would starve the others. RFC 9218 10 leaves the order to the server: streams of which nothing was said take turns.
inline constexpr Priority kUnsignalled{.urgency = 3, .incremental = true};

// Reads a dictionary of structured fields (RFC 8941 3.2) for its members `u` and `i`; all others are skipped. A value of a wrong type or
// out of range is ignored like them (RFC 9218 4). One of the two said, the other has its default; none said, the answer is kUnsignalled.
// nullopt: no dictionary, and to be ignored whole.
std::optional<Priority> ParsePriority(std::string_view field_value);

// The last priorities said of streams that are not open yet (RFC 9218 7): as many as kMost, then the oldest is forgotten.
class EarlyPriorities {
 public:
  static constexpr size_t kMost = 16;

  void Set(frame::StreamId id, Priority priority);
  // What was said of `id`, which opens now. It and those below it, which this closes (RFC 9113 5.1.1), are forgotten.
  std::optional<Priority> Take(frame::StreamId id);

  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    frame::StreamId id;
    Priority priority;
  };
  std::vector<Entry> entries_;  // the oldest first
};

}  // namespace culvert::http2

#endif  // CULVERT_TRANSPORT_HTTP2_PRIORITY_H_
