// Runs a fuzz target without libFuzzer: every file of its corpora, and a fixed number of changed copies of them.
//
//   replay CHANGED_COPIES DIRECTORY...
//
// The changes are random and the same every time. An input that breaks a property is printed in hex: `xxd -r -p` makes a file of it.

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using Bytes = std::vector<uint8_t>;

Bytes Change(Bytes bytes, const std::vector<Bytes>& others, std::mt19937& random) {
  for (int changes = 1 + static_cast<int>(random() % 4); changes > 0; --changes) {
    const size_t at = bytes.empty() ? 0 : random() % bytes.size();
    const auto here = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    switch (random() % 6) {
      case 0:
        if (!bytes.empty()) *here ^= static_cast<uint8_t>(1u << random() % 8);
        break;
      case 1:
        if (!bytes.empty()) *here = static_cast<uint8_t>(random());
        break;
      case 2:
        bytes.insert(here, 1 + random() % 8, static_cast<uint8_t>(random()));
        break;
      case 3:
        if (!bytes.empty()) bytes.erase(here, here + static_cast<std::ptrdiff_t>(std::min<size_t>(bytes.size() - at, 1 + random() % 8)));
        break;
      case 4: {
        const Bytes& other = others[random() % others.size()];
        bytes.insert(here, other.begin(), other.begin() + static_cast<std::ptrdiff_t>(std::min<size_t>(other.size(), random() % 64)));
        break;
      }
      default:
        bytes.resize(at);
    }
  }
  bytes.resize(std::min<size_t>(bytes.size(), 4096));
  return bytes;
}

const Bytes* running = nullptr;

void OnAbort(int) {
  std::fprintf(stderr, "replay: the input was ");
  for (const uint8_t byte : *running) std::fprintf(stderr, "%02x", byte);
  std::fprintf(stderr, "\n");
}

void Run(const Bytes& bytes) {
  // Of its own size, so that AddressSanitizer sees a read beyond the end.
  const Bytes exact(bytes);
  running = &exact;
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "replay: CHANGED_COPIES DIRECTORY...\n");
    return 2;
  }
  const long copies = std::atol(argv[1]);
  std::vector<Bytes> corpus;
  for (int i = 2; i < argc; ++i) {
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) paths.push_back(entry.path());
    std::sort(paths.begin(), paths.end());
    if (paths.empty()) {
      std::fprintf(stderr, "replay: nothing in %s\n", argv[i]);
      return 2;
    }
    for (const std::filesystem::path& path : paths) {
      std::ifstream file(path, std::ios::binary);
      corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
  }
  std::signal(SIGABRT, OnAbort);
  for (const Bytes& bytes : corpus) Run(bytes);
  std::mt19937 random(1);
  for (long i = 0; i < copies; ++i) Run(Change(corpus[random() % corpus.size()], corpus, random));
  std::printf("%zu files, %ld changed copies\n", corpus.size(), copies);
  return 0;
}
