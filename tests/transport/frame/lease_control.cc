// A reader thread with a framer, a consumer thread that is handed its frames, and a gate between them: kept to, and broken on purpose.
//
//   lease_control build                    prints what can be reported here: "asan debug", "tsan debug", "plain debug", "plain opt", ...
//   lease_control gated                    a thousand frames, each given back before the next ReadFrame. Nothing may be reported.
//   lease_control same_thread TYPE         looks at a frame's bytes after the next ReadFrame
//   lease_control refilled TYPE            looks at them later still, when other bytes have been read
//   lease_control other_thread TYPE        the gate left open: the consumer looks at them while the reader has gone on
//   lease_control stale TYPE               uses a FrameRef after the next ReadFrame
//
// TYPE: DATA, WINDOW_UPDATE, HEADERS or CONTINUATION (HEADERS in several frames, merged). Exits with 0, and says so, when nothing has
// stopped it. lease_control_test.py runs it and knows what has to be reported where.

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "tests/support/frame_script/frame_script.h"
#include "transport/base/strings.h"
#include "transport/frame/constants.h"
#include "transport/frame/frame.h"
#include "transport/frame/framer.h"
#include "transport/http/header_list.h"
#include "transport/io/block_pool.h"

namespace culvert::frame {
namespace {

#if defined(__SANITIZE_ADDRESS__)
#define CULVERT_CONTROL_BUILD "asan"
#elif defined(__SANITIZE_THREAD__)
#define CULVERT_CONTROL_BUILD "tsan"
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CULVERT_CONTROL_BUILD "asan"
#elif __has_feature(thread_sanitizer)
#define CULVERT_CONTROL_BUILD "tsan"
#endif
#endif
#ifndef CULVERT_CONTROL_BUILD
#define CULVERT_CONTROL_BUILD "plain"
#endif

#ifdef NDEBUG
constexpr char kBuild[] = CULVERT_CONTROL_BUILD " opt";
#else
constexpr char kBuild[] = CULVERT_CONTROL_BUILD " debug";
#endif

constexpr std::array<std::string_view, 4> kTypes = {"DATA", "WINDOW_UPDATE", "HEADERS", "CONTINUATION"};
constexpr size_t kFrames = 1000;
// The first piece of a header block that is cut.
constexpr uint32_t kCut = 20;

// --- what is sent, and what is to be read of it ---

bool Padded(size_t number) { return number / kTypes.size() % 2 != 0; }
std::string Body(size_t number) { return std::string(60 + number % 20, static_cast<char>('a' + number % 26)); }

void Append(testing_support::FrameScript& script, std::string_view type, size_t number) {
  const uint8_t end = number % 3 == 0 ? testing_support::kEndStream : 0;
  const std::string body = Body(number), text = std::to_string(number);
  const testing_support::Fields fields = {{":method", "POST"}, {"number", text}, {"value", body, true}};
  if (type == "DATA") {
    if (Padded(number)) {
      script.PaddedData(1, body, 7, end);
    } else {
      script.Data(1, body, end);
    }
  } else if (type == "WINDOW_UPDATE") {
    script.WindowUpdate(1, static_cast<uint32_t>(number) + 1);
  } else {
    script.Headers(1, fields, end, type == "HEADERS" ? kMinMaxFrameSize : kCut);
  }
}

std::string Content(std::string_view type, size_t number) {
  const std::string_view end = number % 3 == 0 ? " end" : "";
  if (type == "DATA") return StrCat("DATA ", Body(number), end, " of ", Body(number).size() + (Padded(number) ? 8 : 0));
  if (type == "WINDOW_UPDATE") return StrCat("WINDOW_UPDATE ", number + 1);
  return StrCat(type, " :method=POST number=", number, " value=", Body(number), end);
}

// Looks at every byte that is lent with the frame.
std::string Read(const Frame& frame) {
  if (const auto* data = std::get_if<DataFrame>(&frame.body)) {
    const std::string body(data->data.begin(), data->data.end());
    return StrCat("DATA ", body, data->end_stream ? " end" : "", " of ", data->flow_controlled_length);
  }
  if (const auto* update = std::get_if<WindowUpdateFrame>(&frame.body)) return StrCat("WINDOW_UPDATE ", update->increment);
  const auto* headers = std::get_if<HeadersFrame>(&frame.body);
  if (headers == nullptr || headers->truncated || headers->has_priority) return "something else";
  std::string text = frame.header.length == kCut ? "CONTINUATION" : "HEADERS";
  for (const http::HeaderField& field : *headers->fields) text += StrCat(" ", field.name, "=", field.value);
  return text + (headers->end_stream ? " end" : "");
}

// Some bytes that are lent with the frame.
std::span<const uint8_t> Lent(const Frame& frame) {
  if (const auto* data = std::get_if<DataFrame>(&frame.body)) return data->data;
  if (const auto* update = std::get_if<WindowUpdateFrame>(&frame.body)) {
    return {reinterpret_cast<const uint8_t*>(&update->increment), sizeof(update->increment)};
  }
  const http::HeaderList& fields = *std::get<HeadersFrame>(frame.body).fields;
  const std::string_view value = fields[fields.size() - 1].value;
  return {reinterpret_cast<const uint8_t*>(value.data()), value.size()};
}

[[gnu::noinline]] void LookAt(std::span<const uint8_t> bytes) {
  unsigned sum = 0;
  for (const uint8_t& byte : bytes) sum += *static_cast<const volatile uint8_t*>(&byte);
  std::printf("looked at %zu bytes, %u in all\n", bytes.size(), sum);
}

// --- the plumbing ---

// A framer and what its peer sends. The hand-over's two threads share it, so that neither's end frees anything.
class Reading {
 public:
  void Feed(std::string_view type, size_t number) {
    Append(script_, type, number);
    const std::string bytes = script_.Bytes();
    const std::span<uint8_t> space = framer_.Space();
    if (bytes.size() > space.size()) std::abort();
    std::memcpy(space.data(), bytes.data(), bytes.size());
    framer_.Feed(bytes.size());
  }
  FrameRef Next() {
    absl::StatusOr<FrameRef> frame = framer_.ReadFrame();
    if (!frame.ok() || !*frame) {
      std::fprintf(stderr, "lease_control: no frame\n");
      std::_Exit(2);
    }
    return *std::move(frame);
  }
  void Park() { framer_.Park(); }

 private:
  testing_support::FrameScript script_;
  io::BlockPool pool_;
  Framer framer_{pool_, Framer::Options()};
};

// What the consumer is handed.
struct Loan {
  const FrameRef* frame;
  std::span<const uint8_t> bytes;
};

// Lend makes what the reader did before it known to the consumer; Return and AwaitReturn do the same the other way.
class Gate {
 public:
  void Lend(const Loan& loan) {
    const std::lock_guard lock(mutex_);
    loan_ = &loan;
    changed_.notify_all();
  }
  void AwaitReturn() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return loan_ == nullptr; });
  }
  void End() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }

  // Null at the end.
  const Loan* Take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return loan_ != nullptr || ended_; });
    return loan_;
  }
  void Return() {
    const std::lock_guard lock(mutex_);
    loan_ = nullptr;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  const Loan* loan_ = nullptr;
  bool ended_ = false;
};

// --- the modes ---

int Gated() {
  Reading reading;
  Gate gate;
  size_t wrong = 0, frames = 0;  // the consumer's, until it is joined
  std::thread consumer([&] {
    while (const Loan* loan = gate.Take()) {
      const std::string expected = Content(kTypes[frames % kTypes.size()], frames);
      if (const std::string got = Read(**loan->frame); got != expected) {
        std::fprintf(stderr, "lease_control: frame %zu is \"%s\" and not \"%s\"\n", frames, got.c_str(), expected.c_str());
        ++wrong;
      }
      ++frames;
      gate.Return();
    }
  });
  std::thread reader([&] {
    for (size_t number = 0; number < kFrames; number += kTypes.size()) {
      for (size_t i = 0; i < kTypes.size(); ++i) reading.Feed(kTypes[i], number + i);
      for (size_t i = 0; i < kTypes.size(); ++i) {
        const FrameRef frame = reading.Next();
        const Loan loan{&frame, Lent(*frame)};
        gate.Lend(loan);
        gate.AwaitReturn();
      }
      if (number % 3 == 0) reading.Park();
    }
    gate.End();
  });
  reader.join();
  consumer.join();
  std::printf("%zu frames, %zu wrong\n", frames, wrong);
  return wrong == 0 && frames == kFrames ? 0 : 2;
}

void SameThread(std::string_view type) {
  Reading reading;
  reading.Feed(type, 0);
  reading.Feed(type, 1);
  const FrameRef frame = reading.Next();
  const std::span<const uint8_t> kept = Lent(*frame);
  reading.Next();
  LookAt(kept);
}

void Refilled(std::string_view type) {
  Reading reading;
  reading.Feed(type, 0);
  const FrameRef frame = reading.Next();
  const std::span<const uint8_t> kept = Lent(*frame);
  reading.Park();
  reading.Feed(type, 1);
  reading.Next();
  LookAt(kept);
}

// As Gated, without AwaitReturn. `gone_on` makes the order certain, and tells the consumer nothing else.
void OtherThread(std::string_view type) {
  Reading reading;
  FrameRef frame;
  Loan loan{};
  Gate gate;
  std::atomic<bool> gone_on{false};
  std::thread consumer([&] {
    const std::span<const uint8_t> kept = gate.Take()->bytes;
    while (!gone_on.load(std::memory_order_relaxed)) std::this_thread::yield();
    LookAt(kept);
  });
  std::thread reader([&] {
    reading.Feed(type, 0);
    frame = reading.Next();
    loan = {&frame, Lent(*frame)};
    gate.Lend(loan);
    reading.Feed(type, 1);
    reading.Next();
    gone_on.store(true, std::memory_order_relaxed);
  });
  reader.join();
  consumer.join();
}

void Stale(std::string_view type) {
  Reading reading;
  reading.Feed(type, 0);
  reading.Feed(type, 1);
  const FrameRef stale = reading.Next();
  reading.Next();
  std::printf("a frame of %u bytes\n", stale->header.length);
}

int Run(std::string_view mode, std::string_view type) {
  if (mode == "build") {
    std::printf("%s\n", kBuild);
    return 0;
  }
  if (mode == "gated") return Gated();
  constexpr std::pair<std::string_view, void (*)(std::string_view)> kModes[] = {
      {"same_thread", SameThread}, {"refilled", Refilled}, {"other_thread", OtherThread}, {"stale", Stale}};
  for (const auto& [name, run] : kModes) {
    for (const std::string_view known : kTypes) {
      if (mode != name || type != known) continue;
      run(type);
      std::printf("nothing has stopped it\n");
      return 0;
    }
  }
  std::fprintf(stderr, "usage: lease_control build | gated | same_thread TYPE | refilled TYPE | other_thread TYPE | stale TYPE\n");
  return 2;
}

}  // namespace
}  // namespace culvert::frame

int main(int argc, char** argv) { return culvert::frame::Run(argc > 1 ? argv[1] : "", argc > 2 ? argv[2] : ""); }
