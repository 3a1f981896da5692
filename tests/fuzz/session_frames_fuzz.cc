// A session of either role, a peer that speaks in frames, and an application: what each of them does, and how much the socket takes, is
// read from the input as a program. After each step the peer's books must agree (peer_books.h); once nothing moves any more, nothing may
// be owed.
//
// The input: four bytes that set the stage (Stage), then steps, each of an operation and what it takes (Program::Step). A peer that is
// polite makes no mistakes, and must be told of none.

#include <algorithm>
#include <array>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/peer_books.h"
#include "tests/support/memory_stream/memory_stream.h"
#include "transport/frame/constants.h"
#include "transport/http/exchange.h"
#include "transport/http/header_list.h"
#include "transport/http2/options.h"
#include "transport/http2/session.h"
#include "transport/http2/stream.h"
#include "transport/io/byte_stream.h"
#include "transport/io/event_loop.h"
#include "transport/io/timer_queue.h"
#include "transport/io/write_buffer.h"

namespace culvert::fuzz {
namespace {

using frame::FrameType;
using frame::StreamId;
using http2::Role;
using http2::Session;

constexpr size_t kMostSteps = 300;
constexpr size_t kMostExchanges = 40;
constexpr size_t kMostPending = 256 * 1024;

template <class T, size_t n>
const T& Pick(const T (&menu)[n], size_t choice) {
  return menu[choice % n];
}

// --- the stage ---

struct Stage {
  explicit Stage(Input& input) {
    const uint8_t who = input.Byte();
    role = who & 1 ? Role::kClient : Role::kServer;
    polite = (who & 2) != 0;
    greets = polite || (who & 4) == 0;   // the preface and SETTINGS come by themselves
    answers = polite || (who & 8) == 0;  // SETTINGS and PINGs are acknowledged by themselves
    stream.capacity = Pick({size_t{64 * 1024}, size_t{3000}, size_t{300}, size_t{20'000}}, who >> 4);
    stream.most_per_call = Pick({size_t{1} << 20, size_t{2000}, size_t{61}, size_t{1} << 20}, who >> 6);
    const uint8_t limits = input.Byte();
    options.max_concurrent_streams = Pick({100u, 3u, 1u, 20u}, limits);
    options.initial_window = Pick({65535u, 256u * 1024, 1000u, 10u}, limits >> 2);
    options.connection_window = Pick({1024u * 1024, 65535u, 100'000u}, limits >> 4);
    options.max_window = limits & 64 ? 0 : 8 * 1024 * 1024;
    options.parked_budget = limits & 128 ? 2000 : 4 * 1024 * 1024;
    const uint8_t budgets = input.Byte();
    options.output_budget = Pick({size_t{128 * 1024}, size_t{4000}, size_t{500}, size_t{1}}, budgets);
    options.send_queue_budget = Pick({size_t{1024 * 1024}, size_t{1000}}, budgets >> 2);
    options.encoder_table_size = Pick({4096u, 0u, 100u}, budgets >> 3);
    options.header_table_size = !polite && (budgets & 128) != 0 ? 100 : 4096;
    options.keepalive_time = std::chrono::milliseconds(budgets & 64 ? 30'000 : 0);
    options.max_header_list_size = 1500;
    plan = input.Byte();
  }

  Role role = Role::kServer;
  bool polite = false;
  bool greets = true;
  bool answers = true;
  testing_support::MemoryStreamOptions stream;
  http2::Options options;
  uint8_t plan = 0;  // of new exchanges
};

// --- header blocks (RFC 7541), without a Huffman code ---

struct Block {
  std::string bytes;
  bool good = true;  // what a polite peer may send there
};

using Text = std::pair<std::string_view, std::string_view>;

// `indexed`: with incremental indexing (RFC 7541 6.2.1).
std::string Encode(std::initializer_list<Text> fields, bool indexed) {
  std::string out;
  for (const auto& [name, value] : fields) {
    out += indexed ? '\x40' : '\0';
    for (const std::string_view text : {name, value}) {
      out += static_cast<char>(text.size());
      out += text;
    }
  }
  return out;
}

std::string Many(std::string_view name, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += Encode({{name, "0123456789"}}, false);
  return out;
}

// What breaks HPACK itself: the connection's state is lost.
std::string Broken(uint8_t choice) {
  static constexpr std::string_view kBlocks[] = {"\x80", "\xff\x7f", "\x3f\xff\xff\x03", {"\x00\x05x", 3}, "\xff\xff\xff\xff\xff\xff"};
  return std::string(Pick(kBlocks, choice));
}

Block Request(uint8_t choice) {
  const bool indexed = (choice & 32) != 0;
  const auto block = [&](std::initializer_list<Text> fields, bool good) { return Block{Encode(fields, indexed), good}; };
  switch (choice % 32) {
    default:
      return block({{":method", "POST"}, {":scheme", "http"}, {":path", "/a.B/C"}, {":authority", "a"}, {"te", "trailers"}}, true);
    case 1:
      return {"\x82\x86\x84", true};  // GET http /
    case 2:
      return block({{":method", "POST"}, {":scheme", "http"}, {":path", "/"}, {"priority", "u=1"}, {"cookie", "a"}, {"cookie", "b"}}, true);
    case 3:
      return block({{":method", "HEAD"}, {":scheme", "https"}, {":path", "/"}}, true);
    case 4:
      return block({{":method", "POST"}, {":scheme", "http"}, {":path", "/"}, {"content-length", "5"}}, false);
    case 5:
      return block({{":method", "CONNECT"}, {":authority", "a:1"}}, false);
    case 6:
      return block({{":method", "POST"}, {":scheme", "http"}}, false);
    case 7:
      return block({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"Upper", "a"}}, false);
    case 8:
      return block({{":method", "GET"}, {":scheme", "http"}, {"a", "b"}, {":path", "/"}}, false);
    case 9:
      return block({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"connection", "close"}}, false);
    case 10:
      return {"\x82\x86\x84" + Many("many", 60), false};
    case 11:
      return {"\x82\x82\x86\x84", false};
    case 12:
      return {"", false};
    case 13:
      return block({{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}}, false);
    case 14:
      return {"\x3f\x80\x01\x82\x86\x84\xbe", false};  // a size update, and the first of the dynamic table
    case 15:
      return block({{":method", "POST"}, {":scheme", "http"}, {":path", "/"}, {"content-length", "0"}}, false);
    case 16:
      return {Broken(choice >> 5), false};
    case 17:
      return {"\x20\x82\x86\x84", true};  // a table of size 0
  }
}

Block Response(uint8_t choice) {
  const bool indexed = (choice & 32) != 0;
  const auto block = [&](std::initializer_list<Text> fields, bool good) { return Block{Encode(fields, indexed), good}; };
  switch (choice % 32) {
    default:
      return block({{":status", "200"}, {"content-type", "application/grpc"}}, true);
    case 1:
      return {"\x88", true};  // 200
    case 2:
      return block({{":status", "404"}, {"server", "a"}}, true);
    case 3:
      return block({{":status", "200"}, {"content-length", "5"}}, false);
    case 4:
      return block({{":status", "204"}}, true);
    case 5:
      return block({{":status", "101"}}, false);
    case 6:
      return block({{"server", "a"}}, false);
    case 7:
      return block({{":status", "abc"}}, false);
    case 8:
      return block({{":status", "200"}, {"Upper", "a"}}, false);
    case 9:
      return {"\x88" + Many("many", 60), false};
    case 10:
      return block({{":status", "304"}, {"content-length", "7"}}, true);
    case 11:
      return {Broken(choice >> 5), false};
  }
}

Block Trailers(uint8_t choice) {
  switch (choice % 8) {
    default:
      return {Encode({{"grpc-status", "0"}}, (choice & 8) != 0), true};
    case 1:
      return {"", true};
    case 2:
      return {Encode({{"grpc-status", "5"}, {"grpc-message", "no"}}, true), true};
    case 3:
      return {Encode({{":status", "200"}}, false), false};
    case 4:
      return {Encode({{"Upper", "a"}}, false), false};
    case 5:
      return {Many("many", 60), false};
    case 6:
      return {Broken(choice >> 3), false};
  }
}

// --- the application ---

class Program;

// One exchange, and what was made of it.
class Party final : public http::Receiver {
 public:
  enum Event { kHead, kData, kTrailers, kWritable, kClosed, kEvents };

  Party(Program& program, bool client) : program_(program), client_(client) {}

  void OnHead(const http::ResponseHead& head, bool end) override;
  void OnData(std::span<const uint8_t> bytes, bool end) override;
  void OnTrailers(std::span<const http::HeaderField> trailers) override;
  void OnWritable() override;
  void OnClosed(const absl::Status& why, bool unprocessed) override;

  // Does something, unless it would be a fault of the application's.
  void Act(uint8_t action);
  void Release();

  StreamId id() const { return static_cast<const http2::Stream*>(exchange)->id(); }
  bool may_send() const { return !released && !reset && !ended && (client_ || head_sent); }
  // Nothing more is to be said to it.
  bool knows_its_end() const { return released || reset || closed || (peer_ended && ended); }

  http::Exchange* exchange = nullptr;
  bool head_sent = false;   // by a server
  bool ended = false;       // we have
  bool peer_ended = false;
  bool reset = false;       // by us
  bool closed = false;
  bool released = false;
  uint64_t unconsumed = 0;
  uint64_t sent = 0;        // bytes, queued ones included
  size_t refused = 0;       // bytes, that found no room: OnWritable is owed
  std::array<uint8_t, kEvents> plan{};

 private:
  void Hear(Event event, bool end);
  void SendHead(bool end);
  void Send(size_t n, bool end);
  void SendInPlace(size_t n, bool end);

  Program& program_;
  const bool client_;
  bool heard_head_ = false;
  uint64_t received_ = 0;
  uint64_t sent_when_told_ = 0;
  int told_in_vain_ = 0;
};

// --- the program ---

class Program final : public http::Handler {
 public:
  Program(const uint8_t* data, size_t size) : input_(data, size), stage_(input_), books_(stage_.role, stage_.options) {}

  void Run();

  void OnRequest(http::Exchange& exchange, const http::RequestHead& head, bool end) override;
  Party& NewParty(bool client);
  void Open(uint8_t how);
  // Bounds what callbacks set off.
  bool MayAct() { return ++acts_ < 10'000; }
  void OnEvent() { FUZZ_EXPECT(++events_ < 100'000); }  // a turn ends
  PeerBooks& books() { return books_; }
  // All DATA is of the peer's own making.
  bool patterned() const { return patterned_; }

 private:
  void Begin();
  void Step();
  void Settle();
  void End();
  void CheckAlways();
  void CheckAtRest();

  // The peer's frames:
  void Frame(FrameType type, uint8_t flags, StreamId id, std::string_view payload);
  void Headers();
  void Data();
  void Reset();
  void Settings();
  void WindowUpdate();
  void Ping();
  void GoAway();
  void Other();
  void Repeat();
  void Answer();
  StreamId AnyStream();
  StreamId NewStream(uint8_t choice);

  // Bytes and turns:
  void Write(std::string_view bytes);
  bool Deliver(size_t most);
  bool Take(size_t most);
  void Poll();
  template <class F>
  void OnLoop(F f) {
    loop_.Post(std::move(f));
    Poll();
  }
  void PassTime(std::chrono::milliseconds time);
  Party* AnyParty();

  // One for all runs: what belongs to it are a few system calls and the loop's blocks.
  static asio::io_context& Context() {
    static asio::io_context context(1);
    return context;
  }

  Input input_;
  const Stage stage_;
  PeerBooks books_;
  asio::io_context& context_ = Context();
  EventLoop& loop_ = EventLoop::Of(context_);
  io::Timer::Clock::time_point now_ = io::Timer::Clock::now();
  std::unique_ptr<io::ByteStream> peer_;
  std::shared_ptr<Session> session_;
  bool run_ended_ = false;
  std::vector<std::unique_ptr<Party>> parties_;
  std::array<uint8_t, Party::kEvents> plan_{};
  int acts_ = 0;
  int events_ = 0;

  std::string pending_;      // of the peer, not yet in the socket
  std::string last_frame_;
  bool holding_ = false;     // the peer gathers frames
  bool stalled_ = false;     // the peer does not read
  bool may_close_ = false;   // somebody gave a reason
  bool ready_ = false;
  bool unusable_ = false;
  bool patterned_ = true;
  int pings_ = 0;
};

// --- the application: events ---

void Party::Hear(Event event, bool end) {
  program_.OnEvent();
  FUZZ_EXPECT(!released && !closed && !reset);
  if (event != kWritable && event != kClosed) FUZZ_EXPECT(!peer_ended);
  peer_ended |= end;
  closed |= event == kClosed;
  if (program_.MayAct()) Act(plan[event]);
}

void Party::OnHead(const http::ResponseHead& head, bool end) {
  FUZZ_EXPECT(client_ && !std::exchange(heard_head_, true) && head.status >= 200);
  Hear(kHead, end);
}

void Party::OnData(std::span<const uint8_t> bytes, bool end) {
  FUZZ_EXPECT(!client_ || heard_head_);
  FUZZ_EXPECT(!program_.patterned() || IsPattern(id(), received_, bytes));
  received_ += bytes.size();
  unconsumed += bytes.size();
  Hear(kData, end);
}

void Party::OnTrailers(std::span<const http::HeaderField>) {
  FUZZ_EXPECT(!client_ || heard_head_);
  Hear(kTrailers, true);
}

void Party::OnWritable() {
  refused = 0;
  // Told of room that is not there, again and again?
  told_in_vain_ = std::exchange(sent_when_told_, sent) == sent ? told_in_vain_ + 1 : 0;
  FUZZ_EXPECT(told_in_vain_ < 5000);
  Hear(kWritable, false);
}

void Party::OnClosed(const absl::Status& why, bool) {
  FUZZ_EXPECT(!why.ok());
  // Not of an exchange that is complete on the wire.
  const auto at = program_.books().streams().find(id());
  FUZZ_EXPECT(!(peer_ended && at != program_.books().streams().end() && at->second.ended));
  Hear(kClosed, false);
}

// --- the application: actions ---

void Party::Act(uint8_t action) {
  if (released || exchange == nullptr) return;
  static constexpr size_t kSizes[] = {10, 0, 1, 100, 1000, 5000, 16384, 16385, 70'000, 2, 3, 500, 9000, 20'000, 2000, 65'535};
  const size_t n = Pick(kSizes, action >> 4);
  const auto consume = [this](uint64_t amount) {
    unconsumed -= amount;
    exchange->Consumed(amount);
  };
  switch (action % 16) {
    case 0:
      return;
    case 1:
      return consume(unconsumed);
    case 2:
      return consume(unconsumed / 2);
    case 3:
      return SendHead(false);
    case 4:
      return SendHead(true);
    case 5:
      SendHead(false);
      return Send(n, false);
    case 6:
      return Send(n, true);
    case 7:
      SendHead(false);
      return SendInPlace(n, false);
    case 8:
      return SendInPlace(n, true);
    case 9:
      if (!may_send()) return;
      ended = true;
      {
        const http::HeaderField fields[] = {{"grpc-status", "0"}, {"grpc-message", std::string_view("a message that is long", n % 22)}};
        return exchange->SendTrailers(std::span(fields).first(1 + n % 2));
      }
    case 10:
    case 11:
      if (reset || closed || (peer_ended && ended)) return;
      reset = true;
      return exchange->Reset(action % 2 ? absl::StatusCode::kCancelled : absl::StatusCode::kInternal);
    case 12:
      return Release();
    case 13:  // echo
      consume(unconsumed);
      SendHead(false);
      Send(n, peer_ended);
      if (peer_ended) Release();
      return;
    case 14:
      if (client_) program_.Open(action >> 4);
      return;
    case 15:  // what a handler does that has seen enough
      SendHead(false);
      Send(n, true);
      return Release();
  }
}

void Party::Release() {
  if (std::exchange(released, true)) return;
  exchange->Release();
}

void Party::SendHead(bool end) {
  if (client_ || head_sent || reset || released) return;
  head_sent = true;
  ended = end;
  const http::HeaderField fields[] = {{"content-type", "application/grpc"}, {"x", "y"}};
  exchange->SendHead({200, fields}, end);
}

void Party::Send(size_t n, bool end) {
  if (!may_send()) return;
  const StreamId stream = id();
  if (stream == 0 && n != 0) return;  // its pattern is not known yet
  ended = end;
  const uint64_t from = std::exchange(sent, sent + n);
  io::SharedBytes bytes = io::SharedBytes::Make(n, [&](uint8_t* out) { FillPattern(stream, from, {out, n}); });
  exchange->SendData(std::move(bytes), end);
  if (!released && !ended && !closed && !exchange->writable()) refused = 1;
}

void Party::SendInPlace(size_t n, bool end) {
  if (!may_send()) return;
  uint8_t* const out = exchange->TrySendInPlace(n, end);
  if (out == nullptr) {
    // More than the peer takes in one frame never can: nobody is told when that changes.
    if (!closed && n <= frame::kMinMaxFrameSize) refused = std::max<size_t>(n, 1);
    return;
  }
  FillPattern(id(), sent, {out, n});
  sent += n;
  ended = end;
}

Party& Program::NewParty(bool client) {
  Party& party = *parties_.emplace_back(std::make_unique<Party>(*this, client));
  party.plan = plan_;
  return party;
}

void Program::OnRequest(http::Exchange& exchange, const http::RequestHead& head, bool end) {
  FUZZ_EXPECT(stage_.role == Role::kServer && !head.method.empty());
  Party& party = NewParty(false);
  party.exchange = &exchange;
  party.peer_ended = end;
  exchange.SetReceiver(&party);
  if (MayAct()) party.Act(party.plan[Party::kHead]);
}

void Program::Open(uint8_t how) {
  if (stage_.role != Role::kClient || parties_.size() >= kMostExchanges) return;
  Party& party = NewParty(true);
  party.ended = (how & 1) != 0;
  const http::HeaderField fields[] = {{"te", "trailers"}, {"host", "a"}};
  const std::string_view method = how & 2 ? "HEAD" : "POST";
  party.exchange = &session_->Open({method, "http", "a", "/a.B/C", {}, std::span(fields).first(how >> 2 & 1)}, party, party.ended);
}

// --- the peer ---

void Program::Write(std::string_view bytes) {
  pending_ += bytes;
  books_.OnPeerWrites({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

void Program::Frame(FrameType type, uint8_t flags, StreamId id, std::string_view payload) {
  const auto size = static_cast<uint32_t>(payload.size());
  std::string frame;
  for (const int shift : {16, 8, 0}) frame += static_cast<char>(size >> shift);
  frame += static_cast<char>(type);
  frame += static_cast<char>(flags);
  for (const int shift : {24, 16, 8, 0}) frame += static_cast<char>(id >> shift);
  frame += payload;
  Write(frame);
  last_frame_ = std::move(frame);
}

std::string Bytes(uint32_t number) {
  std::string out;
  for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(number >> shift);
  return out;
}

StreamId Program::NewStream(uint8_t choice) {
  const StreamId next = books_.highest() == 0 ? 1 : books_.highest() + 2;
  return stage_.polite || choice % 4 != 3 ? next : next + 6;
}

// Mostly one that was opened.
StreamId Program::AnyStream() {
  const uint8_t choice = input_.Byte();
  if (choice >= 240 && !stage_.polite) return Pick({0u, 2u, 0x7fffffffu, NewStream(0), NewStream(3), 1u}, choice);
  const StreamId opened = (books_.highest() + 1) / 2;
  // The last ones are the most likely to be open.
  return opened == 0 ? (stage_.polite ? 0 : 1) : books_.highest() - 2 * (choice % opened);
}

void Program::Headers() {
  const uint8_t how = input_.Byte();
  const uint8_t menu = input_.Byte();
  const bool server = stage_.role == Role::kServer;
  const bool begins = (how & 3) != 3;
  StreamId id = server && begins ? NewStream(how >> 2) : AnyStream();
  if (id == 0 && stage_.polite) return;
  const PeerBooks::Stream& stream = books_.stream(id);
  const bool head = server ? begins : !stream.peer_head || (how & 3) == 1;
  bool end = (how & 4) != 0;
  Block block = head ? (server ? Request(menu) : Response(menu)) : Trailers(menu);
  if (stage_.polite) {
    if (!block.good || (server && head && books_.streams().size() > kMostExchanges)) return;
    if (stream.peer_ended || stream.peer_reset || stream.reset || (!server && !stream.opened)) return;
    if (!head && !stream.peer_head) return;
    if (!server && head && stream.peer_head) return;  // an interim response is entered as a head, too: none
    end |= !head;
  } else if (!head && (how & 64) == 0) {
    end = true;
  }
  if (!server && head && !stage_.polite && menu >= 224) block.bytes = Encode({{":status", "100"}}, false);
  uint8_t flags = end ? frame::flags::kEndStream : 0;
  std::string payload;
  if ((how & 8) != 0) {
    flags |= frame::flags::kPadded;
    payload += static_cast<char>(how >> 4);
  }
  if ((how & 16) != 0) {
    flags |= frame::flags::kPriority;
    payload += Bytes(stage_.polite || (how & 32) != 0 ? 0 : id) + '\x10';
  }
  const int pieces = (how & 128) != 0 ? 1 + menu % 12 : 1;
  const size_t most = block.bytes.size() / static_cast<size_t>(stage_.polite ? std::min(pieces, 4) : pieces) + 1;
  std::string_view rest = block.bytes;
  std::string_view piece = rest.substr(0, most);
  rest.remove_prefix(piece.size());
  payload += piece;
  if ((how & 8) != 0) payload.append(how >> 4, '\0');
  const bool unended = !stage_.polite && menu % 32 == 31;
  Frame(FrameType::kHeaders, flags | (rest.empty() && !unended ? frame::flags::kEndHeaders : 0), id, payload);
  while (!rest.empty()) {
    piece = rest.substr(0, most);
    rest.remove_prefix(piece.size());
    Frame(FrameType::kContinuation, rest.empty() ? frame::flags::kEndHeaders : 0, id, piece);
  }
}

void Program::Data() {
  const StreamId any = AnyStream();
  const StreamId id = any & frame::kMaxStreamId;  // RFC 9113 4.1: the reserved bit says nothing
  const uint8_t how = input_.Byte();
  size_t size = Pick({size_t{5}, size_t{0}, size_t{1}, size_t{300}, size_t{3000}, size_t{16384}, size_t{40}, size_t{1000}}, how);
  bool end = (how & 8) != 0;
  const size_t padding = (how & 16) != 0 ? input_.Byte() : 0;
  const size_t padded = (how & 16) != 0 ? 1 + padding : 0;
  PeerBooks::Stream& stream = books_.stream(id);
  if (stage_.polite) {
    if (!stream.peer_head || stream.peer_ended || stream.peer_reset || stream.reset) return;
    const int64_t room = std::min({stream.receive_window, books_.receive_window(), int64_t{16384}}) - static_cast<int64_t>(padded);
    if (room < 0) return;
    size = std::min(size, static_cast<size_t>(room));
    if (size == 0 && !end) return;
  } else if (size + padded > 16384 && (how & 32) == 0) {
    size -= padded;
  }
  std::string payload;
  if (padded != 0) payload += static_cast<char>(padding);
  payload.resize(payload.size() + size);
  FillPattern(id, stream.peer_data, {reinterpret_cast<uint8_t*>(payload.data() + payload.size() - size), size});
  stream.peer_data += size;
  payload.append(padding, '\0');
  Frame(FrameType::kData, (end ? frame::flags::kEndStream : 0) | (padded != 0 ? frame::flags::kPadded : 0), any, payload);
}

void Program::Reset() {
  const StreamId id = AnyStream();
  const uint8_t code = input_.Byte() % 16;
  if (stage_.polite && (id == 0 || books_.stream(id).peer_reset)) return;
  Frame(FrameType::kRstStream, 0, id, Bytes(code));
}

void Program::Settings() {
  const uint8_t how = input_.Byte();
  if (how == 255 && !stage_.polite) return Frame(FrameType::kSettings, frame::flags::kAck, 0, "");
  std::string payload;
  for (int left = how % 4; left > 0; --left) {
    const uint8_t which = input_.Byte();
    static constexpr uint32_t kWindows[] = {65535, 0, 1, 1000, 1'000'000, 10, 20'000, 0x7fffffff};
    static constexpr uint32_t kOthers[] = {4096, 0, 100, 16384, 70'000, 1, 3, 0xffffffff};
    uint16_t id = Pick<uint16_t>({4, 4, 1, 3, 5, 6, 2, 9}, which);
    uint32_t value = id == 4 ? Pick(kWindows, which >> 3) : Pick(kOthers, which >> 3);
    if (stage_.polite) {
      if (id == 2) value = 0;
      if (id == 4) value = std::min(value, 1'000'000u);
      if (id == 5) value = std::clamp(value, 16384u, 0xffffffu);
      if (id == 9) id = 6;  // RFC 9218 2.1: said at first, or never
    } else if (which == 255) {
      id = 0x1234;
    }
    payload += static_cast<char>(id >> 8);
    payload += static_cast<char>(id);
    payload += Bytes(value);
  }
  if (!stage_.polite && how == 254) payload += "odd";
  Frame(FrameType::kSettings, 0, 0, payload);
}

void Program::WindowUpdate() {
  const uint8_t how = input_.Byte();
  const StreamId id = (how & 1) != 0 ? AnyStream() : 0;
  uint32_t increment = Pick({1000u, 1u, 10u, 65535u, 100'000u, 0u, 0x7fffffffu, 20'000u}, how >> 1);
  if (stage_.polite && (increment == 0 || increment > 100'000)) increment = 500;
  Frame(FrameType::kWindowUpdate, 0, id, Bytes(increment));
}

void Program::Ping() {
  const uint8_t how = input_.Byte();
  const bool ack = (how & 1) != 0;
  if (stage_.polite && (ack || ++pings_ > 2)) return;
  std::string_view opaque = Pick<std::string_view>({"probing.", "draining", "still up", "12345678"}, how >> 1);
  if (how == 255) opaque = "odd";
  if (how == 255 && stage_.polite) return;
  Frame(FrameType::kPing, ack ? frame::flags::kAck : 0, 0, opaque);
}

void Program::GoAway() {
  const uint8_t how = input_.Byte();
  may_close_ = true;
  if (stage_.polite) return Frame(FrameType::kGoAway, 0, 0, Bytes(0x7fffffff) + Bytes(0) + "bye");
  const uint32_t last = Pick({0x7fffffffu, books_.highest(), 0u, 1u, 3u, books_.highest() - 2}, how);
  Frame(FrameType::kGoAway, 0, 0, Bytes(last) + Bytes(how / 16));
}

// What seldom comes, or never should.
void Program::Other() {
  const uint8_t how = input_.Byte();
  const StreamId id = AnyStream();
  switch (how % 8) {
    case 0:
      return Frame(static_cast<FrameType>(0x20), how, id, "unknown");
    case 1:
      if (stage_.polite && (id == 0 || stage_.role == Role::kClient)) return;
      return Frame(FrameType::kPriorityUpdate, 0, 0, Bytes(id) + Pick<std::string>({"u=1, i", "", "u=9;", "i=?0,u=7"}, how >> 3));
    case 2:
      if (id == 0 && stage_.polite) return;
      return Frame(FrameType::kPriority, 0, id, Bytes(stage_.polite ? 0 : id ^ (how >> 3 & 2)) + '\x01');
    default:
      break;
  }
  if (stage_.polite) return;
  patterned_ = false;
  switch (how % 8) {
    case 3:
      return Frame(FrameType::kPushPromise, frame::flags::kEndHeaders, id, Bytes(2) + "\x82\x86\x84");
    case 4:
      return Frame(FrameType::kContinuation, how >> 3, id, "\x82");
    case 5: {
      const uint8_t flags = input_.Byte();
      return Frame(static_cast<FrameType>(how >> 3), flags, id, input_.Text());
    }
    case 6:
      return Write(input_.Text());  // any bytes
    default:
      return Frame(static_cast<FrameType>(how >> 3), 0, id, std::string(16385 - (how >> 7), 'x'));
  }
}

// The last frame, many times: floods.
void Program::Repeat() {
  const uint8_t times = input_.Byte();
  if (stage_.polite) return;
  patterned_ = false;
  for (int left = times < 250 ? times % 16 : 1100; left > 0 && pending_.size() < kMostPending; --left) Write(std::string(last_frame_));
}

void Program::Answer() {
  for (; books_.settings_to_ack > 0; --books_.settings_to_ack) Frame(FrameType::kSettings, frame::flags::kAck, 0, "");
  for (; !books_.pings_to_ack.empty(); books_.pings_to_ack.pop_front()) {
    const std::vector<uint8_t>& opaque = books_.pings_to_ack.front();
    Frame(FrameType::kPing, frame::flags::kAck, 0, {reinterpret_cast<const char*>(opaque.data()), opaque.size()});
  }
}

// --- bytes and turns ---

bool Program::Deliver(size_t most) {
  size_t given = 0;
  while (given < std::min(most, pending_.size())) {
    iovec piece{pending_.data() + given, std::min(most, pending_.size()) - given};
    const io::IoResult result = peer_->TryWrite({&piece, 1});
    if (result.kind == io::IoResult::Kind::kError) given = pending_.size();
    if (result.kind != io::IoResult::Kind::kBytes) break;
    given += result.bytes;
  }
  pending_.erase(0, given);
  return given != 0;
}

bool Program::Take(size_t most) {
  bool some = false;
  for (std::array<uint8_t, 16 * 1024> space; most > 0;) {
    const io::IoResult result = peer_->TryRead(std::span(space).first(std::min(most, space.size())));
    if (result.kind != io::IoResult::Kind::kBytes) break;
    books_.OnSessionWrites(std::span(space).first(result.bytes));
    most -= result.bytes;
    some = true;
  }
  return some;
}

void Program::Poll() {
  context_.restart();
  for (int turns = 0; context_.poll_one() != 0; ++turns) FUZZ_EXPECT(turns < 100'000);  // it comes to rest
}

void Program::PassTime(std::chrono::milliseconds time) {
  may_close_ = true;
  books_.peer_is_slow = true;
  now_ += time;
  OnLoop([this] { loop_.timers().RunDue(now_); });
}

Party* Program::AnyParty() {
  const uint8_t choice = input_.Byte();
  return parties_.empty() ? nullptr : parties_[parties_.size() - 1 - choice % parties_.size()].get();
}

// Everything that can move moves.
void Program::Settle() {
  events_ = 0;
  for (bool moved = true; moved;) {
    moved = !holding_ && Deliver(SIZE_MAX);
    Poll();
    if (!stalled_) moved |= Take(SIZE_MAX);
    if (stage_.answers && !stalled_) Answer();
  }
  CheckAlways();
  if (!stalled_ && !holding_ && pending_.empty()) CheckAtRest();
}

// --- what must hold ---

size_t NumberAfter(std::string_view name, std::string_view text) {
  const size_t at = text.find(name) + name.size();
  size_t number = 0;
  std::from_chars(text.data() + at, text.data() + text.size(), number);
  return number;
}

// Streams whose receivers, if there are any yet, do not know all that came (Options::send_queue_budget).
std::set<StreamId> Held(std::string_view text) {
  std::set<StreamId> held;
  for (size_t at = text.find('\n'); at != std::string_view::npos;) {
    const size_t next = text.find('\n', at + 1);
    const std::string_view line = text.substr(at, next - at);
    if (line.find(" request held") != std::string_view::npos) held.insert(static_cast<StreamId>(NumberAfter("stream ", line)));
    at = next;
  }
  return held;
}

void Program::CheckAlways() {
  if (stage_.role == Role::kServer) FUZZ_EXPECT(session_->stream_count() <= stage_.options.max_concurrent_streams);
  const auto held = std::ranges::count_if(parties_, [](const auto& party) { return !party->released && party->exchange != nullptr; });
  FUZZ_EXPECT(session_->stream_count() >= static_cast<size_t>(held));
  if (stage_.role == Role::kClient) FUZZ_EXPECT(session_->stream_count() == static_cast<size_t>(held));
  if (stage_.polite) FUZZ_EXPECT(may_close_ || !session_->closed());
  if (!stalled_) return;
  // What waits for the socket: streams keep to the budget; answers may pass it four times, and then as far as one read of the peer's frames
  // goes.
  const size_t output = NumberAfter(" output=", session_->Describe());
  const size_t one_read = std::min({stage_.stream.capacity, stage_.stream.most_per_call, size_t{128 * 1024}});
  FUZZ_EXPECT(output <= 4 * stage_.options.output_budget + 3 * one_read + 70'000 + 300 * kMostExchanges);
}

// The peer has said all, the session has read all, and its output is read.
void Program::CheckAtRest() {
  const PeerBooks& books = books_;
  FUZZ_EXPECT(unusable_ == !session_->accepts_requests());
  if (session_->closed()) {
    for (const auto& party : parties_) FUZZ_EXPECT(party->knows_its_end());
    return;
  }
  if (!books.peer_at_boundary()) return;
  FUZZ_EXPECT(books.session_at_boundary() && !session_->holds_blocks() && !books.owes_answers());
  const std::string text = session_->Describe();
  const std::set<StreamId> held = Held(text);
  if (!held.empty()) FUZZ_EXPECT(NumberAfter(" queued=", text) > stage_.options.send_queue_budget);
  uint64_t unconsumed = 0;
  for (const auto& party : parties_) unconsumed += party->released ? 0 : party->unconsumed;
  if (unconsumed <= stage_.options.parked_budget && held.empty()) FUZZ_EXPECT(books.receive_window() >= 65535 / 2);  // no credit is lost
  for (const auto& party : parties_) {
    if (party->released || party->id() == 0 || held.contains(party->id())) continue;
    const PeerBooks::Stream& stream = books.streams().at(party->id());
    if (stream.peer_reset) FUZZ_EXPECT(party->knows_its_end());
    if (party->closed || party->reset || stream.reset || stream.peer_reset) continue;
    FUZZ_EXPECT(party->peer_ended == stream.peer_ended);
    if (!stream.peer_ended && !stream.peer_overran && party->unconsumed == 0) {
      FUZZ_EXPECT(stream.receive_window >= static_cast<int64_t>(stage_.options.initial_window / 2));
    }
    if (stream.ended) {
      FUZZ_EXPECT(party->ended && stream.data == party->sent);
      continue;
    }
    // What waits, waits for a window.
    const int64_t window = std::min(books.send_window(), stream.send_window);
    if (party->sent > stream.data) FUZZ_EXPECT(window <= 0);
    if (party->sent == stream.data) FUZZ_EXPECT(!party->ended);
    if (party->refused != 0 && !party->ended) FUZZ_EXPECT(window < static_cast<int64_t>(party->refused));
  }
}

// --- the run ---

void Program::Begin() {
  auto [peer, ours] = testing_support::MakeMemoryStreamPair(loop_, stage_.stream);
  peer_ = std::move(peer);
  books_.peer_is_polite = stage_.polite;
  session_ = Session::Create(stage_.role, std::move(ours), std::make_shared<const http2::Options>(stage_.options),
                             stage_.role == Role::kServer ? this : nullptr);
  session_->set_on_ready([this] { FUZZ_EXPECT(!std::exchange(ready_, true)); });
  session_->set_on_unusable([this](const absl::Status& why) {
    FUZZ_EXPECT(!std::exchange(unusable_, true) && !why.ok() && !session_->accepts_requests());
    if (MayAct()) Open(stage_.plan >> 4);
  });
  static constexpr uint8_t kPlans[][Party::kEvents] = {
      {0, 1, 0, 0, 0},                // takes what comes
      {13, 13, 13, 0, 12},            // echoes
      {0, 0, 0, 0, 0},                // waits for the program
      {0x55, 1, 0x19, 0x55, 12},      // streams
      {0x87, 2, 9, 0x85, 12},         // streams large pieces
      {15, 12, 12, 12, 12},           // has seen enough at once
      {0x35, 10, 11, 14, 14},         // gives up, and asks again
  };
  std::ranges::copy(Pick(kPlans, stage_.plan), plan_.begin());
  asio::co_spawn(context_, session_->Run(session_), [this](std::exception_ptr error) {
    FUZZ_EXPECT(error == nullptr);
    run_ended_ = true;
  });
  if (stage_.greets) {
    if (stage_.role == Role::kServer) Write(frame::kConnectionPreface);
    Frame(FrameType::kSettings, 0, 0, "");
  }
  Settle();
}

void Program::Step() {
  const uint8_t op = input_.Byte();
  switch (op % 32) {
    case 0:
    case 1:
    case 2:
    case 3:
      return Headers();
    case 4:
    case 5:
    case 6:
    case 7:
      return Data();
    case 8:
      return Reset();
    case 9:
    case 10:
      return Settings();
    case 11:
    case 12:
    case 13:
      return WindowUpdate();
    case 14:
      return Ping();
    case 15:
      return GoAway();
    case 16:
      return Other();
    case 17:
      return Repeat();
    case 18:
      return Answer();
    case 19:
      holding_ = !holding_;
      return;
    case 20:
      stalled_ = !stalled_;
      return;
    case 21: {
      const size_t most = input_.Byte();
      Deliver(most);
      Poll();
      return;
    }
    case 22: {
      const size_t most = size_t{input_.Byte()} * (op & 32 ? 1 : 64);
      Poll();
      Take(most);
      return;
    }
    case 23:
      return PassTime(std::chrono::milliseconds(Pick({1, 500, 11'000, 31'000, 70'000, 500'000, 2'000'000, 20'001}, input_.Byte())));
    case 24: {  // a plan for events to come
      Party* const party = AnyParty();
      std::array<uint8_t, Party::kEvents>& plan = party != nullptr && (op & 32) ? party->plan : plan_;
      const uint8_t event = input_.Byte();
      plan[event % plan.size()] = input_.Byte();
      return;
    }
    case 25:
      if (op < 128) return;
      may_close_ = true;
      return OnLoop([this] { session_->Drain(); });
    case 26:
      if (op < 160) return;
      may_close_ = true;
      if (op < 192) return peer_->ShutdownWrite();
      if (op < 224) return peer_->Close();
      return OnLoop([this] { session_->Close(absl::UnavailableError("the program says so")); });
    case 27:
    case 28:
      if (stage_.role == Role::kClient) {
        const uint8_t how = input_.Byte();
        return OnLoop([this, how] { Open(how); });
      }
      [[fallthrough]];
    default: {
      Party* const party = AnyParty();
      const uint8_t action = input_.Byte();
      if (party != nullptr) OnLoop([party, action] { party->Act(action); });
      return;
    }
  }
}

void Program::End() {
  OnLoop([this] {
    if (!session_->closed()) session_->Close(absl::UnavailableError("the end"));
    for (size_t i = 0; i < parties_.size(); ++i) {
      for (uint8_t& planned : parties_[i]->plan) planned = 0;
    }
  });
  for (const auto& party : parties_) FUZZ_EXPECT(party->knows_its_end());
  OnLoop([this] {
    for (size_t i = 0; i < parties_.size(); ++i) parties_[i]->Release();
  });
  peer_.reset();
  Poll();
  FUZZ_EXPECT(run_ended_ && session_->stream_count() == 0 && session_.use_count() == 1);
  session_.reset();
  Poll();
  FUZZ_EXPECT(loop_.timers().empty());
}

void Program::Run() {
  Begin();
  for (size_t steps = 0; steps < kMostSteps && !input_.empty(); ++steps) {
    Step();
    Settle();
  }
  stalled_ = holding_ = false;
  Settle();
  End();
}

}  // namespace
}  // namespace culvert::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  culvert::fuzz::Program(data, size).Run();
  return 0;
}
