#include "transport/hpack/encoder.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string_view>

#include "absl/base/optimization.h"
#include "transport/base/check.h"

namespace culvert::hpack {

namespace {

// RFC 7541 5.1: an integer of 32 bits takes at most six octets. A block may begin with two size updates, and each field takes one for its
// representation, and one for each length.
constexpr size_t kLongestInteger = 6;
constexpr size_t kSizeUpdates = 2 * kLongestInteger;
constexpr size_t kFieldOverhead = 3 * kLongestInteger;

// The first bits of a representation (RFC 7541 6), and how many bits are left for the index.
struct Representation {
  uint8_t bits;
  int prefix;
};
constexpr Representation kIndexed{0x80, 7};
constexpr Representation kWithIndexing{0x40, 6};
constexpr Representation kSizeUpdate{0x20, 5};
constexpr Representation kNeverIndexed{0x10, 4};
constexpr Representation kWithoutIndexing{0x00, 4};

uint8_t* PutInteger(uint8_t* out, Representation representation, size_t value) {
  const size_t mask = (size_t{1} << representation.prefix) - 1;
  if (ABSL_PREDICT_TRUE(value < mask)) {
    *out++ = static_cast<uint8_t>(representation.bits | value);
    return out;
  }
  *out++ = static_cast<uint8_t>(representation.bits | mask);
  for (value -= mask; value >= 0x80; value >>= 7) *out++ = static_cast<uint8_t>(0x80 | value);
  *out++ = static_cast<uint8_t>(value);
  return out;
}

uint8_t* PutString(uint8_t* out, std::string_view text) {
  out = PutInteger(out, {0x00, 7}, text.size());
  if (!text.empty()) std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

// Fields that are another one in nearly every block would push out those that repeat.
bool Varies(std::string_view name) {
  switch (name.size()) {
    case 3:
      return name == "age";
    case 4:
      return name == "date" || name == "etag";
    case 12:
      return name == "grpc-timeout" || name == "grpc-message";
    case 14:
      return name == "content-length";
    case 23:
      return name == "grpc-status-details-bin";
    default:
      return false;
  }
}

// The static table's names in the order of their lengths, and where each length begins: a name is compared with the few of its length.
struct NamesByLength {
  static constexpr size_t kLongest = 27;
  std::array<uint8_t, kStaticFields> indices{};
  std::array<uint8_t, kLongest + 2> begin{};
};

constexpr NamesByLength kNames = [] {
  NamesByLength names;
  uint8_t count = 0;
  for (size_t length = 0; length <= NamesByLength::kLongest; ++length) {
    names.begin[length] = count;
    for (size_t i = 0; i < kStaticFields; ++i) {
      const bool first = i == 0 || kStaticTable[i - 1].name != kStaticTable[i].name;
      if (first && kStaticTable[i].name.size() == length) names.indices[count++] = static_cast<uint8_t>(i + 1);
    }
  }
  names.begin[NamesByLength::kLongest + 1] = count;
  return names;
}();

// The first index of that name in the static table; 0 when it has none.
uint32_t FindStaticName(std::string_view name) {
  if (name.size() > NamesByLength::kLongest) return 0;
  for (size_t i = kNames.begin[name.size()]; i < kNames.begin[name.size() + 1]; ++i) {
    if (kStaticTable[kNames.indices[i] - 1].name == name) return kNames.indices[i];
  }
  return 0;
}

bool Same(const TableField& held, const http::HeaderField& field) { return held.name == field.name && held.value == field.value; }

}  // namespace

Encoder::Encoder(uint32_t max_table_size)
    : max_table_size_(max_table_size), table_(std::min(max_table_size, kDefaultTableSize)), smallest_limit_(table_.limit()) {
  // The peer takes the default until it hears of another; a smaller one must be told (RFC 7541 4.2).
  limit_changed_ = table_.limit() != kDefaultTableSize;
}

void Encoder::SetPeerTableSize(uint32_t size) {
  const uint32_t limit = std::min(size, max_table_size_);
  if (limit == table_.limit()) return;
  table_.SetLimit(limit);
  smallest_limit_ = std::min(smallest_limit_, limit);
  limit_changed_ = true;
}

size_t Encoder::Bound(std::span<const http::HeaderField> fields) const {
  size_t bound = kSizeUpdates + kFieldOverhead * fields.size();
  for (const http::HeaderField& field : fields) bound += field.name.size() + field.value.size();
  return bound;
}

size_t Encoder::Encode(std::span<const http::HeaderField> fields, std::span<uint8_t> out) {
  CULVERT_DCHECK(out.size() >= Bound(fields), "no room for a header block");
  uint8_t* at = out.data();
  if (ABSL_PREDICT_FALSE(limit_changed_)) {
    if (smallest_limit_ < table_.limit()) at = PutInteger(at, kSizeUpdate, smallest_limit_);
    at = PutInteger(at, kSizeUpdate, table_.limit());
    smallest_limit_ = table_.limit();
    limit_changed_ = false;
  }
  if (ABSL_PREDICT_FALSE(hints_ == nullptr)) hints_ = std::make_unique<std::array<Hint, kHints>>();
  for (const http::HeaderField& field : fields) at = PutField(field, at);
  return static_cast<size_t>(at - out.data());
}

uint8_t* Encoder::PutField(const http::HeaderField& field, uint8_t* out) {
  Representation representation = kNeverIndexed;
  if (!field.sensitive) {
    const bool varies = Varies(field.name);
    if (!varies) {
      if (const size_t index = FindWhole(field); index != 0) return PutInteger(out, kIndexed, index);
    }
    // One that fills most of the table would push out all others.
    const bool large = http::FieldSize(field.name, field.value) > table_.limit() / 4 * 3;
    representation = varies || large ? kWithoutIndexing : kWithIndexing;
  }
  const size_t name = FindName(field.name);
  out = PutInteger(out, representation, name);
  if (name == 0) out = PutString(out, field.name);
  out = PutString(out, field.value);
  if (representation.bits == kWithIndexing.bits) {
    table_.Insert(field.name, field.value);
    HintFor(field) = {table_.inserted(), 1};
  }
  return out;
}

// A place that fields of the same lengths and ends share: cheap to find, and what it says is compared.
Encoder::Hint& Encoder::HintFor(const http::HeaderField& field) {
  const auto last = [](std::string_view text) { return text.empty() ? size_t{0} : static_cast<uint8_t>(text.back()); };
  return (*hints_)[(field.name.size() * 7 + last(field.name) + field.value.size() * 3 + last(field.value)) % kHints];
}

size_t Encoder::IndexOf(Hint hint) const {
  if (hint.dynamic == 0) return hint.place;
  const uint32_t age = (table_.inserted() - hint.place) & 0x7fffffff;
  return age < table_.count() ? kStaticFields + 1 + age : 0;
}

// The index of the field; 0 when neither table has it.
size_t Encoder::FindWhole(const http::HeaderField& field) {
  Hint& hint = HintFor(field);
  if (const size_t index = IndexOf(hint); index != 0 && Same(At(index), field)) return index;
  for (size_t i = 0; i < table_.count(); ++i) {
    if (!Same(table_.At(i), field)) continue;
    hint = {static_cast<uint32_t>(table_.inserted() - i), 1};
    return kStaticFields + 1 + i;
  }
  // Those of one name stand together.
  for (uint32_t i = FindStaticName(field.name); i != 0 && i <= kStaticFields && kStaticTable[i - 1].name == field.name; ++i) {
    if (kStaticTable[i - 1].value != field.value) continue;
    hint = {i, 0};
    return i;
  }
  return 0;
}

size_t Encoder::FindName(std::string_view name) const {
  if (const uint32_t index = FindStaticName(name); index != 0) return index;
  for (size_t i = 0; i < table_.count(); ++i) {
    if (table_.At(i).name == name) return kStaticFields + 1 + i;
  }
  return 0;
}

}  // namespace culvert::hpack
