#include "transport/http/header_list.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace culvert::http {

namespace {
constexpr size_t kFirstBlock = 256;
}  // namespace

HeaderList::HeaderList(std::initializer_list<HeaderField> fields) {
  for (const HeaderField& f : fields) Add(f.name, f.value, f.sensitive);
}

HeaderList::HeaderList(HeaderList&& other) noexcept
    : fields_(std::move(other.fields_)),
      blocks_(std::move(other.blocks_)),
      list_size_(std::exchange(other.list_size_, 0)) {
  other.fields_.clear();
  other.blocks_.clear();
}

HeaderList& HeaderList::operator=(HeaderList&& other) noexcept {
  if (this == &other) return *this;
  fields_ = std::move(other.fields_);
  blocks_ = std::move(other.blocks_);
  list_size_ = std::exchange(other.list_size_, 0);
  other.fields_.clear();
  other.blocks_.clear();
  return *this;
}

HeaderList::HeaderList(const HeaderList& other) {
  fields_.reserve(other.size());
  for (const HeaderField& f : other) Add(f.name, f.value, f.sensitive);
}

HeaderList& HeaderList::operator=(const HeaderList& other) {
  if (this != &other) *this = HeaderList(other);
  return *this;
}

char* HeaderList::Allocate(size_t n) {
  if (blocks_.empty() || blocks_.back().size - blocks_.back().used < n) {
    const size_t doubled = blocks_.empty() ? kFirstBlock : blocks_.back().size * 2;
    Block block;
    block.size = std::max(n, doubled);
    block.bytes = std::make_unique_for_overwrite<char[]>(block.size);
    blocks_.push_back(std::move(block));
  }
  Block& block = blocks_.back();
  char* at = block.bytes.get() + block.used;
  block.used += n;
  return at;
}

void HeaderList::Add(std::string_view name, std::string_view value, bool sensitive) {
  char* at = Allocate(name.size() + value.size());
  if (!name.empty()) std::memcpy(at, name.data(), name.size());
  if (!value.empty()) std::memcpy(at + name.size(), value.data(), value.size());
  fields_.push_back({{at, name.size()}, {at + name.size(), value.size()}, sensitive});
  list_size_ += FieldSize(name, value);
}

std::optional<std::string_view> HeaderList::Find(std::string_view name) const {
  for (const HeaderField& f : fields_) {
    if (f.name == name) return f.value;
  }
  return std::nullopt;
}

void HeaderList::Clear() {
  if (fields_.size() > kKeptFields) {
    fields_ = std::vector<HeaderField>();  // "= {}" would keep the capacity
  } else {
    fields_.clear();
  }
  list_size_ = 0;
  if (blocks_.empty()) return;
  // Only the last, largest block is kept: the next list of this size then needs no second one.
  Block last = std::move(blocks_.back());
  blocks_.clear();
  if (last.size > kKeptBytes) return;
  std::memset(last.bytes.get(), 0, last.used);
  last.used = 0;
  blocks_.push_back(std::move(last));
}

}  // namespace culvert::http
