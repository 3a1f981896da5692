#include "transport/hpack/table.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "transport/http/header_list.h"

namespace culvert::hpack {

namespace {
constexpr size_t kFirstBlock = 256;
}  // namespace

void DynamicTable::Insert(std::string_view name, std::string_view value) {
  const size_t size = http::FieldSize(name, value);
  EvictTo(limit_ - std::min<size_t>(size, limit_));
  if (size > limit_) return;
  MakeRoom(name.size() + value.size());
  std::copy(name.begin(), name.end(), bytes_.get() + end_);
  std::copy(value.begin(), value.end(), bytes_.get() + end_ + name.size());
  entries_.push_back({static_cast<uint32_t>(end_), static_cast<uint32_t>(name.size()), static_cast<uint32_t>(value.size())});
  end_ += static_cast<uint32_t>(name.size() + value.size());
  size_ += static_cast<uint32_t>(size);
  ++inserted_;
}

void DynamicTable::SetLimit(uint32_t limit) {
  limit_ = limit;
  EvictTo(limit);
}

void DynamicTable::EvictTo(size_t size) {
  while (size_ > size) {
    const Entry& entry = entries_[oldest_++];
    size_ -= entry.name + entry.value + 32;
  }
  if (oldest_ < entries_.size()) return;
  entries_.clear();
  oldest_ = 0;
  end_ = 0;
}

// Room for n bytes behind the newest field, and for its entry: what was evicted is dropped, once it is as much as what is left, or else the
// block grows.
void DynamicTable::MakeRoom(size_t n) {
  if (oldest_ > entries_.size() / 2) {
    entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(oldest_));
    oldest_ = 0;
  }
  if (capacity_ - end_ >= n) return;
  const size_t begin = oldest_ < entries_.size() ? entries_[oldest_].at : end_;
  const size_t used = end_ - begin;
  char* to = bytes_.get();
  std::unique_ptr<char[]> larger;
  if (2 * (used + n) > capacity_) {
    // used + n is less than the limit, and so fits even where twice of it does not.
    capacity_ = static_cast<uint32_t>(std::clamp<size_t>(2 * (used + n), kFirstBlock, UINT32_MAX));
    larger = std::make_unique_for_overwrite<char[]>(capacity_);
    to = larger.get();
  }
  if (used != 0) std::memmove(to, bytes_.get() + begin, used);
  if (larger != nullptr) bytes_ = std::move(larger);
  for (size_t i = oldest_; i < entries_.size(); ++i) entries_[i].at -= static_cast<uint32_t>(begin);
  end_ = static_cast<uint32_t>(used);
}

}  // namespace culvert::hpack
