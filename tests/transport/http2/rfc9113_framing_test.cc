// RFC 9113, one test per MUST and MUST NOT: how a connection begins, how frames and field blocks are built,
// and the formats of each type (3.4, 4, 5.5, 6). Beside it: rfc9113_streams_test, rfc9113_flow_test,
// rfc9113_messages_test.
//
// 3.2, 3.3 and 9.2 are about TLS, which is not served yet. A rule that binds both roles is a TEST_P.

#include <algorithm>
#include <memory>
#include <set>

#include "tests/transport/http2/rfc9113_fixture.h"

namespace culvert::http2 {
namespace {

using frame::FrameType;
using frame::flags::kEndHeaders;
using frame::flags::kPadded;
using std::string_view_literals::operator""sv;

constexpr std::string_view kPing = "12345678";
constexpr std::string_view kPong = "PING ACK 3132333435363738\n";

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
    frames.push_back(
        {static_cast<FrameType>(octet(3)), octet(4), id, bytes.substr(at + frame::kFrameHeaderSize, length)});
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
    if (role() == Role::kServer) {
      EXPECT_TRUE(Send(peer_.Headers(1, kPost)));
    }
    SendLargeHead();
    bytes += ReceiveBytes();
    SendData(stream(), std::string(40000, 'y'));
    SendTrailers(stream(), {{"a", "b"}});
    bytes += ReceiveBytes();
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
    const std::set<FrameType> expected = {
        FrameType::kData, FrameType::kHeaders, FrameType::kRstStream,    FrameType::kSettings,
        FrameType::kPing, FrameType::kGoAway,  FrameType::kWindowUpdate, FrameType::kContinuation};
    EXPECT_EQ(types, expected);
    return frames;
  }
};

using Rfc9113Server = OfRole<Rfc9113Test, Role::kServer>;
using Rfc9113Client = OfRole<Rfc9113Test, Role::kClient>;
using Rfc9113Endpoint = OfEachRole<Rfc9113Test>;
INSTANTIATE_TEST_SUITE_P(Of, Rfc9113Endpoint, testing::Values(Role::kServer, Role::kClient), RoleName);

// --- 3.4 the preface ---

// That ours is sent first, and that the peer's SETTINGS are acknowledged after it:
// see session_server_test: SpeaksFirstWithItsSettingsAndWindow
// see session_client_test: SendsThePrefaceAndItsSettings

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
TEST_F(Rfc9113Server, S3_4_AMalformedFirstFrameIsAnInvalidPreface) {
  const Say table[] = {
      [](FrameScript& s) { s.Raw(FrameType::kPriority, 0, 1, "four"); },
      [](FrameScript& s) { s.WindowUpdate(1, 0); },
      // Which depend on themselves (RFC 7540 5.3.1).
      [](FrameScript& s) {
        s.Raw(FrameType::kHeaders, kEndHeaders | frame::flags::kPriority, 1, "\0\0\0\1\0"sv);
      },
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
    if (type == static_cast<int>(FrameType::kPriorityUpdate)) continue;  // RFC 9218: see session_priority_test
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
  // One literal field, a: 16378 octets of value.
  const std::string block = std::string("\0\1a\x7f\xfb\x7e"sv) + std::string(16378, 'v');
  ASSERT_EQ(block.size(), 16384u);
  EXPECT_EQ(Exchange(peer_.Raw(static_cast<FrameType>(0x77), 0, 1, std::string(16384, 'x'))
                         .Data(1, std::string(16384, 'x'))
                         .Raw(FrameType::kHeaders, kEndHeaders | kEndStream, 1, block)
                         .Ping(kPing)),
            kPong);
  EXPECT_EQ(heard_on_stream(), "data of 16384\ntrailers " +
                                   testing_support::DescribeFields(Fields{{"a", block.substr(6)}}) + "\n");
}

TEST_P(Rfc9113Endpoint, S4_2_ALongerFrameThanWeAllowIsAFrameSizeError) {
  const auto too_long = [](FrameType type, uint8_t flags, frame::StreamId id) -> Say {
    return [=](FrameScript& s) { s.Raw(type, flags, id, std::string(16386, '\0')); };
  };
  const Say table[] = {
      too_long(FrameType::kData, 0, 1),
      too_long(FrameType::kHeaders, kEndHeaders | kEndStream, 1),
      too_long(FrameType::kPriority, 0, 1),
      too_long(FrameType::kRstStream, 0, 1),
      too_long(FrameType::kSettings, 0, 0),
      too_long(FrameType::kPing, 0, 0),
      too_long(FrameType::kGoAway, 0, 0),
      too_long(FrameType::kWindowUpdate, 0, 1),
      too_long(static_cast<FrameType>(0x77), 0, 0),
      [](FrameScript& s) {
        s.Raw(FrameType::kHeaders, kEndStream, 1, "");
        s.Raw(FrameType::kContinuation, kEndHeaders, 1, std::string(16385, '\0'));
      },
  };
  for (const Say& say : table) EXPECT_EQ(ErrorAfter(say), "FRAME_SIZE_ERROR") << &say - table;
}

TEST_P(Rfc9113Endpoint, S4_2_TheLimitIsTheOneThatWeAdvertise) {
  Connect({.max_frame_size = 20000});
  OpenStream();
  EXPECT_EQ(Exchange(peer_.Data(1, std::string(20000, 'x'))), "");
  EXPECT_EQ(stream().body.size(), 20000u);
  EXPECT_EQ(ConnectionErrorIn(Exchange(peer_.Data(1, std::string(20001, 'x')))), "FRAME_SIZE_ERROR");
}

TEST_P(Rfc9113Endpoint, S4_2_AFrameWithoutRoomForItsFieldsIsAFrameSizeError) {
  constexpr uint8_t kEnd = kEndHeaders | kEndStream;
  const Say table[] = {
      [](FrameScript& s) { s.Raw(FrameType::kData, kPadded, 1, ""); },
      [](FrameScript& s) { s.Raw(FrameType::kHeaders, kEnd | kPadded, 1, ""); },
      [](FrameScript& s) { s.Raw(FrameType::kHeaders, kEnd | frame::flags::kPriority, 1, "four"); },
      [](FrameScript& s) { s.Raw(FrameType::kGoAway, 0, 0, "seven.."); },
      [](FrameScript& s) { s.Raw(FrameType::kGoAway, 0, 0, ""); },
  };
  for (const Say& say : table) EXPECT_EQ(ErrorAfter(say), "FRAME_SIZE_ERROR") << &say - table;
}

TEST_F(Rfc9113Client, S4_2_APushPromiseWithoutRoomForItsFieldsIsAFrameSizeError) {
  const Say too_short = [](FrameScript& s) { s.Raw(FrameType::kPushPromise, kEndHeaders, 1, "\0\0\2"sv); };
  EXPECT_EQ(ErrorAfter(too_short), "FRAME_SIZE_ERROR");
}

// --- 4.3 field sections ---

TEST_P(Rfc9113Endpoint, S4_3_AFieldBlockIsSentWithoutAnythingInBetween) {
  frame::StreamId open = 0;
  for (const WireFrame& frame : Conversation()) {
    EXPECT_EQ(open != 0, frame.type == FrameType::kContinuation);
    EXPECT_EQ(frame.id, open == 0 ? frame.id : open);
    const bool field_block = frame.type == FrameType::kHeaders || frame.type == FrameType::kContinuation;
    open = field_block && (frame.flags & kEndHeaders) == 0 ? frame.id : 0;
  }
  EXPECT_EQ(open, 0u);
}

TEST_P(Rfc9113Endpoint, S4_3_AFieldBlockThatCannotBeDecodedIsACompressionError) {
  const std::string_view table[] = {
      "\x80"sv,           // index 0
      "\xff\x00"sv,       // index 127, in neither table
      "\x7f\x40\x01v"sv,  // a name from index 127
      "\x40\x05"sv
      "ab",  // ends within a name
      "\x40\x01"sv
      "a\x05v",                           // ends within a value
      "\x40"sv,                           // ends before the name
      "\x82\xff"sv,                       // ends within an integer
      "\xff\xff\xff\xff\xff\xff\x7f"sv,   // an integer beyond all limits
      "\x40\x81\xff\x01v"sv,              // eight bits of Huffman padding
      "\x40\x84\xff\xff\xff\xff\x01v"sv,  // the code of EOS
      "\x3f\xe2\x1f"sv,                   // a dynamic table of 4097
      "\x82\x20"sv,                       // a size update behind a field
  };
  for (const std::string_view& block : table) {
    const Say whole = [&](FrameScript& s) { s.Raw(FrameType::kHeaders, kEndHeaders | kEndStream, 1, block); };
    EXPECT_EQ(ErrorAfter(whole), "COMPRESSION_ERROR") << &block - table;
    const Say continued = [&](FrameScript& s) {
      s.Raw(FrameType::kHeaders, kEndStream, 1, "");
      s.Raw(FrameType::kContinuation, kEndHeaders, 1, block);
    };
    EXPECT_EQ(ErrorAfter(continued), "COMPRESSION_ERROR") << &block - table << " in a CONTINUATION";
  }
}

TEST_P(Rfc9113Endpoint, S4_3_ATableOf4096AndFewerOctetsIsTheEncodersChoice) {
  Connect();
  OpenStream();
  const std::string_view block =
      "\x20\x3f\xe1\x1f\x40\x01"sv
      "a\x01"
      "b";  // to 0, to 4096; a: b
  EXPECT_EQ(Exchange(peer_.Raw(FrameType::kHeaders, kEndHeaders | kEndStream, 1, block)), "");
  EXPECT_EQ(heard_on_stream(), "trailers {a=b}\n");
}

// --- 4.3.1 compression state ---

TEST_P(Rfc9113Endpoint, S4_3_1_AReducedTableIsToldFirstInTheNextBlock) {
  const std::pair<std::vector<frame::Setting>, std::string> table[] = {
      {{{SettingId::kHeaderTableSize, 0}}, "\x20"},
      {{{SettingId::kHeaderTableSize, 100}}, "\x3f\x45"},
      {{{SettingId::kHeaderTableSize, 0}, {SettingId::kHeaderTableSize, 4096}}, "\x20\x3f\xe1\x1f"},
  };
  for (const auto& [settings, update] : table) {
    Connect();
    OpenStream();
    SendTrailers(stream(), {{"fills", "the table"}});
    EXPECT_TRUE(Send(peer_.Settings(settings)));
    Receive();
    if (role() == Role::kServer) {
      EXPECT_TRUE(Send(peer_.Headers(3, kPost)));
      SendHead(stream());
    } else {
      Open("/", false);
    }
    const std::vector<WireFrame> frames = Split(ReceiveBytes());
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(frames[0].type, FrameType::kHeaders);
    EXPECT_EQ(frames[0].payload.substr(0, update.size()), update);
    EXPECT_NE(frames[0].payload[update.size()] & 0xe0, 0x20);
  }
}

// That the peer's encoder says so when we reduce ours: we never do.

// --- 5.5 extensions ---

// Unknown types, settings and flags: S4_1, S6_5_2. Unknown error codes: S7.
TEST_P(Rfc9113Endpoint, S5_5_AnExtensionFrameWithinAFieldBlockIsAConnectionError) {
  for (const frame::StreamId id : {0u, 1u, 77u}) {
    const Say within = [&](FrameScript& s) {
      s.Raw(FrameType::kHeaders, kEndStream, 1, "").Raw(static_cast<FrameType>(0x77), 0, id, "");
    };
    EXPECT_EQ(ErrorAfter(within), "PROTOCOL_ERROR") << id;
  }
}

// --- 6.1 DATA ---

TEST_P(Rfc9113Endpoint, S6_1_DataBelongsToAStream) {
  EXPECT_EQ(ErrorAfter([](FrameScript& s) { s.Data(0, "x"); }), "PROTOCOL_ERROR");
  EXPECT_EQ(ErrorAfter([](FrameScript& s) { s.Data(0, "", kEndStream); }), "PROTOCOL_ERROR");
}

TEST_P(Rfc9113Endpoint, S6_1_PaddingAsLongAsThePayloadIsAConnectionError) {
  for (const std::string_view payload : {"\1"sv, "\5abcd"sv, "\xff"sv, "\6abcd"sv}) {
    const Say say = [&](FrameScript& s) { s.Raw(FrameType::kData, kPadded, 1, payload); };
    EXPECT_EQ(ErrorAfter(say), "PROTOCOL_ERROR") << int{payload[0]};
  }
}

TEST_P(Rfc9113Endpoint, S6_1_PaddingMayBeAllButTheOctetThatTellsIt) {
  Connect();
  OpenStream();
  EXPECT_EQ(
      Exchange(peer_.Raw(FrameType::kData, kPadded, 1, "\4\0\0\0\0"sv).PaddedData(1, "abc", 0).Ping(kPing)),
      kPong);
  EXPECT_EQ(heard_on_stream(), "data\ndata abc\n");
}

// --- 6.2 HEADERS ---

TEST_P(Rfc9113Endpoint, S6_2_HeadersBelongToAStream) {
  EXPECT_EQ(ErrorAfter([](FrameScript& s) { s.Headers(0, kGet, kEndStream); }), "PROTOCOL_ERROR");
}

TEST_P(Rfc9113Endpoint, S6_2_PaddingAsLongAsThePayloadIsAConnectionError) {
  constexpr uint8_t kFlags = kEndHeaders | kEndStream | kPadded;
  for (const std::string_view payload : {"\1"sv, "\4\x82\x84\0"sv, "\xff\x82\x84"sv}) {
    const Say say = [&](FrameScript& s) { s.Raw(FrameType::kHeaders, kFlags, 1, payload); };
    EXPECT_EQ(ErrorAfter(say), "PROTOCOL_ERROR") << payload.size();
  }
}

TEST_P(Rfc9113Endpoint, S6_2_PaddingIsNotPartOfTheFieldBlock) {
  constexpr uint8_t kFlags = kEndHeaders | kEndStream | kPadded | frame::flags::kPriority;
  Connect();
  OpenStream();
  const std::string_view payload =
      "\3\0\0\0\0\x0f\x40\1"sv
      "a\1"
      "b\0\0\0"sv;
  EXPECT_EQ(Exchange(peer_.Raw(FrameType::kHeaders, kFlags, 1, payload)), "");
  EXPECT_EQ(heard_on_stream(), "trailers {a=b}\n");
}

// Of a request, with a PING: see session_server_test: NothingMayInterruptAHeaderBlock
TEST_P(Rfc9113Endpoint, S6_2_OnlyAContinuationOfItsStreamFollowsHeadersWithoutEndHeaders) {
  const Say table[] = {
      [](FrameScript& s) { s.Data(1, "x"); },
      [](FrameScript& s) { s.Raw(FrameType::kHeaders, kEndHeaders | kEndStream, 1, ""); },
      [](FrameScript& s) { s.Raw(FrameType::kHeaders, kEndHeaders, 3, ""); },
      [](FrameScript& s) { s.Priority(1, {}); },
      [](FrameScript& s) { s.RstStream(1, ErrorCode::kCancel); },
      [](FrameScript& s) { s.Settings({}); },
      [](FrameScript& s) { s.PushPromise(1, 2, kGet); },
      [](FrameScript& s) { s.Ping(kPing); },
      [](FrameScript& s) { s.GoAway(0, ErrorCode::kNoError); },
      [](FrameScript& s) { s.WindowUpdate(0, 1); },
      [](FrameScript& s) { s.Raw(FrameType::kContinuation, kEndHeaders, 3, ""); },
  };
  for (const Say& say : table) {
    const Say interrupted = [&](FrameScript& s) { say(s.Raw(FrameType::kHeaders, kEndStream, 1, "")); };
    EXPECT_EQ(ErrorAfter(interrupted), "PROTOCOL_ERROR") << &say - table;
  }
}

// --- 6.5 SETTINGS ---

TEST_P(Rfc9113Endpoint, S6_5_AnAcknowledgementIsEmpty) {
  const Say six = [](FrameScript& s) {
    s.Raw(FrameType::kSettings, frame::flags::kAck, 0, "\0\3\0\0\0\1"sv);
  };
  EXPECT_EQ(ErrorAfter(six), "FRAME_SIZE_ERROR");
  EXPECT_EQ(ErrorAfter([](FrameScript& s) { s.Raw(FrameType::kSettings, frame::flags::kAck, 0, "x"); }),
            "FRAME_SIZE_ERROR");
}

TEST_P(Rfc9113Endpoint, S6_5_SettingsBelongToTheConnection) {
  EXPECT_EQ(ErrorAfter([](FrameScript& s) { s.Raw(FrameType::kSettings, 0, 1, ""); }), "PROTOCOL_ERROR");
  EXPECT_EQ(ErrorAfter([](FrameScript& s) { s.Raw(FrameType::kSettings, frame::flags::kAck, 1, ""); }),
            "PROTOCOL_ERROR");
  EXPECT_EQ(ErrorAfter([](FrameScript& s) { s.Raw(FrameType::kSettings, 0, 2, ""); }), "PROTOCOL_ERROR");
}

TEST_P(Rfc9113Endpoint, S6_5_SettingsAreAMultipleOf6Octets) {
  for (const size_t length : {1, 5, 7, 11, 13}) {
    const Say say = [&](FrameScript& s) { s.Raw(FrameType::kSettings, 0, 0, std::string(length, '\0')); };
    EXPECT_EQ(ErrorAfter(say), "FRAME_SIZE_ERROR") << length;
  }
}

// --- 6.5.2 defined settings ---

TEST_P(Rfc9113Endpoint, S6_5_2_EnablePushOtherThan0And1IsAConnectionError) {
  for (const uint32_t value : {2u, 0x100u, 0xffffffffu}) {
    EXPECT_EQ(ErrorAfter([&](FrameScript& s) { s.Settings({{SettingId::kEnablePush, value}}); }),
              "PROTOCOL_ERROR")
        << value;
  }
}

TEST_F(Rfc9113Server, S6_5_2_AClientMayEnablePush) {
  Connect();
  for (const uint32_t value : {0u, 1u}) {
    EXPECT_EQ(Exchange(peer_.Settings({{SettingId::kEnablePush, value}})), "SETTINGS ACK\n");
  }
}

// A server that says 1: see session_client_test: AServerMayNotEnablePush
TEST_F(Rfc9113Client, S6_5_2_AServerMaySayThatItDoesNotPush) {
  Connect();
  EXPECT_EQ(Exchange(peer_.Settings({{SettingId::kEnablePush, 0}})), "SETTINGS ACK\n");
}

TEST_F(Rfc9113Server, S6_5_2_AServerDoesNotEnablePush) {
  Start(Role::kServer);
  EXPECT_EQ(Receive().find("ENABLE_PUSH=1"), std::string::npos);
}

// Even where there is no stream whose window it could change.
TEST_P(Rfc9113Endpoint, S6_5_2_AnInitialWindowAbove2To31IsAFlowControlError) {
  for (const uint32_t value : {0x80000000u, 0xffffffffu}) {
    Connect();
    EXPECT_EQ(ConnectionErrorIn(Exchange(peer_.Settings({{SettingId::kInitialWindowSize, value}}))),
              "FLOW_CONTROL_ERROR")
        << value;
  }
}

TEST_P(Rfc9113Endpoint, S6_5_2_AnInitialWindowUpTo2To31IsTaken) {
  Connect();
  OpenStream();
  EXPECT_EQ(Exchange(peer_.Settings({{SettingId::kInitialWindowSize, 0x7fffffff}})), "SETTINGS ACK\n");
  EXPECT_EQ(Exchange(peer_.Settings({{SettingId::kInitialWindowSize, 0}})), "SETTINGS ACK\n");
}

TEST_P(Rfc9113Endpoint, S6_5_2_AMaxFrameSizeOutOfRangeIsAConnectionError) {
  for (const uint32_t value : {0u, 16383u, 16777216u, 0xffffffffu}) {
    EXPECT_EQ(ErrorAfter([&](FrameScript& s) { s.Settings({{SettingId::kMaxFrameSize, value}}); }),
              "PROTOCOL_ERROR")
        << value;
  }
}

TEST_P(Rfc9113Endpoint, S6_5_2_AMaxFrameSizeInRangeIsTaken) {
  Connect();
  for (const uint32_t value : {16384u, 16777215u}) {
    EXPECT_EQ(Exchange(peer_.Settings({{SettingId::kMaxFrameSize, value}})), "SETTINGS ACK\n");
  }
}

TEST_P(Rfc9113Endpoint, S6_5_2_TheMaxFrameSizeThatWeAdvertiseIsInRange) {
  for (const uint32_t size : {16384u, 16385u, 65536u}) {
    Start(role(), {.max_frame_size = size});
    const std::string sent = Receive();
    const std::string advertised = " MAX_FRAME_SIZE=" + std::to_string(size);
    EXPECT_EQ(sent.find(advertised) != sent.npos, size != 16384) << sent;  // the default goes without saying
  }
}

TEST_P(Rfc9113Endpoint, S6_5_2_UnknownSettingsAreIgnored) {
  Connect();
  std::vector<frame::Setting> settings;
  for (const uint16_t id : {0, 7, 0xa, 0x10, 0xffff})
    settings.push_back({static_cast<SettingId>(id), 0xffffffff});
  EXPECT_EQ(Exchange(peer_.Settings(settings).Ping(kPing)), "SETTINGS ACK\n" + std::string(kPong));
}

// --- 6.5.3 synchronization ---

TEST_P(Rfc9113Endpoint, S6_5_3_SettingsAreAcknowledgedAtOnceAndOneByOne) {
  Connect();
  EXPECT_EQ(Exchange(peer_.Ping("before..").Settings({}).Settings({}).Ping(kPing)),
            "PING ACK 6265666f72652e2e\nSETTINGS ACK\nSETTINGS ACK\n" + std::string(kPong));
}

TEST_P(Rfc9113Endpoint, S6_5_3_AnAcknowledgementIsNotAcknowledged) {
  Connect();
  EXPECT_EQ(Exchange(peer_.SettingsAck().SettingsAck().Ping(kPing)), kPong);
}

TEST_P(Rfc9113Endpoint, S6_5_3_TheLastOfSeveralValuesStands) {
  Connect({}, {{SettingId::kInitialWindowSize, 0}});
  OpenStream();
  SendData(stream(), "0123456789");
  EXPECT_EQ(Receive(), "");
  EXPECT_EQ(Exchange(peer_.Settings({{SettingId::kInitialWindowSize, 9},
                                     {static_cast<SettingId>(0x99), 1},
                                     {SettingId::kInitialWindowSize, 4}})),
            "SETTINGS ACK\nDATA stream=1 len=4 data=0123\n");
}

// One after the other: what is only passed through may be an error.
TEST_P(Rfc9113Endpoint, S6_5_3_ValuesAreProcessedInOrder) {
  const Say over_the_top = [](FrameScript& s) {
    s.WindowUpdate(1, 0x7fffffff - 65535);
    s.Settings({{SettingId::kInitialWindowSize, 65536}, {SettingId::kInitialWindowSize, 65535}});
  };
  EXPECT_EQ(ErrorAfter(over_the_top), "FLOW_CONTROL_ERROR");
}

TEST_P(Rfc9113Endpoint, S6_5_3_WhatFollowsTheAcknowledgementHeedsTheSettings) {
  Connect({}, {{SettingId::kMaxFrameSize, 20000}});
  OpenStream();
  EXPECT_EQ(Exchange(peer_.Settings({{SettingId::kMaxFrameSize, 16384}})), "SETTINGS ACK\n");
  SendData(stream(), std::string(20000, 'x'));
  const std::vector<WireFrame> frames = Split(ReceiveBytes());
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[0].payload.size(), 16384u);
  EXPECT_EQ(frames[1].payload.size(), 3616u);
}

// --- 6.7 PING ---

TEST_P(Rfc9113Endpoint, S6_7_APingIsAnsweredWithItsOwnOctets) {
  Connect();
  EXPECT_EQ(Exchange(peer_.Ping("\0\1\x7f\x80\xff\r\n\0"sv).Ping("\xff\xff\xff\xff\xff\xff\xff\xff")),
            "PING ACK 00017f80ff0d0a00\nPING ACK ffffffffffffffff\n");
}

TEST_P(Rfc9113Endpoint, S6_7_AnAcknowledgementIsNotAnswered) {
  Connect();
  EXPECT_EQ(Exchange(peer_.Ping("unasked.", true).Ping(kPing)), kPong);
}

TEST_P(Rfc9113Endpoint, S6_7_PingBelongsToTheConnection) {
  for (const frame::StreamId id : {1u, 2u, 77u}) {
    EXPECT_EQ(ErrorAfter([&](FrameScript& s) { s.Raw(FrameType::kPing, 0, id, kPing); }), "PROTOCOL_ERROR")
        << id;
  }
}

TEST_P(Rfc9113Endpoint, S6_7_PingOfAnotherLengthThan8IsAConnectionError) {
  for (const uint8_t flags : {uint8_t{0}, frame::flags::kAck}) {
    for (const std::string_view payload : {"", "1234567", "123456789"}) {
      const Say say = [&](FrameScript& s) { s.Raw(FrameType::kPing, flags, 0, payload); };
      EXPECT_EQ(ErrorAfter(say), "FRAME_SIZE_ERROR") << payload;
    }
  }
}

// --- 6.9 WINDOW_UPDATE (its effects: rfc9113_flow_test) ---

TEST_P(Rfc9113Endpoint, S6_9_WindowUpdateOfAnotherLengthThan4IsAConnectionError) {
  for (const frame::StreamId id : {0u, 1u}) {
    for (const std::string_view payload : {""sv, "\0\0\1"sv, "\0\0\0\1\0"sv}) {
      const Say say = [&](FrameScript& s) { s.Raw(FrameType::kWindowUpdate, 0, id, payload); };
      EXPECT_EQ(ErrorAfter(say), "FRAME_SIZE_ERROR") << payload.size() << " on stream " << id;
    }
  }
}

// --- 6.10 CONTINUATION ---

TEST_P(Rfc9113Endpoint, S6_10_OnlyAContinuationOfItsStreamFollowsAContinuationWithoutEndHeaders) {
  const Say table[] = {
      [](FrameScript& s) { s.Data(1, "x"); },
      [](FrameScript& s) { s.Raw(FrameType::kHeaders, kEndHeaders | kEndStream, 1, ""); },
      [](FrameScript& s) { s.Settings({}); },
      [](FrameScript& s) { s.Ping(kPing); },
      [](FrameScript& s) { s.Raw(FrameType::kContinuation, kEndHeaders, 3, ""); },
      [](FrameScript& s) { s.Raw(static_cast<FrameType>(0x77), 0, 1, ""); },
  };
  for (const Say& say : table) {
    const Say interrupted = [&](FrameScript& s) {
      say(s.Raw(FrameType::kHeaders, kEndStream, 1, "").Raw(FrameType::kContinuation, 0, 1, ""));
    };
    EXPECT_EQ(ErrorAfter(interrupted), "PROTOCOL_ERROR") << &say - table;
  }
}

TEST_P(Rfc9113Endpoint, S6_10_ContinuationBelongsToAStream) {
  const Say within = [](FrameScript& s) {
    s.Raw(FrameType::kHeaders, kEndStream, 1, "").Raw(FrameType::kContinuation, kEndHeaders, 0, "");
  };
  EXPECT_EQ(ErrorAfter(within), "PROTOCOL_ERROR");
  EXPECT_EQ(ErrorAfter([](FrameScript& s) { s.Raw(FrameType::kContinuation, kEndHeaders, 0, ""); }),
            "PROTOCOL_ERROR");
}

TEST_P(Rfc9113Endpoint, S6_10_ContinuationFollowsAnUnfinishedFieldBlock) {
  const Say table[] = {
      [](FrameScript&) {}, [](FrameScript& s) { s.Data(1, "x"); },
      [](FrameScript& s) { s.Raw(FrameType::kHeaders, kEndHeaders | kEndStream, 1, ""); },
      [](FrameScript& s) { s.Headers(1, {{"a", "b"}}, kEndStream, 4); },  // ended by a CONTINUATION
  };
  for (const Say& say : table) {
    const Say unexpected = [&](FrameScript& s) {
      say(s);
      s.Raw(FrameType::kContinuation, kEndHeaders, 1, "");
    };
    EXPECT_EQ(ErrorAfter(unexpected), "PROTOCOL_ERROR") << &say - table;
  }
}

}  // namespace
}  // namespace culvert::http2
