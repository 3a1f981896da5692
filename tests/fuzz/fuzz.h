#ifndef CULVERT_TESTS_FUZZ_FUZZ_H_
#define CULVERT_TESTS_FUZZ_FUZZ_H_

// What fuzz targets share. A target is LLVMFuzzerTestOneInput; --config=fuzz gives it libFuzzer's main, other configurations that of replay_main.cc.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

// A property that any input must have.
#define FUZZ_EXPECT(condition)                                                          \
  do {                                                                                  \
    if (!(condition)) {                                                                 \
      std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                     \
    }                                                                                   \
  } while (false)

namespace culvert::fuzz {

// Takes an input apart: the choices a target makes come from its bytes. Zeros when there are none left. At most one call in an expression whose
// order is the compiler's choice, or an input means one thing to one compiler and another to the next.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : bytes_(data, size) {}

  bool empty() const { return bytes_.empty(); }
  uint8_t Byte() {
    if (bytes_.empty()) return 0;
    const uint8_t byte = bytes_[0];
    bytes_ = bytes_.subspan(1);
    return byte;
  }
  uint16_t Short() { return static_cast<uint16_t>(Bytes(2)); }
  uint32_t Number() { return static_cast<uint32_t>(Bytes(4)); }
  uint64_t Long() { return Bytes(8); }
  std::string_view Text(size_t n) {
    const std::span<const uint8_t> text = bytes_.first(n < bytes_.size() ? n : bytes_.size());
    bytes_ = bytes_.subspan(text.size());
    return {reinterpret_cast<const char*>(text.data()), text.size()};
  }
  // A length and that many bytes.
  std::string_view Text() { return Text(Byte()); }
  std::span<const uint8_t> rest() const { return bytes_; }

 private:
  uint64_t Bytes(int n) {
    uint64_t number = 0;
    for (; n > 0; --n) number = number << 8 | Byte();
    return number;
  }

  std::span<const uint8_t> bytes_;
};

}  // namespace culvert::fuzz

#endif  // CULVERT_TESTS_FUZZ_FUZZ_H_
