// RFC 9113, one test per MUST and MUST NOT: how a connection begins, how frames and field blocks are built,
// and the frames of the connection (3.4, 4, 5.5, 6.1 to 6.10, 7). Beside it: rfc9113_streams_test,
// rfc9113_flow_test, rfc9113_messages_test.
//
// 3.2, 3.3 and 9.2 are about TLS, which is not served yet. A rule that binds both roles is a TEST_P.

#include <algorithm>
#include <memory>
#include <set>

#include "tests/transport/http2/session_fixture.h"

namespace culvert::http2 {
namespace {

using frame::FrameType;
using frame::flags::kEndHeaders;
using frame::flags::kPadded;
using std::string_view_literals::operator""sv;

constexpr std::string_view kPing = "12345678";
constexpr std::string_view kPong = "PING ACK 3132333435363738\n";

// The error code, when what was heard is one GOAWAY and the end of the connection; otherwise all of it.
std::string ConnectionErrorIn(const std::string& heard) {
  constexpr std::string_view kBegin = "GOAWAY last=";
  const bool one = std::count(heard.begin(), heard.end(), '\n') == 2;
  if (!one || !heard.starts_with(kBegin) || !heard.ends_with(kEnd)) return heard;
  const size_t code = heard.find(' ', kBegin.size()) + 1;
  return heard.substr(code, heard.find_first_of(" \n", code) - code);
}

// Of the type as it stands on the wire: those flags that it gives no meaning.
uint8_t UnusedFlags(uint8_t type) {
  switch (static_cast<FrameType>(type)) {
    case FrameType::kData:
      return 0xff ^ 0x09;
    case FrameType::kHeaders:
      return 0xff ^ 0x2d;
    case FrameType::kSettings:
    case FrameType::kPing:
      return 0xff ^ 0x01;
    case FrameType::kPushPromise:
      return 0xff ^ 0x0c;
    case FrameType::kContinuation:
      return 0xff ^ 0x04;
    default:
      return 0xff;
  }
}

struct WireFrame {
  FrameType type;
  uint8_t flags;
  uint32_t id;  // and the reserved bit
  std::string payload;
};

// Calls `see` with each frame header's place.
template <typename See>
void EachHeader(const std::string& bytes, See see) {
  for (size_t at = 0; at + frame::kFrameHeaderSize <= bytes.size();) {
    const auto octet = [&](size_t i) { return static_cast<uint8_t>(bytes[at + i]); };
    const size_t length = size_t{octet(0)} << 16 | size_t{octet(1)} << 8 | octet(2);
    see(at, length);
    at += frame::kFrameHeaderSize + length;
  }
}

std::vector<WireFrame> Split(const std::string& bytes) {
  std::vector<WireFrame> frames;
  EachHeader(bytes, [&](size_t at, size_t length) {
    const auto octet = [&](size_t i) { return static_cast<uint8_t>(bytes[at + i]); };
    const uint32_t id =
        uint32_t{octet(5)} << 24 | uint32_t{octet(6)} << 16 | uint32_t{octet(7)} << 8 | octet(8);
    frames.push_back({static_cast<FrameType>(octet(3)), octet(4), id,
                      bytes.substr(at + frame::kFrameHeaderSize, length)});
  });
  return frames;
}

class Rfc9113Test : public SessionTest {
 protected:
  using Say = std::function<void(FrameScript&)>;

  virtual Role role() const = 0;

  // A connection of which nothing is settled yet but our preface. May be called again: the next connection.
  void Begin(const Options& options = {}) {
    std::destroy_at(&peer_);  // another connection, another HPACK table
    std::construct_at(&peer_);
    Start(role(), options);
    Receive();
    if (role() == Role::kServer) peer_.ClientPreface();
  }
  void Connect(const Options& options = {}, const std::vector<frame::Setting>& peer_settings = {}) {
    std::destroy_at(&peer_);
    std::construct_at(&peer_);
    SessionTest::Connect(role(), options, peer_settings);
  }
  // Stream 1, open both ways, with both heads sent.
  RecordingReceiver& OpenStream() {
    if (role() == Role::kServer) {
      EXPECT_TRUE(Send(peer_.Headers(1, kPost)));
      SendHead(*handler_.requests.back());
    } else {
      Open("/", false);
      EXPECT_TRUE(Send(peer_.Headers(1, kStatus200)));
    }
    Receive();
    return stream();
  }
  RecordingReceiver& stream() {
    return role() == Role::kServer ? *handler_.requests.back() : *receivers_.back();
  }
  // What the peer said of the body and the trailers of stream 1.
  std::string heard_on_stream() { return stream().log.substr(stream().log.find('\n') + 1); }

  // What a new connection with an open stream 1 makes of it.
  std::string ErrorAfter(const Say& say, const Options& options = {}) {
    Connect(options);
    OpenStream();
    say(peer_);
    return ConnectionErrorIn(Exchange(peer_));
  }

  // What the session has sent since it was last heard, as it stands on the wire.
  std::string ReceiveBytes() {
    std::string bytes;
    for (;;) {
      std::array<uint8_t, 64 * 1024> space;
      const io::IoResult result = peer_stream_->TryRead(space);
      if (result.kind != io::IoResult::Kind::kBytes) return bytes;
      bytes.append(reinterpret_cast<const char*>(space.data()), result.bytes);
      Pump();
    }
  }

  // A field of 40000 octets.
  void SendLargeHead() {
    static const std::string large(40000, 'x');
    const Fields fields = {{"large", large}};
    if (role() == Role::kServer) {
      OnLoop([&] { stream().exchange->SendHead({200, fields}, false); });
      return;
    }
    RecordingReceiver& receiver = *receivers_.emplace_back(std::make_unique<RecordingReceiver>());
    OnLoop([&] {
      receiver.exchange = &session()->Open({"POST", "http", "a", "/", {}, fields}, receiver, false);
    });
  }

  // Everything that the session ever sends: frames of each type that it uses, before a peer that changes no
  // setting.
  std::vector<WireFrame> Conversation() {
    std::destroy_at(&peer_);
    std::construct_at(&peer_);
    Start(role());
    std::string bytes = ReceiveBytes();
    if (role() == Role::kServer) {
      peer_.ClientPreface();
    } else {
      EXPECT_EQ(bytes.substr(0, frame::kConnectionPreface.size()), frame::kConnectionPreface);
      bytes.erase(0, frame::kConnectionPreface.size());
    }
    EXPECT_TRUE(Send(peer_.Settings({}).SettingsAck().Ping(kPing)));
    if (role() == Role::kServer) EXPECT_TRUE(Send(peer_.Headers(1, kPost)));
    SendLargeHead();
    SendData(stream(), std::string(40000, 'y'));
    SendTrailers(stream(), {{"a", "b"}});
    if (role() == Role::kServer) {
      EXPECT_TRUE(Send(peer_.Headers(3, kPost)));
    } else {
      Open("/", false);
    }
    Reset(stream(), absl::StatusCode::kCancelled);
    OnLoop([&] { session()->Close(absl::UnavailableError("enough")); });
    const std::vector<WireFrame> frames = Split(bytes + ReceiveBytes());
    std::set<FrameType> types;
    for (const WireFrame& frame : frames) types.insert(frame.type);
    const std::set<FrameType> expected = {FrameType::kData,         FrameType::kHeaders,
                                          FrameType::kRstStream,    FrameType::kSettings,
                                          FrameType::kPing,         FrameType::kGoAway,
                                          FrameType::kWindowUpdate, FrameType::kContinuation};
    EXPECT_EQ(types, expected);
    return frames;
  }
};

class Rfc9113Server : public Rfc9113Test {
  Role role() const override { return Role::kServer; }
};
class Rfc9113Client : public Rfc9113Test {
  Role role() const override { return Role::kClient; }
};
class Rfc9113Endpoint : public Rfc9113Test, public testing::WithParamInterface<Role> {
  Role role() const override { return GetParam(); }
};
INSTANTIATE_TEST_SUITE_P(Of, Rfc9113Endpoint, testing::Values(Role::kServer, Role::kClient), [](const auto& info) {
  return info.param == Role::kServer ? "Server" : "Client";
});

// --- 3.4 the preface ---

// Ours is sent first, and the peer's SETTINGS are acknowledged after it:
// see session_server_test: SpeaksFirstWithItsSettingsAndWindow, session_client_test: SendsThePrefaceAndItsSettings
// The 24 octets are what Conversation() above compares.

TEST_F(Rfc9113Server, S3_4_EachOctetOfThePrefaceIsChecked) {
  for (size_t i = 0; i < frame::kConnectionPreface.size(); ++i) {
    std::string wrong(frame::kConnectionPreface);
    wrong[i] = static_cast<char>(wrong[i] ^ 0x20);
    Begin();
    peer_.Bytes();
    EXPECT_TRUE(SendBytes(wrong));
    EXPECT_EQ(ConnectionErrorIn(Receive()), "PROTOCOL_ERROR") << "octet " << i;
  }
}

TEST_P(Rfc9113Endpoint, S3_4_TheFirstFrameIsSettings) {
  const Say table[] = {
      [](FrameScript& s) { s.Data(1, "x"); },
      [](FrameScript& s) { s.Headers(1, kGet); },
      [](FrameScript& s) { s.Priority(1, {}); },
      [](FrameScript& s) { s.RstStream(1, ErrorCode::kCancel); },
      [](FrameScript& s) { s.SettingsAck(); },
      [](FrameScript& s) { s.PushPromise(1, 2, kGet); },
      [](FrameScript& s) { s.Ping(kPing); },
      [](FrameScript& s) { s.GoAway(0, ErrorCode::kNoError); },
      [](FrameScript& s) { s.WindowUpdate(0, 1); },
      [](FrameScript& s) { s.Raw(FrameType::kContinuation, kEndHeaders, 1, ""); },
      [](FrameScript& s) { s.Raw(static_cast<FrameType>(0x77), 0, 0, ""); },
  };
  for (const Say& say : table) {
    Begin();
    say(peer_);
    EXPECT_EQ(ConnectionErrorIn(Exchange(peer_.Settings({}))), "PROTOCOL_ERROR") << &say - table;
  }
}

// A first frame that breaks a rule of its stream is no SETTINGS either.
TEST_P(Rfc9113Endpoint, S3_4_AMalformedFirstFrameIsAnInvalidPreface) {
  const Say table[] = {
      [](FrameScript& s) { s.Raw(FrameType::kPriority, 0, 1, "four"); },
      [](FrameScript& s) { s.WindowUpdate(1, 0); },
  };
  for (const Say& say : table) {
    Begin();
    say(peer_);
    EXPECT_EQ(ConnectionErrorIn(Exchange(peer_.Settings({}))), "PROTOCOL_ERROR") << &say - table;
  }
}

// --- 4.1 frame format ---

TEST_P(Rfc9113Endpoint, S4_1_FramesOfUnknownTypesAreDiscarded) {
  Connect();
  OpenStream();
  const std::string log = stream().log;
  for (int type = 0x0a; type <= 0xff; ++type) {
    peer_.Raw(static_cast<FrameType>(type), 0xff, 0, "of the connection");
    peer_.Raw(static_cast<FrameType>(type), 0xff, 1, "of an open stream");
    peer_.Raw(static_cast<FrameType>(type), 0xff, 77, "of an idle stream");
  }
  EXPECT_EQ(Exchange(peer_.Ping(kPing)), kPong);
  EXPECT_EQ(stream().log, log);
}

TEST_P(Rfc9113Endpoint, S4_1_UnusedFlagsAreIgnored) {
  Connect();
  OpenStream();
  peer_.Ping(kPing).Settings({}).SettingsAck().WindowUpdate(0, 1).WindowUpdate(1, 1).Priority(1, {});
  peer_.Data(1, "abc").Headers(1, {{"a", "b"}}, kEndStream, 1);  // an octet in each CONTINUATION
  std::string bytes = peer_.Bytes();
  EachHeader(bytes, [&](size_t at, size_t) {
    bytes[at + 4] = static_cast<char>(bytes[at + 4] | UnusedFlags(static_cast<uint8_t>(bytes[at + 3])));
  });
  EXPECT_TRUE(SendBytes(bytes));
  EXPECT_EQ(Receive(), std::string(kPong) + "SETTINGS ACK\n");
  EXPECT_EQ(heard_on_stream(), "data abc\ntrailers {a=b}\n");
}

TEST_P(Rfc9113Endpoint, S4_1_UnusedFlagsOfRstStreamAndGoAwayAreIgnored) {
  Connect();
  OpenStream();
  EXPECT_EQ(Exchange(peer_.Raw(FrameType::kRstStream, 0xff, 1, "\0\0\0\x08"sv)), "");
  EXPECT_EQ(heard_on_stream(), "closed CANCELLED: stream reset by the peer: CANCEL (8)\n");
  EXPECT_EQ(Exchange(peer_.Raw(FrameType::kGoAway, 0xff, 0, "\0\0\0\x01\0\0\0\0"sv)), "");
  EXPECT_FALSE(session()->accepts_requests());
}

TEST_P(Rfc9113Endpoint, S4_1_TheReservedBitIsIgnored) {
  Connect();
  OpenStream();
  peer_.Ping(kPing).Settings({}).WindowUpdate(0, 1).WindowUpdate(1, 1).Priority(1, {});
  peer_.Data(1, "abc").Headers(1, {{"a", "b"}}, kEndStream, 1);
  std::string bytes = peer_.Bytes();
  EachHeader(bytes, [&](size_t at, size_t) { bytes[at + 5] = static_cast<char>(bytes[at + 5] | 0x80); });
  EXPECT_TRUE(SendBytes(bytes));
  EXPECT_EQ(Receive(), std::string(kPong) + "SETTINGS ACK\n");
  EXPECT_EQ(heard_on_stream(), "data abc\ntrailers {a=b}\n");
}

TEST_P(Rfc9113Endpoint, S4_1_UnusedFlagsAreUnsetWhenSending) {
  for (const WireFrame& frame : Conversation()) {
    EXPECT_EQ(frame.flags & UnusedFlags(static_cast<uint8_t>(frame.type)), 0) << FrameTypeName(frame.type);
  }
}

TEST_P(Rfc9113Endpoint, S4_1_TheReservedBitIsUnsetWhenSending) {
  for (const WireFrame& frame : Conversation()) {
    EXPECT_LE(frame.id, frame::kMaxStreamId) << FrameTypeName(frame.type);
  }
}

// A larger SETTINGS_MAX_FRAME_SIZE is used: see session_flow_test: PeersMaxFrameSizeCutsData
TEST_P(Rfc9113Endpoint, S4_1_NoFrameIsLongerThanThePeerAllows) {
  size_t longest = 0;
  for (const WireFrame& frame : Conversation()) longest = std::max(longest, frame.payload.size());
  EXPECT_EQ(longest, 16384u);
}

// --- 4.2 frame size ---

TEST_P(Rfc9113Endpoint, S4_2_FramesOf16384OctetsAreTaken) {
  Connect();
  OpenStream();
  std::string block = "\x40\x01"s + "a\x7f\x80\x7f"s + std::string(127 + 127 * 128, 'v');
  block.resize(16384);
  EXPECT_EQ(Exchange(peer_.Raw(static_cast<FrameType>(0x77), 0, 1, std::string(16384, 'x'))
                         .Data(1, std::string(16384, 'x'))
                         .Ping(kPing)),
            kPong);
  EXPECT_EQ(stream().body, std::string(16384, 'x'));
}
