#include "transport/http2/priority.h"

#include <algorithm>

namespace culvert::http2 {

namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsAlpha(char c) { return IsLower(c) || (c >= 'A' && c <= 'Z'); }
bool IsOneOf(char c, std::string_view set) { return set.find(c) != set.npos; }

// The value of a member, as far as it matters here.
struct Value {
  enum class Type { kInteger, kBoolean, kOther };
  Type type = Type::kOther;
  int64_t number = 0;  // of a boolean 0 or 1
};

// Structured fields from left to right (RFC 8941 4.2). Each Read answers false where the RFC says to fail parsing.
class Reader {
 public:
  explicit Reader(std::string_view text) : left_(text) {}

  bool at_end() const { return left_.empty(); }

  bool Take(char c) {
    if (left_.empty() || left_[0] != c) return false;
    left_.remove_prefix(1);
    return true;
  }
  void Skip(std::string_view set) { left_.remove_prefix(std::min(left_.find_first_not_of(set), left_.size())); }

  // 4.2.3.3
  bool ReadKey(std::string_view& key) {
    if (left_.empty() || !(IsLower(left_[0]) || left_[0] == '*')) return false;
    key = TakeWhile([](char c) { return IsLower(c) || IsDigit(c) || IsOneOf(c, "_-.*"); });
    return true;
  }

  // 4.2.2: what follows the key. Without a value it is true.
  bool ReadMember(Value& value) {
    value = {Value::Type::kBoolean, 1};
    if (Take('=') && !(Take('(') ? ReadInnerList(value) : ReadBareItem(value))) return false;
    return SkipParameters();
  }

 private:
  template <class Test>
  std::string_view TakeWhile(Test test) {
    const auto end = std::find_if_not(left_.begin(), left_.end(), test);
    const std::string_view taken = left_.substr(0, static_cast<size_t>(end - left_.begin()));
    left_.remove_prefix(taken.size());
    return taken;
  }

  // 4.2.3.2
  bool SkipParameters() {
    while (Take(';')) {
      Skip(" ");
      std::string_view key;
      Value value;
      if (!ReadKey(key) || (Take('=') && !ReadBareItem(value))) return false;
    }
    return true;
  }

  // 4.2.1.2, behind its parenthesis. Lists do not nest.
  bool ReadInnerList(Value& value) {
    for (;;) {
      Skip(" ");
      if (Take(')')) break;
      if (!ReadBareItem(value) || !SkipParameters()) return false;
      if (left_.empty() || !IsOneOf(left_[0], " )")) return false;
    }
    value = {};
    return true;
  }

  // 4.2.3.1
  bool ReadBareItem(Value& value) {
    value = {};
    if (left_.empty()) return false;
    const char first = left_[0];
    if (first == '-' || IsDigit(first)) return ReadNumber(value);
    if (first == '*' || IsAlpha(first)) {  // a token, 4.2.6
      TakeWhile([](char c) { return IsAlpha(c) || IsDigit(c) || IsOneOf(c, "!#$%&'*+-.^_`|~:/"); });
      return true;
    }
    left_.remove_prefix(1);
    switch (first) {
      case '"':
        return SkipString();
      case ':':  // bytes, 4.2.7
        TakeWhile([](char c) { return IsAlpha(c) || IsDigit(c) || IsOneOf(c, "+/="); });
        return Take(':');
      case '?':  // 4.2.8
        value = {Value::Type::kBoolean, Take('1')};
        return value.number == 1 || Take('0');
      default:
        return false;
    }
  }

  // 4.2.4: at most 15 digits, or 12, a point, and up to three more.
  bool ReadNumber(Value& value) {
    const bool negative = Take('-');
    const std::string_view digits = TakeWhile(IsDigit);
    if (digits.empty() || digits.size() > 15) return false;
    if (Take('.')) {
      const size_t fraction = TakeWhile(IsDigit).size();
      return digits.size() <= 12 && fraction >= 1 && fraction <= 3;
    }
    value.type = Value::Type::kInteger;
    for (const char c : digits) value.number = value.number * 10 + (c - '0');
    if (negative) value.number = -value.number;
    return true;
  }

  // 4.2.5, behind its quote.
  bool SkipString() {
    while (!left_.empty()) {
      const char c = left_[0];
      left_.remove_prefix(1);
      if (c == '"') return true;
      if (c == '\\' ? !(Take('"') || Take('\\')) : c < ' ' || c > '~') return false;
    }
    return false;
  }

  std::string_view left_;
};

}  // namespace

std::optional<Priority> ParsePriority(std::string_view field_value) {
  Priority said;
  bool has_urgency = false, has_incremental = false;
  Reader reader(field_value);
  reader.Skip(" ");
  while (!reader.at_end()) {
    std::string_view key;
    Value value;
    if (!reader.ReadKey(key) || !reader.ReadMember(value)) return std::nullopt;
    // Of a key that comes twice the last counts (RFC 8941 4.2.2), be it one to be ignored.
    if (key == "u") {
      has_urgency = value.type == Value::Type::kInteger && value.number >= 0 && value.number < kUrgencies;
      said.urgency = has_urgency ? static_cast<uint8_t>(value.number) : Priority().urgency;
    } else if (key == "i") {
      has_incremental = value.type == Value::Type::kBoolean;
      said.incremental = has_incremental && value.number != 0;
    }
    reader.Skip(" \t");
    if (reader.at_end()) break;
    if (!reader.Take(',')) return std::nullopt;
    reader.Skip(" \t");
    if (reader.at_end()) return std::nullopt;  // a comma and nothing behind it
  }
  return has_urgency || has_incremental ? said : kUnsignalled;
}

void EarlyPriorities::Set(frame::StreamId id, Priority priority) {
  std::erase_if(entries_, [id](const Entry& entry) { return entry.id == id; });
  if (entries_.size() == kMost) entries_.erase(entries_.begin());
  entries_.push_back({id, priority});
}

std::optional<Priority> EarlyPriorities::Take(frame::StreamId id) {
  std::optional<Priority> priority;
  for (const Entry& entry : entries_) {
    if (entry.id == id) priority = entry.priority;
  }
  std::erase_if(entries_, [id](const Entry& entry) { return entry.id <= id; });
  return priority;
}

}  // namespace culvert::http2
