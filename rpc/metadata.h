#ifndef CULVERT_RPC_METADATA_H_
#define CULVERT_RPC_METADATA_H_

// The custom metadata of a call: what a user sends beside the messages, as headers or trailers (gRPC over
// HTTP/2, "Custom-Metadata").
//
//   culvert::Metadata metadata;
//   absl::Status status = metadata.Add("x-request-id", "42");
//   status = metadata.Add("x-trace-bin", raw_bytes);       // any bytes: base64 only on the wire
//   if (auto id = metadata.Find("x-request-id")) Use(*id);
//
// An ordered multimap: entries keep the order they were added in, and a key may come again. Keys are lower
// case, of [0-9a-z_.-]. Values of keys that end in "-bin" are raw bytes; all others are printable ASCII. Keys
// that HTTP or gRPC uses itself are not metadata: those beginning with "grpc-", and content-type,
// content-length, te, trailer, user-agent, host and the connection-specific ones.
//
// Views returned here live until the metadata is changed, cleared or destroyed; moving keeps them valid. Not
// thread-safe. An empty one holds no memory until something is added.

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "transport/http/header_list.h"

namespace culvert {

class Metadata {
 public:
  // `name` is the key; `value` is raw for keys in "-bin".
  using Entry = http::HeaderField;
  using value_type = Entry;
  using const_iterator = std::vector<Entry>::const_iterator;

  // Copies both. The key may be written in any case; blanks around a printable value are dropped, since peers
  // may drop them too. `sensitive` (a credential) keeps the entry out of every compression table on its way.
  // INVALID_ARGUMENT, and nothing is added, for a key that is empty, malformed or reserved, and for a value
  // with other bytes than 0x20..0x7e under a key not in "-bin".
  absl::Status Add(std::string_view key, std::string_view value, bool sensitive = false);

  // The first value of that key, in any case, or nullopt.
  std::optional<std::string_view> Find(std::string_view key) const;
  // All of them, in order.
  std::vector<std::string_view> FindAll(std::string_view key) const;

  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }
  const_iterator begin() const { return entries_.begin(); }
  const_iterator end() const { return entries_.end(); }

  // Keeps a little storage for the next use; see HeaderList.
  void Clear() { entries_.Clear(); }

  // Adds every entry to `fields` as it travels: "-bin" values in base64 without padding.
  void AppendTo(http::HeaderList& fields) const;

  // Replaces the content by the custom metadata among the fields of a received header block. Fields that are
  // not custom metadata are skipped, and so are values with control characters (they could not be sent on). A
  // "-bin" value may be a list joined by commas: each piece is an entry. One that is not base64 is INTERNAL,
  // as in grpc-go, and leaves the metadata empty. Printable values are taken more widely than Add takes them,
  // as the specification asks: tabs and bytes above 0x7f are kept.
  absl::Status AssignFromFields(std::span<const http::HeaderField> fields);

 private:
  http::HeaderList entries_;
};

}  // namespace culvert

#endif  // CULVERT_RPC_METADATA_H_
