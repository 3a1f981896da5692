#ifndef CULVERT_TRANSPORT_HTTP_HEADER_LIST_H_
#define CULVERT_TRANSPORT_HTTP_HEADER_LIST_H_

// An ordered list of HTTP fields (RFC 9110 5) that owns its bytes.
//
// One type for every list of fields in the house: what the HPACK decoder fills again and again (Clear keeps the storage), what a
// handler keeps, what a response carries. Names are lower case on the wire of HTTP/2; HTTP/1.1 lower-cases on receipt, so that
// Find compares bytes. Pseudo-header fields (":path") are ordinary entries; they precede all others.
//
// Views returned here live until the list is changed, cleared or destroyed; moving the list keeps them valid. Not thread-safe.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace culvert::http {

struct HeaderField {
  std::string_view name;
  std::string_view value;
  // Never indexed when sent, and not re-indexed by proxies (RFC 7541 7.1.3): for credentials.
  bool sensitive = false;

  friend bool operator==(const HeaderField&, const HeaderField&) = default;
};

// RFC 9113 6.5.2: the size of a field is the length of its name and value plus 32.
inline size_t FieldSize(std::string_view name, std::string_view value) { return name.size() + value.size() + 32; }

class HeaderList {
 public:
  HeaderList() = default;
  HeaderList(std::initializer_list<HeaderField> fields);
  HeaderList(HeaderList&& other) noexcept;
  HeaderList& operator=(HeaderList&& other) noexcept;
  HeaderList(const HeaderList& other);
  HeaderList& operator=(const HeaderList& other);

  // Copies the bytes of name and value.
  void Add(std::string_view name, std::string_view value, bool sensitive = false);

  // The first value of that name, or nullopt.
  std::optional<std::string_view> Find(std::string_view name) const;

  bool empty() const { return fields_.empty(); }
  size_t size() const { return fields_.size(); }
  const HeaderField& operator[](size_t i) const { return fields_[i]; }
  std::vector<HeaderField>::const_iterator begin() const { return fields_.begin(); }
  std::vector<HeaderField>::const_iterator end() const { return fields_.end(); }
  std::span<const HeaderField> fields() const { return fields_; }

  // The sum of FieldSize over all fields (SETTINGS_MAX_HEADER_LIST_SIZE, RFC 9113 6.5.2).
  size_t list_size() const { return list_size_; }

  // Empties the list. Storage is kept for the next use while the list held at most kKeptFields fields and kKeptBytes bytes, and
  // given back otherwise, so that one large request does not pin its memory. Kept bytes are wiped: cookies and tokens do not linger.
  void Clear();

  static constexpr size_t kKeptFields = 64;
  static constexpr size_t kKeptBytes = 4096;

 private:
  char* Allocate(size_t n);

  struct Block {
    std::unique_ptr<char[]> bytes;
    size_t size = 0;
    size_t used = 0;
  };
  std::vector<HeaderField> fields_;
  std::vector<Block> blocks_;  // the last one is being filled
  size_t list_size_ = 0;
};

}  // namespace culvert::http

#endif  // CULVERT_TRANSPORT_HTTP_HEADER_LIST_H_
