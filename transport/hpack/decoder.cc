#include "transport/hpack/decoder.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "absl/base/optimization.h"
#include "transport/base/check.h"
#include "transport/base/strings.h"
#include "transport/hpack/huffman.h"

namespace culvert::hpack {

namespace {
constexpr size_t kKeptUnfinished = 256;  // bytes of memory, from one block to the next
constexpr char kSizeNotTold[] = "the new size of the dynamic table is not told (RFC 7541 4.2)";

absl::Status Broken(const char* rule) { return absl::InvalidArgumentError(StrCat("header block breaks a rule of HPACK: ", rule)); }
}  // namespace

// The rest of a fragment. What asks for more than there is leaves `more` behind, what breaks a rule leaves `broken`, its name; each answers
// false then.
class Decoder::Input {
 public:
  explicit Input(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  std::span<const uint8_t> bytes() const { return bytes_; }
  const char* broken() const { return broken_; }

  bool Break(const char* rule) {
    broken_ = rule;
    return false;
  }

  uint8_t first() const { return bytes_[0]; }

  // RFC 7541 5.1: an integer that begins in the last `prefix` bits of the next byte. Not above 2^32-1.
  bool ReadInteger(int prefix, uint32_t& value) {
    if (bytes_.empty()) return false;
    const uint32_t mask = (1u << prefix) - 1;
    value = bytes_[0] & mask;
    if (ABSL_PREDICT_TRUE(value < mask)) {
      bytes_ = bytes_.subspan(1);
      return true;
    }
    uint64_t sum = value;
    for (size_t i = 1; i < bytes_.size(); ++i) {
      // Five more bytes hold 35 bits; a sixth could only be zeros in front of the number.
      if (i > 5) return Break("an integer is too long (RFC 7541 5.1)");
      sum += uint64_t{bytes_[i] & 0x7fu} << (7 * (i - 1));
      if (sum > UINT32_MAX) return Break("an integer is too large (RFC 7541 5.1)");
      if ((bytes_[i] & 0x80) != 0) continue;
      value = static_cast<uint32_t>(sum);
      bytes_ = bytes_.subspan(i + 1);
      return true;
    }
    return false;
  }

  // RFC 7541 5.2: a string as it is encoded.
  bool ReadString(std::span<const uint8_t>& encoded, bool& huffman) {
    if (bytes_.empty()) return false;
    huffman = (bytes_[0] & 0x80) != 0;
    uint32_t length = 0;
    if (!ReadInteger(7, length)) return false;
    if (length > kMaxString) return Break("a name or value is longer than 64 KiB");
    if (length > bytes_.size()) return false;
    encoded = bytes_.first(length);
    bytes_ = bytes_.subspan(length);
    return true;
  }

 private:
  std::span<const uint8_t> bytes_;
  const char* broken_ = nullptr;
};

// A name or value, where it lies or where it was decoded to.
struct Decoder::Text {
  std::string_view view;
  char nearby[4096];
  std::unique_ptr<char[]> far;

  bool Read(Input& in) {
    std::span<const uint8_t> encoded;
    bool huffman = false;
    if (!in.ReadString(encoded, huffman)) return false;
    if (!huffman) {
      view = {reinterpret_cast<const char*>(encoded.data()), encoded.size()};
      return true;
    }
    char* const to = Room(MaxHuffmanDecoded(encoded.size()));
    const std::optional<size_t> size = DecodeHuffman(encoded, to);
    if (!size) return in.Break("a Huffman code or its padding is wrong (RFC 7541 5.2)");
    view = {to, *size};
    return true;
  }

  void Copy(std::string_view text) {
    char* const to = Room(text.size());
    std::copy(text.begin(), text.end(), to);
    view = {to, text.size()};
  }

 private:
  char* Room(size_t n) {
    if (n <= sizeof(nearby)) return nearby;
    far = std::make_unique_for_overwrite<char[]>(n);
    return far.get();
  }
};

void Decoder::StartBlock(http::HeaderList& out, const Limits& limits) {
  out_ = &out;
  limits_ = limits;
  truncated_ = false;
  at_start_ = true;
}

// Decodes the field in unfinished_ with as few bytes of `fragment` as complete it, which it takes; the rest is decoded where it lies. All of them when
// they do not.
absl::Status Decoder::FinishField(std::span<const uint8_t>& fragment) {
  for (size_t step = 64; !unfinished_.empty() && !fragment.empty(); step *= 2) {
    const size_t had = unfinished_.size();
    const size_t taken = std::min(step, fragment.size());
    unfinished_.insert(unfinished_.end(), fragment.begin(), fragment.begin() + static_cast<std::ptrdiff_t>(taken));
    std::span<const uint8_t> rest = unfinished_;
    if (absl::Status status = DecodeWhole(rest); !status.ok()) return status;
    const size_t used = unfinished_.size() - rest.size();  // nothing, or the field and what is whole behind it
    fragment = fragment.subspan(used == 0 ? taken : used - had);
    if (used != 0) unfinished_.clear();
  }
  return absl::OkStatus();
}

absl::Status Decoder::Decode(std::span<const uint8_t> fragment, bool end) {
  CULVERT_DCHECK(out_ != nullptr, "Decode without StartBlock");
  absl::Status status;
  if (ABSL_PREDICT_TRUE(unfinished_.empty())) {
    status = DecodeWhole(fragment);
    if (status.ok()) unfinished_.assign(fragment.begin(), fragment.end());
  } else {
    status = FinishField(fragment);
    if (status.ok() && unfinished_.empty()) {
      if (unfinished_.capacity() > kKeptUnfinished) unfinished_ = std::vector<uint8_t>();
      status = DecodeWhole(fragment);
      if (status.ok()) unfinished_.assign(fragment.begin(), fragment.end());
    }
  }
  if (!end || !status.ok()) return status;
  out_ = nullptr;
  if (!unfinished_.empty()) return Broken("it ends within a field");
  if (ABSL_PREDICT_FALSE(size_update_due_)) return Broken(kSizeNotTold);  // a block without fields
  return absl::OkStatus();
}

// Decodes all whole fields of `bytes` and leaves there what is no whole one.
absl::Status Decoder::DecodeWhole(std::span<const uint8_t>& bytes) {
  while (!bytes.empty()) {
    Input in(bytes);
    if (ABSL_PREDICT_FALSE(!DecodeField(in))) {
      if (in.broken() == nullptr) return absl::OkStatus();
      return Broken(in.broken());
    }
    bytes = in.bytes();
  }
  return absl::OkStatus();
}

// RFC 7541 6: one representation.
bool Decoder::DecodeField(Input& in) {
  const uint8_t first = in.first();
  uint32_t number = 0;
  if ((first & 0xe0) == 0x20) return in.ReadInteger(5, number) && DecodeSizeUpdate(in, number);
  if (ABSL_PREDICT_FALSE(size_update_due_)) return in.Break(kSizeNotTold);
  if ((first & 0x80) != 0) {
    TableField field;
    if (!in.ReadInteger(7, number) || !Lookup(in, number, field)) return false;
    at_start_ = false;
    Emit(field.name, field.value, false);
    return true;
  }
  const bool index = (first & 0x40) != 0;
  if (!in.ReadInteger(index ? 6 : 4, number)) return false;
  return DecodeLiteral(in, number, index, !index && (first & 0x10) != 0);
}

bool Decoder::DecodeLiteral(Input& in, uint32_t name_index, bool index, bool sensitive) {
  Text name;
  Text value;
  if (name_index == 0) {
    if (!name.Read(in)) return false;
  } else {
    TableField field;
    if (!Lookup(in, name_index, field)) return false;
    // Insert may move what is in the dynamic table.
    if (index && name_index > kStaticFields) {
      name.Copy(field.name);
    } else {
      name.view = field.name;
    }
  }
  if (!value.Read(in)) return false;
  at_start_ = false;
  Emit(name.view, value.view, sensitive);
  if (index) table_.Insert(name.view, value.view);
  return true;
}

bool Decoder::DecodeSizeUpdate(Input& in, uint32_t size) {
  if (!at_start_) return in.Break("a table size update follows a field (RFC 7541 4.2)");
  if (size > max_table_size_) return in.Break("a table size update exceeds the limit (RFC 7541 6.3)");
  table_.SetLimit(size);
  size_update_due_ = false;
  return true;
}

bool Decoder::Lookup(Input& in, uint32_t index, TableField& field) const {
  if (index - 1 < kStaticFields) {
    field = kStaticTable[index - 1];
  } else if (index != 0 && index - 1 - kStaticFields < table_.count()) {
    field = table_.At(index - 1 - kStaticFields);
  } else {
    return in.Break("an index is in neither table (RFC 7541 2.3.3)");
  }
  return true;
}

void Decoder::Emit(std::string_view name, std::string_view value, bool sensitive) {
  if (truncated_) return;
  if (out_->size() < limits_.max_fields && out_->list_size() + http::FieldSize(name, value) <= limits_.max_list_size) {
    out_->Add(name, value, sensitive);
  } else {
    truncated_ = true;
  }
}

void Decoder::SetMaxTableSize(uint32_t size) {
  CULVERT_CHECK(out_ == nullptr, "HPACK table size changed within a header block");
  max_table_size_ = size;
  if (size < table_.limit()) size_update_due_ = true;
}

}  // namespace culvert::hpack
