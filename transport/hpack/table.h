#ifndef CULVERT_TRANSPORT_HPACK_TABLE_H_
#define CULVERT_TRANSPORT_HPACK_TABLE_H_

// The two tables of HPACK (RFC 7541 2.3): the static one, and the dynamic one that each direction of a connection has.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace culvert::hpack {

struct TableField {
  std::string_view name;
  std::string_view value;
};

// RFC 7541 Appendix A; index 1 is the first.
inline constexpr size_t kStaticFields = 61;
inline constexpr std::array<TableField, kStaticFields> kStaticTable = {{
    {":authority", ""},
    {":method", "GET"},
    {":method", "POST"},
    {":path", "/"},
    {":path", "/index.html"},
    {":scheme", "http"},
    {":scheme", "https"},
    {":status", "200"},
    {":status", "204"},
    {":status", "206"},
    {":status", "304"},
    {":status", "400"},
    {":status", "404"},
    {":status", "500"},
    {"accept-charset", ""},
    {"accept-encoding", "gzip, deflate"},
    {"accept-language", ""},
    {"accept-ranges", ""},
    {"accept", ""},
    {"access-control-allow-origin", ""},
    {"age", ""},
    {"allow", ""},
    {"authorization", ""},
    {"cache-control", ""},
    {"content-disposition", ""},
    {"content-encoding", ""},
    {"content-language", ""},
    {"content-length", ""},
    {"content-location", ""},
    {"content-range", ""},
    {"content-type", ""},
    {"cookie", ""},
    {"date", ""},
    {"etag", ""},
    {"expect", ""},
    {"expires", ""},
    {"from", ""},
    {"host", ""},
    {"if-match", ""},
    {"if-modified-since", ""},
    {"if-none-match", ""},
    {"if-range", ""},
    {"if-unmodified-since", ""},
    {"last-modified", ""},
    {"link", ""},
    {"location", ""},
    {"max-forwards", ""},
    {"proxy-authenticate", ""},
    {"proxy-authorization", ""},
    {"range", ""},
    {"referer", ""},
    {"refresh", ""},
    {"retry-after", ""},
    {"server", ""},
    {"set-cookie", ""},
    {"strict-transport-security", ""},
    {"transfer-encoding", ""},
    {"user-agent", ""},
    {"vary", ""},
    {"via", ""},
    {"www-authenticate", ""},
}};

inline constexpr uint32_t kDefaultTableSize = 4096;  // RFC 9113 6.5.2

// First in, first out, at most limit() large. What it holds lies in one block of bytes, taken when the first field comes and at most twice
// the limit; moving on within it, it allocates nothing.
class DynamicTable {
 public:
  explicit DynamicTable(uint32_t limit) : limit_(limit) {}

  size_t count() const { return entries_.size() - oldest_; }
  // RFC 7541 4.1: of names and values, and 32 for each field.
  size_t size() const { return size_; }
  uint32_t limit() const { return limit_; }
  // How many fields there ever were, modulo 2^32: the field that is the n-th of them has index inserted() - n.
  uint32_t inserted() const { return inserted_; }

  // The field at `index`, 0 being the newest; index < count(). Its views hold until the next Insert.
  TableField At(size_t index) const {
    const Entry& entry = entries_[entries_.size() - 1 - index];
    return {{bytes_.get() + entry.at, entry.name}, {bytes_.get() + entry.at + entry.name, entry.value}};
  }

  // Evicts what is too much, then adds the field; one larger than the limit leaves the table empty (RFC 7541 4.4). Name and value do not lie in
  // this table.
  void Insert(std::string_view name, std::string_view value);
  // Evicts what is too much for the new limit.
  void SetLimit(uint32_t limit);

 private:
  struct Entry {
    uint32_t at;  // of the name, in bytes_; the value follows
    uint32_t name;
    uint32_t value;
  };

  void EvictTo(size_t size);
  void MakeRoom(size_t n);

  // Two of these are in every connection: sizes of 32 bits do, limits being some KiB.
  uint32_t limit_;
  uint32_t size_ = 0;
  uint32_t inserted_ = 0;
  uint32_t oldest_ = 0;
  std::vector<Entry> entries_;  // from oldest_ on, the newest last
  std::unique_ptr<char[]> bytes_;
  uint32_t capacity_ = 0;
  uint32_t end_ = 0;  // of the newest field's bytes
};

}  // namespace culvert::hpack

#endif  // CULVERT_TRANSPORT_HPACK_TABLE_H_
