// The contract of frame reuse (README.md, "The lease"), one type of frame at a time: with reuse the same storage parse after parse, nothing
// of one frame in the next, and no allocation; without it storage of each frame's own. And that sessions of both roles are wired to it.
//
// framer_test.cc has the rest of the framer's rules; lease_control_test.py has what becomes of those who break the lease.

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <ostream>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "gtest/gtest.h"
#include "bench/allocation_counter/allocation_counter.h"
#include "tests/support/frame_script/frame_script.h"
#include "tests/support/memory_stream/memory_stream.h"
#include "transport/base/strings.h"
#include "transport/frame/constants.h"
#include "transport/frame/frame.h"
#include "transport/frame/framer.h"
#include "transport/http/exchange.h"
#include "transport/http2/session.h"
#include "transport/io/block_pool.h"
#include "transport/io/byte_stream.h"
#include "transport/io/event_loop.h"
#include "transport/io/poison.h"

namespace culvert::frame {
namespace {

using testing_support::FrameScript;

// --- frames ---

std::string Raw(FrameType type, uint8_t flags, StreamId id, std::string_view payload) {
  FrameScript script;
  return script.Raw(type, flags, id, payload).Bytes();
}

std::string Int(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8), static_cast<char>(value)};
}

struct Kind {
  std::string name;
  std::vector<std::string> full;  // between them they fill every field; the first has something in each part that is lent
  std::string plain;              // fills none
};

void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

// Three fields are as many as a list may have here: a longer one is truncated.
constexpr Framer::Options kOptions{.max_header_fields = 3};

std::vector<Kind> Kinds() {
  // Without Huffman coding or the dynamic table: ":method" = "GET", "name" = "value", and then more than fits.
  const std::string block = std::string("\x82\x00\x04name\x05value", 13) + std::string(10, '\x82');
  const std::string priority = Int(0x80000005) + "\x0f";
  std::string many;  // literals, not indexed (RFC 7541 6.2.2)
  for (int i = 0; i < 20; ++i) many += std::string("\x00\x05x-key\x1e", 8) + std::string(30, 'v');
  const uint8_t all = flags::kEndStream | flags::kPadded | flags::kPriority;
  const std::string settings("\x00\x04\x00\x01\x00\x00\x00\x05\x00\x00\x80\x00", 12);
  const auto unknown = [](uint8_t type) { return static_cast<FrameType>(type); };
  return {
      {"Data",
       {Raw(FrameType::kData, flags::kEndStream | flags::kPadded, 3, "\x04padded" + std::string(4, '\0'))},
       Raw(FrameType::kData, 0, 11, "")},
      {"WindowUpdate", {Raw(FrameType::kWindowUpdate, 0, 9, Int(0x7fffffff))}, Raw(FrameType::kWindowUpdate, 0, 0, Int(1))},
      {"Headers",
       {Raw(FrameType::kHeaders, flags::kEndHeaders | all, 3, "\x03" + priority + block + std::string(3, '\0'))},
       Raw(FrameType::kHeaders, flags::kEndHeaders, 11, "")},
      // Torn within a field.
      {"HeadersAndContinuation",
       {Raw(FrameType::kHeaders, all, 3, "\x03" + priority + block.substr(0, 3) + std::string(3, '\0')) +
        Raw(FrameType::kContinuation, 0, 3, block.substr(3, 5)) + Raw(FrameType::kContinuation, flags::kEndHeaders, 3, block.substr(8))},
       Raw(FrameType::kHeaders, 0, 11, "") + Raw(FrameType::kContinuation, flags::kEndHeaders, 11, "")},
      // The same with much behind it.
      {"ManyFieldsOverContinuation",
       {Raw(FrameType::kHeaders, all, 3, "\x03" + priority + many.substr(0, 50) + std::string(3, '\0')) +
        Raw(FrameType::kContinuation, flags::kEndHeaders, 3, many.substr(50))},
       Raw(FrameType::kHeaders, 0, 11, "") + Raw(FrameType::kContinuation, flags::kEndHeaders, 11, "")},
      {"Settings",
       {Raw(FrameType::kSettings, 0, 0, settings), Raw(FrameType::kSettings, flags::kAck, 0, "")},
       Raw(FrameType::kSettings, 0, 0, "")},
      {"Ping", {Raw(FrameType::kPing, flags::kAck, 0, "01234567")}, Raw(FrameType::kPing, 0, 0, std::string(8, '\0'))},
      {"RstStream", {Raw(FrameType::kRstStream, 0, 9, Int(8))}, Raw(FrameType::kRstStream, 0, 11, Int(0))},
      {"Priority", {Raw(FrameType::kPriority, 0, 9, priority)}, Raw(FrameType::kPriority, 0, 11, std::string(5, '\0'))},
      {"GoAway", {Raw(FrameType::kGoAway, 0, 0, Int(7) + Int(11) + "too many")}, Raw(FrameType::kGoAway, 0, 0, Int(0) + Int(0))},
      {"PushPromise",
       {Raw(FrameType::kPushPromise, flags::kEndHeaders, 1, Int(2) + block)},
       Raw(FrameType::kPushPromise, flags::kEndHeaders, 11, Int(4))},
      {"PriorityUpdate",
       {Raw(FrameType::kPriorityUpdate, 0xff, 0, Int(9) + "u=1, i")},
       Raw(FrameType::kPriorityUpdate, 0, 0, Int(11))},
      {"Unknown", {Raw(unknown(0xf0), 0xff, 5, "whatever")}, Raw(unknown(0xf0), 0, 0, "")},
  };
}

// --- what a frame says, and where ---

// Every field of a body, a line each, with the bytes behind its spans and pointers.
struct BodyLines {
  using Lines = std::vector<std::string>;

  static std::string Text(std::span<const uint8_t> bytes) { return {bytes.begin(), bytes.end()}; }
  static std::string Text(const http::HeaderList* fields) {
    if (fields == nullptr) return "none";
    std::string text;
    for (const http::HeaderField& field : *fields) text += StrCat("{", field.name, "=", field.value, field.sensitive ? "!" : "", "}");
    return text;
  }
  static Lines Of(const Priority& priority) {
    return {StrCat("depends on ", priority.depends_on), StrCat("exclusive ", int{priority.exclusive}), StrCat("weight ", int{priority.weight})};
  }

  Lines operator()(const DataFrame& f) const {
    return {StrCat("data ", Text(f.data)), StrCat("end ", int{f.end_stream}), StrCat("charged ", f.flow_controlled_length)};
  }
  Lines operator()(const HeadersFrame& f) const {
    Lines lines = Of(f.priority);
    lines.insert(lines.end(), {StrCat("fields ", Text(f.fields)), StrCat("end ", int{f.end_stream}), StrCat("truncated ", int{f.truncated}),
                               StrCat("has priority ", int{f.has_priority})});
    return lines;
  }
  Lines operator()(const PriorityFrame& f) const { return Of(f.priority); }
  Lines operator()(const RstStreamFrame& f) const { return {StrCat("code ", static_cast<uint32_t>(f.error_code))}; }
  Lines operator()(const SettingsFrame& f) const {
    std::string settings;
    for (const Setting& setting : f.settings) settings += StrCat("{", static_cast<int>(setting.id), "=", setting.value, "}");
    return {StrCat("settings ", settings), StrCat("ack ", int{f.ack})};
  }
  Lines operator()(const PushPromiseFrame& f) const {
    return {StrCat("promised ", f.promised_stream_id), StrCat("fields ", Text(f.fields)), StrCat("truncated ", int{f.truncated})};
  }
  Lines operator()(const PingFrame& f) const { return {StrCat("opaque ", Text(f.opaque)), StrCat("ack ", int{f.ack})}; }
  Lines operator()(const GoAwayFrame& f) const {
    return {StrCat("last ", f.last_stream_id), StrCat("code ", static_cast<uint32_t>(f.error_code)), StrCat("debug ", Text(f.debug_data))};
  }
  Lines operator()(const WindowUpdateFrame& f) const { return {StrCat("increment ", f.increment)}; }
  Lines operator()(const PriorityUpdateFrame& f) const {
    return {StrCat("of ", f.prioritized_stream_id), StrCat("priority ", Text(f.field_value))};
  }
  Lines operator()(const UnknownFrame& f) const { return {StrCat("payload ", Text(f.payload))}; }
};

std::vector<std::string> Everything(const Frame& frame) {
  std::vector<std::string> lines = std::visit(BodyLines(), frame.body);
  lines.push_back(StrCat("header ", frame.header.length, " ", static_cast<int>(frame.header.type), " ", int{frame.header.flags}, " ",
                         frame.header.stream_id));
  return lines;
}

// Where the parts lie that are lent with a frame: those that are the framer's own, and those in the read block.
struct Where {
  std::vector<const void*> own;
  std::vector<const void*> read;
};

Where Locate(const Frame& frame) {
  Where where{.own = {&frame}, .read = {}};
  const auto add_list = [&where](const http::HeaderList* list) {
    where.own.insert(where.own.end(), {list, list->fields().data(), (*list)[0].name.data()});
  };
  if (const auto* headers = std::get_if<HeadersFrame>(&frame.body)) add_list(headers->fields);
  if (const auto* push = std::get_if<PushPromiseFrame>(&frame.body)) add_list(push->fields);
  if (const auto* settings = std::get_if<SettingsFrame>(&frame.body)) where.own.push_back(settings->settings.data());
  if (const auto* data = std::get_if<DataFrame>(&frame.body)) where.read.push_back(data->data.data());
  if (const auto* goaway = std::get_if<GoAwayFrame>(&frame.body)) where.read.push_back(goaway->debug_data.data());
  if (const auto* update = std::get_if<PriorityUpdateFrame>(&frame.body)) where.read.push_back(update->field_value.data());
  if (const auto* unknown = std::get_if<UnknownFrame>(&frame.body)) where.read.push_back(unknown->payload.data());
  return where;
}

// --- a framer ---

void Feed(Framer& framer, std::string_view bytes) {
  while (!bytes.empty()) {
    const std::span<uint8_t> space = framer.Space();
    const size_t n = std::min(space.size(), bytes.size());
    std::memcpy(space.data(), bytes.data(), n);
    framer.Feed(n);
    bytes.remove_prefix(n);
  }
}

// The next frame, which must be there.
FrameRef Next(Framer& framer) {
  absl::StatusOr<FrameRef> frame = framer.ReadFrame();
  EXPECT_TRUE(frame.ok()) << frame.status();
  if (!frame.ok()) return FrameRef();
  EXPECT_TRUE(static_cast<bool>(*frame)) << "more bytes are needed";
  return *std::move(frame);
}

std::vector<std::string> Alone(const std::string& bytes) {
  io::BlockPool pool;
  Framer framer(pool, kOptions);
  Feed(framer, bytes);
  return Everything(*Next(framer));
}

// --- the tests ---

class Reuse : public ::testing::TestWithParam<Kind> {};

INSTANTIATE_TEST_SUITE_P(Frames, Reuse, ::testing::ValuesIn(Kinds()),
                         [](const ::testing::TestParamInfo<Kind>& kind) { return kind.param.name; });

TEST_P(Reuse, ConsecutiveFramesShareTheirStorage) {
  io::BlockPool pool;
  Framer framer(pool, kOptions);
  framer.SetReuseFrames(true);
  std::vector<std::set<const void*>> own, read;
  for (int turn = 0; turn < 20; ++turn) {
    Feed(framer, GetParam().full.front());
    {
      const FrameRef frame = Next(framer);
      const Where where = Locate(*frame);
      own.resize(where.own.size());
      read.resize(where.read.size());
      if (turn >= 2) {  // arrays have found their size
        for (size_t i = 0; i < own.size(); ++i) own[i].insert(where.own[i]);
        for (size_t i = 0; i < read.size(); ++i) read[i].insert(where.read[i]);
      }
    }
    framer.Park();
  }
  for (size_t i = 0; i < own.size(); ++i) EXPECT_EQ(own[i].size(), 1u) << "part " << i;
  // Under AddressSanitizer two read blocks take turns.
  for (size_t i = 0; i < read.size(); ++i) EXPECT_EQ(read[i].size(), io::kPoisons ? 2u : 1u) << "part " << i;
}

// Else the next test would show little.
TEST_P(Reuse, TheFramesOfTheNextTestFillEveryField) {
  const std::vector<std::string> plain = Alone(GetParam().plain);
  std::vector<bool> filled(plain.size());
  for (const std::string& full : GetParam().full) {
    const std::vector<std::string> lines = Alone(full);
    ASSERT_EQ(lines.size(), plain.size());
    for (size_t i = 0; i < lines.size(); ++i) filled[i] = filled[i] || lines[i] != plain[i];
  }
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_TRUE(filled[i]) << plain[i];
}

TEST_P(Reuse, NothingBleedsIntoTheNextFrame) {
  const std::vector<std::string> alone = Alone(GetParam().plain);
  for (const bool park : {false, true}) {
    io::BlockPool pool;
    Framer framer(pool, kOptions);
    framer.SetReuseFrames(true);
    for (int turn = 0; turn < 3; ++turn) {
      for (const std::string& full : GetParam().full) {
        if (park) {
          Feed(framer, full);
          EXPECT_EQ(Everything(*Next(framer)), Alone(full));
          framer.Park();
          Feed(framer, GetParam().plain);
        } else {
          Feed(framer, full + GetParam().plain);
          EXPECT_EQ(Everything(*Next(framer)), Alone(full));
        }
        EXPECT_EQ(Everything(*Next(framer)), alone) << "turn " << turn << (park ? ", parked" : "");
      }
    }
  }
}

TEST_P(Reuse, WithReuseOffEveryFrameHasStorageOfItsOwnAndKeepsIt) {
  constexpr size_t kFrames = 5;
  auto pool = std::make_unique<io::BlockPool>();
  auto framer = std::make_unique<Framer>(*pool, kOptions);
  framer->SetReuseFrames(false);
  std::vector<FrameRef> kept;
  std::vector<std::set<const void*>> parts;
  for (size_t turn = 0; turn < kFrames; ++turn) {
    Feed(*framer, GetParam().full.front() + GetParam().plain);
    kept.push_back(Next(*framer));
    Where where = Locate(*kept.back());
    where.own.insert(where.own.end(), where.read.begin(), where.read.end());
    parts.resize(where.own.size());
    for (size_t i = 0; i < parts.size(); ++i) parts[i].insert(where.own[i]);
    Next(*framer);
    framer->Park();
  }
  framer.reset();
  pool.reset();
  for (size_t i = 0; i < parts.size(); ++i) EXPECT_EQ(parts[i].size(), kFrames) << "part " << i;
  for (const FrameRef& frame : kept) EXPECT_EQ(Everything(*frame), Alone(GetParam().full.front()));
}

// How often `kTurns` parses in steady state ask the heap for memory.
constexpr uint64_t kTurns = 100;

uint64_t Allocations(const std::string& bytes, bool reuse) {
  io::BlockPool pool;
  Framer framer(pool, kOptions);
  framer.SetReuseFrames(reuse);
  bool good = true;
  const auto turn = [&] {
    Feed(framer, bytes);
    const absl::StatusOr<FrameRef> frame = framer.ReadFrame();
    good = good && frame.ok() && *frame;
    framer.Park();
  };
  for (uint64_t i = 0; i < kTurns; ++i) turn();
  const testing::AllocationCounter counter;
  for (uint64_t i = 0; i < kTurns; ++i) turn();
  const uint64_t count = counter.Count();
  EXPECT_TRUE(good);
  return count;
}

TEST_P(Reuse, SavesEachFrameItsAllocations) {
  for (const std::string& bytes : {GetParam().full.front(), GetParam().plain}) {
    EXPECT_EQ(Allocations(bytes, /*reuse=*/true), 0u);
    EXPECT_GE(Allocations(bytes, /*reuse=*/false), kTurns);
  }
}

#ifndef NDEBUG
// The call ends the lease, whatever it answers. framer_test.cc has the other calls that do.
TEST(LeaseDeathTest, AReadFrameThatFailsEndsTheLeaseToo) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  for (const StreamId broken : {StreamId{9}, StreamId{0}}) {  // an error of the stream, and of the connection
    io::BlockPool pool;
    Framer framer(pool, kOptions);
    framer.SetReuseFrames(true);
    Feed(framer, Raw(FrameType::kPing, 0, 0, "01234567") + Raw(FrameType::kWindowUpdate, 0, broken, Int(0)));
    const FrameRef stale = Next(framer);
    EXPECT_FALSE(framer.ReadFrame().ok());
    EXPECT_DEATH(static_cast<void>(stale->header), "frame used after the next ReadFrame");
  }
}
#endif

// --- sessions ---

constexpr std::string_view kSecret = "the bearer of this";

// What becomes of the peer's message: who is lent it remembers where it lay.
class Borrower final : public http::Receiver, public http::Handler {
 public:
  void OnRequest(http::Exchange& to, const http::RequestHead& head, bool) override {
    exchange = &to;
    to.SetReceiver(this);
    See(head.fields);
  }
  void OnHead(const http::ResponseHead& head, bool) override { See(head.fields); }
  void OnData(std::span<const uint8_t> bytes, bool) override {
    data.push_back(reinterpret_cast<uintptr_t>(bytes.data()));
    body.append(bytes.begin(), bytes.end());
    exchange->Consumed(bytes.size());
  }
  void OnTrailers(std::span<const http::HeaderField>) override {}
  void OnWritable() override {}
  void OnClosed(const absl::Status& why, bool) override { closed = why; }

  http::Exchange* exchange = nullptr;
  const char* secret = nullptr;  // where its value lay
  std::string secret_seen;
  std::vector<uintptr_t> data;
  std::string body;
  absl::Status closed;

 private:
  void See(std::span<const http::HeaderField> fields) {
    for (const http::HeaderField& field : fields) {
      if (field.name != "secret") continue;
      secret = field.value.data();
      secret_seen = field.value;
    }
  }
};

// A session of either role over memory; the test is its peer.
class Connected {
 public:
  explicit Connected(http2::Role role) : role_(role) {
    auto [peer, ours] = testing_support::MakeMemoryStreamPair(loop_);
    peer_stream_ = std::move(peer);
    const bool server = role == http2::Role::kServer;
    session_ = http2::Session::Create(role, std::move(ours), std::make_shared<const http2::Options>(), server ? &borrower_ : nullptr);
    asio::co_spawn(context_, session_->Run(session_), [](std::exception_ptr error) { EXPECT_EQ(error, nullptr); });
    Pump();
    if (server) {
      script_.ClientPreface();
    } else {
      OnLoop([this] { borrower_.exchange = &session_->Open({"GET", "http", "a", "/", {}, {}}, borrower_, true); });
    }
    Send(script_.Settings({}).SettingsAck());
  }

  ~Connected() {
    OnLoop([this] {
      if (borrower_.exchange != nullptr) borrower_.exchange->Release();
      session_->Close(absl::CancelledError("end of the test"));
    });
    session_.reset();
    peer_stream_.reset();
    Pump();
  }

  FrameScript& script() { return script_; }
  Borrower& borrower() { return borrower_; }
  http2::Session& session() { return *session_; }

  // In one piece, which the session reads in one piece.
  void Send(FrameScript& script) {
    std::string bytes = script.Bytes();
    iovec piece{bytes.data(), bytes.size()};
    const io::IoResult result = peer_stream_->TryWrite({&piece, 1});
    EXPECT_EQ(result.bytes, bytes.size());
    Pump();
  }
  // The beginning of the peer's message, not yet sent.
  FrameScript& Head() {
    testing_support::Fields fields = {{":status", "200"}};
    if (role_ == http2::Role::kServer) fields = {{":method", "POST"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}};
    fields.push_back({"secret", kSecret, true});
    return script_.Headers(1, fields);
  }
  void OnLoop(std::function<void()> f) {
    loop_.Post(std::move(f));
    Pump();
  }

 private:
  void Pump() {
    context_.restart();
    context_.poll();
  }

  const http2::Role role_;
  Borrower borrower_;
  asio::io_context context_{1};
  EventLoop& loop_ = EventLoop::Of(context_);
  std::unique_ptr<io::ByteStream> peer_stream_;
  FrameScript script_;
  std::shared_ptr<http2::Session> session_;
};

constexpr http2::Role kRoles[] = {http2::Role::kClient, http2::Role::kServer};

// What a session's framer lends: DATA frames that came together lie in the read block one behind the other, a frame header between them,
// and those that own their bytes lie wherever the heap put them, though never that close, since the heap aligns them.
enum Lending { kNothing = 10, kInPlace, kOwned };

Lending LendingOf(http2::Role role) {
  Connected connected(role);
  connected.Send(connected.Head().Data(1, "12345").Data(1, "67890"));
  const std::vector<uintptr_t>& data = connected.borrower().data;
  if (data.size() != 2 || connected.borrower().body != "1234567890") return kNothing;
  return data[1] == data[0] + 5 + kFrameHeaderSize ? kInPlace : kOwned;
}

TEST(ReuseWiring, SessionsOfBothRolesReuseFramesByDefault) {
  ASSERT_EQ(std::getenv("CULVERT_HTTP2_REUSE_FRAMES"), nullptr);
  EXPECT_TRUE(Framer::ReuseByDefault());
  for (const http2::Role role : kRoles) EXPECT_EQ(LendingOf(role), kInPlace);
}

[[noreturn]] void ExitWithLending(http2::Role role, const char* hatch) {
  setenv("CULVERT_HTTP2_REUSE_FRAMES", hatch, 1);
  std::exit(LendingOf(role));
}

// In processes of their own, since the environment is read once.
TEST(ReuseWiringDeathTest, TheEnvironmentTurnsReuseOffInSessionsOfBothRoles) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  for (const http2::Role role : kRoles) {
    EXPECT_EXIT(ExitWithLending(role, "0"), ::testing::ExitedWithCode(kOwned), "");
    EXPECT_EXIT(ExitWithLending(role, "1"), ::testing::ExitedWithCode(kInPlace), "");
  }
}

TEST(ReuseWiring, ASessionThatWaitsHoldsNoHeaderValue) {
  for (const http2::Role role : kRoles) {
    Connected connected(role);
    connected.Send(connected.Head());
    const Borrower& borrower = connected.borrower();
    ASSERT_EQ(borrower.secret_seen, kSecret);
    // The list's memory is still the framer's, waiting for the next block.
    EXPECT_EQ(std::string(borrower.secret, kSecret.size()), std::string(kSecret.size(), '\0'));
  }
}

TEST(ReuseWiring, TheDebugDataOfAGoAwayOutlivesItsLease) {
  absl::Status unusable;
  Connected connected(http2::Role::kClient);
  connected.OnLoop([&] { connected.session().set_on_unusable([&](const absl::Status& why) { unusable = why; }); });
  // Frames behind it in the same piece, and then enough to fill its place again, in both blocks.
  connected.Send(connected.script().GoAway(0, ErrorCode::kEnhanceYourCalm, "too many cats").Ping("zzzzzzzz").Ping("zzzzzzzz"));
  for (int i = 0; i < 5; ++i) connected.Send(connected.script().Ping("yyyyyyyy").Ping("yyyyyyyy").Ping("yyyyyyyy"));
  const absl::Status expected = absl::UnavailableError("peer is going away: ENHANCE_YOUR_CALM \"too many cats\"");
  EXPECT_EQ(unusable, expected);
  EXPECT_EQ(connected.borrower().closed, expected);
}

}  // namespace
}  // namespace culvert::frame
