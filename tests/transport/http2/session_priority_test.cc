// The order in which a server sends its responses (RFC 9218), and PRIORITY_UPDATE. priority_test.cc has what the values mean.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "tests/transport/http2/rfc9113_fixture.h"
#include "tests/transport/http2/session_fixture.h"

namespace culvert::http2 {
namespace {

using frame::FrameType;
using frame::StreamId;
using std::chrono::seconds;

// How many bytes each DATA frame of a transcript carries, in order: "1:100 3:100".
std::string DataFrames(const std::string& transcript) {
  std::string out;
  for (size_t at = 0; (at = transcript.find("DATA stream=", at)) != transcript.npos;) {
    const size_t id = at + 12, space = transcript.find(' ', id), length = space + 5;
    out += (out.empty() ? "" : " ") + transcript.substr(id, space - id) + ":" +
           transcript.substr(length, transcript.find_first_of(" \n", length) - length);
    at = length;
  }
  return out;
}

class PriorityTest : public SessionTest {
 protected:
  // Another connection has another HPACK table.
  void Connect(Role role, const Options& options = {}, const std::vector<frame::Setting>& peer_settings = {},
               MemoryStreamOptions stream_options = {}) {
    std::destroy_at(&peer_);
    std::construct_at(&peer_);
    first_ = handler_.requests.size();
    SessionTest::Connect(role, options, peer_settings, stream_options);
  }

  // A server with a request of each of these `priority` fields, "-" for none: streams 3, 5 and so on. The connection's window is used up,
  // by stream 1, so that what they send is queued until Go.
  void Serve(const std::vector<std::string_view>& fields, const Options& options = {}) {
    Connect(Role::kServer, options, {{SettingId::kInitialWindowSize, 1000000}});
    Request("-");
    for (const std::string_view field : fields) Request(field);
    SendData(stream(1), std::string(frame::kDefaultWindow, 'x'));
    Receive();
  }
  // Answers 200 and waits for data.
  RecordingReceiver& Request(std::string_view priority) {
    Fields fields = kGet;
    if (priority != "-") fields.push_back({"priority", priority});
    const auto id = static_cast<StreamId>(2 * (handler_.requests.size() - first_) + 1);
    EXPECT_TRUE(Send(peer_.Headers(id, fields, kEndStream)));
    SendHead(*handler_.requests.back());
    return *handler_.requests.back();
  }
  RecordingReceiver& stream(StreamId id) { return request(first_ + id / 2); }

  // Has each of them queue so many bytes, in this order. Whose turn it is finds the window closed, and with that it has had its turn.
  void Queue(const std::vector<StreamId>& ids, size_t bytes) {
    OnLoop([&] {
      for (const StreamId id : ids) stream(id).exchange->SendData(io::SharedBytes::Copy(std::string(bytes, 'q')), false);
    });
    EXPECT_EQ(Receive(), "");
  }
  // What goes out when the window is opened, and what the script has gathered is said first.
  std::string Go(uint32_t window = 1000000) { return DataFrames(Exchange(peer_.WindowUpdate(0, window))); }

  FrameScript& Update(StreamId id, std::string_view value) {
    const char octets[] = {static_cast<char>(id >> 24), static_cast<char>(id >> 16), static_cast<char>(id >> 8), static_cast<char>(id)};
    return peer_.Raw(FrameType::kPriorityUpdate, 0, 0, std::string(octets, 4) + std::string(value));
  }

  size_t first_ = 0;  // of the requests of this connection
};

// --- RFC 9218 10: the order of responses ---

TEST_F(PriorityTest, TheMoreUrgentGoFirst) {
  Serve({"u=7", "u=0", "-", "u=1, i", "u=4"});
  Queue({3, 5, 7, 9, 11}, 20000);
  EXPECT_EQ(Go(), "5:16384 5:3616 9:16384 9:3616 7:16384 7:3616 11:16384 11:3616 3:16384 3:3616");
}

TEST_F(PriorityTest, ASmallUrgentResponseOvertakesBulk) {
  Serve({"u=7", "u=0"});
  Queue({3}, 100000);
  EXPECT_EQ(Go(20000), "3:16384 3:3616");
  SendData(stream(5), "small", true);
  EXPECT_EQ(Go(20000), "5:5 3:16384 3:3611");
}

TEST_F(PriorityTest, OfOneUrgencyThoseThatAreNotIncrementalGoOneAfterTheOther) {
  Serve({"u=2", "u=2", "u=2"});
  Queue({7, 5, 3}, 20000);  // by their ids, however they came
  EXPECT_EQ(Go(), "3:16384 3:3616 5:16384 5:3616 7:16384 7:3616");
}

TEST_F(PriorityTest, OfOneUrgencyTheIncrementalShare) {
  Serve({"u=2, i", "u=2, i", "u=2, i"});
  Queue({3, 7, 5}, 20000);
  EXPECT_EQ(Go(), "7:16384 5:16384 3:16384 7:3616 5:3616 3:3616");
}

TEST_F(PriorityTest, TheTwoKindsAlternate) {
  Serve({"u=2", "u=2", "u=2, i", "u=2, i"});
  Queue({3, 5, 7, 9}, 20000);
  EXPECT_EQ(Go(), "7:16384 3:16384 9:16384 3:3616 7:3616 5:16384 9:3616 5:3616");
}

// gRPC's peers say nothing, and their small calls are not to wait for their long streams.
TEST_F(PriorityTest, ThoseOfWhichNothingWasSaidShare) {
  for (const std::string_view nothing : {"-", "", "high", "u=9", "no dictionary"}) {
    Serve({nothing, nothing, "u=7"});
    Queue({7, 3, 5}, 20000);
    EXPECT_EQ(Go(), "5:16384 3:16384 5:3616 3:3616 7:16384 7:3616") << nothing;
  }
}

TEST_F(PriorityTest, ThoseOfWhichNothingWasSaidAreOfUrgency3) {
  Serve({"-", "u=3", "u=3, i"});
  Queue({3, 5, 7}, 20000);
  EXPECT_EQ(Go(), "3:16384 5:16384 7:16384 5:3616 3:3616 7:3616");
}

// RFC 8941 4.2
TEST_F(PriorityTest, SeveralFieldLinesAreOneDictionary) {
  Serve({"u=2, i"});
  Fields fields = kGet;
  fields.insert(fields.end(), {{"priority", "u=5, i"}, {"other", "u=7"}, {"priority", "u=2"}});
  EXPECT_TRUE(Send(peer_.Headers(5, fields, kEndStream)));
  SendHead(stream(5));
  Receive();
  Queue({5, 3}, 20000);
  EXPECT_EQ(Go(), "3:16384 5:16384 3:3616 5:3616");
}

TEST_F(PriorityTest, AClosedWindowOfItsOwnMakesAStreamStandAside) {
  Serve({"u=1", "u=1", "u=5"});
  EXPECT_EQ(Exchange(peer_.Settings({{SettingId::kInitialWindowSize, 70000}})), "SETTINGS ACK\n");
  EXPECT_TRUE(Send(peer_.WindowUpdate(7, 100000)));
  Queue({3, 5, 7}, 80000);
  const std::string all = Go();
  EXPECT_EQ(all.substr(0, 38), "3:16384 3:16384 3:16384 3:16384 3:4464") << all;
  EXPECT_EQ(all.substr(39, 38), "5:16384 5:16384 5:16384 5:16384 5:4464") << all;
  EXPECT_EQ(all.substr(78), "7:16384 7:16384 7:16384 7:16384 7:14464");
  EXPECT_EQ(DataFrames(Exchange(peer_.WindowUpdate(5, 100000).WindowUpdate(3, 100000))), "3:10000 5:10000");
}

TEST_F(PriorityTest, AResetStreamLeavesItsTurnToTheNext) {
  Serve({"u=1", "u=1", "u=1, i"});
  Queue({3, 5, 7}, 100);
  EXPECT_TRUE(Send(peer_.RstStream(3, ErrorCode::kCancel).RstStream(7, ErrorCode::kCancel)));
  EXPECT_EQ(Go(), "5:100");
}

// --- who may write ---

TEST_F(PriorityTest, InPlaceBeforeWhatIsLessUrgent) {
  Serve({"u=6", "u=5", "u=6, i"});
  EXPECT_EQ(Go(), "");
  std::string went;
  OnLoop([&] {
    // More than a frame: it waits for the end of the turn.
    stream(3).exchange->SendData(io::SharedBytes::Copy(std::string(20000, 'x')), false);
    for (const StreamId id : {3, 5, 7}) {
      uint8_t* const at = stream(id).exchange->TrySendInPlace(1, false);
      if (at != nullptr) *at = 'y';
      went += at != nullptr ? "yes " : "no ";
    }
  });
  EXPECT_EQ(went, "no yes no ");
  EXPECT_EQ(DataFrames(Receive()), "5:1 3:16384 3:3616");
}

TEST_F(PriorityTest, RoomIsOfferedToTheMoreUrgentFirst) {
  Serve({"u=7", "-", "u=2", "u=2, i", "u=0"});
  std::string told;
  for (const StreamId id : {3, 5, 7, 9, 11}) {
    stream(id).on_writable = [&told, id] { told += std::to_string(id) + " "; };
    EXPECT_FALSE(TrySendInPlace(stream(id), "x"));
  }
  EXPECT_EQ(Go(), "");
  EXPECT_EQ(told, "11 9 7 5 3 ");
}

// A writer that heeds writable() has little queued: it would wait for all of a large message of another each time.
TEST_F(PriorityTest, AnUrgentWriterDoesNotWaitForWhatOthersHaveQueued) {
  Connect(Role::kServer, {.output_budget = 20000}, {{SettingId::kInitialWindowSize, 10000000}}, {.capacity = 2000});
  EXPECT_TRUE(Send(peer_.WindowUpdate(0, 10000000)));
  RecordingReceiver& bulk = Request("u=7");
  RecordingReceiver& urgent = Request("u=1");
  SendData(bulk, std::string(1000000, 'b'));
  int messages = 0;
  urgent.on_writable = [&] {
    while (messages < 20 && urgent.exchange->writable()) {
      urgent.exchange->SendData(io::SharedBytes::Copy(std::string(10000, 'u')), ++messages == 20);
    }
  };
  OnLoop(urgent.on_writable);
  const std::string frames = DataFrames(Receive());
  EXPECT_EQ(heard_->data(1).size(), 1000000u);
  EXPECT_EQ(heard_->data(3).size(), 200000u);
  // Once the first of its frames is out, no other comes between.
  const size_t first = frames.find("3:10000"), last = frames.rfind("3:10000");
  EXPECT_EQ(frames.substr(first, last - first).find("1:"), frames.npos) << frames;
  EXPECT_LE(first, 4 * std::string_view("1:16384 ").size()) << frames;  // behind what was in the output already
}

// RFC 9218 10 lets the less urgent starve. A response whose handler has ended is then given up like one that the peer's windows hold.
TEST_F(PriorityTest, AResponseThatStarvesIsResetAfterTheStallTimeout) {
  Serve({"u=0", "u=7"}, {.stall_timeout = seconds(120)});
  Queue({3}, 100000);
  SendData(stream(5), std::string(1000, 'x'), true);
  Release(stream(5));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Go(10000), "3:10000");
    PassTime(seconds(61));
  }
  EXPECT_EQ(Receive(), "RST_STREAM stream=5 CANCEL\n");
}

// --- RFC 9218 7: PRIORITY_UPDATE ---

TEST_F(PriorityTest, AnUpdateMovesWhatIsQueued) {
  Serve({"u=2", "u=2", "-", "u=2, i"});
  Queue({3, 5, 7, 9}, 20000);
  Update(3, "u=7");
  Update(7, "u=0");
  Update(9, "u=1");
  EXPECT_EQ(Go(), "7:16384 7:3616 9:16384 9:3616 5:16384 5:3616 3:16384 3:3616");
}

TEST_F(PriorityTest, AnUpdateMovesBetweenTheKinds) {
  Serve({"u=2", "u=2", "u=2", "-"});
  Queue({3, 5, 9, 7}, 20000);
  Update(7, "u=2, i");
  Update(5, "u=2, i");
  Update(5, "u=2");  // and back
  Update(9, "u=2, i");
  EXPECT_EQ(Go(), "7:16384 3:16384 9:16384 3:3616 7:3616 5:16384 9:3616 5:3616");
}

TEST_F(PriorityTest, AnUpdateMovesWhoWaitsForRoom) {
  Serve({"-", "u=2"});
  std::string told;
  for (const StreamId id : {3, 5}) {
    stream(id).on_writable = [&told, id] { told += std::to_string(id) + " "; };
    EXPECT_FALSE(TrySendInPlace(stream(id), "x"));
  }
  EXPECT_EQ(Exchange(Update(3, "u=1")), "");
  Go();
  EXPECT_EQ(told, "3 5 ");
}

TEST_F(PriorityTest, AnUpdateMovesWhoWaitsForRoomInTheOutput) {
  Connect(Role::kServer, {.output_budget = 20000}, {{SettingId::kInitialWindowSize, 1000000}}, {.capacity = 2000});
  EXPECT_TRUE(Send(peer_.WindowUpdate(0, 1000000)));
  RecordingReceiver& bulk = Request("u=7");
  Request("-");
  Request("u=2");
  SendData(bulk, std::string(100000, 'b'));
  std::string told;
  for (const StreamId id : {3, 5}) {
    stream(id).on_writable = [&told, id] { told += std::to_string(id) + " "; };
    EXPECT_FALSE(TrySendInPlace(stream(id), "x"));
  }
  EXPECT_TRUE(Send(Update(3, "u=1")));
  EXPECT_EQ(told, "");
  Receive();
  EXPECT_EQ(told, "3 5 ");
}

TEST_F(PriorityTest, AnUpdateThatSaysNothingTakesTheSignalBack) {
  Serve({"u=7", "u=7", "-"});
  Queue({3, 5, 7}, 20000);
  Update(3, "");
  Update(5, "a=1");
  EXPECT_EQ(Go(), "7:16384 3:16384 5:16384 7:3616 3:3616 5:3616");
}

TEST_F(PriorityTest, AnUpdateThatIsNoDictionaryIsIgnored) {
  Serve({"u=7", "u=6"});
  EXPECT_EQ(Exchange(Update(3, "u=1,")), "");
  Queue({3, 5}, 100);
  EXPECT_EQ(Go(), "5:100 3:100");
}

TEST_F(PriorityTest, AnUpdateOfAStreamThatIsOverIsIgnored) {
  Serve({"u=2", "u=2"});
  SendData(stream(3), "", true);
  Receive();
  EXPECT_EQ(Exchange(Update(3, "u=1")), "");
  Release(stream(3));
  EXPECT_EQ(Exchange(Update(3, "u=1")), "");
  Queue({5}, 100);
  EXPECT_EQ(Go(), "5:100");
}

TEST_F(PriorityTest, AnUpdateMayComeBeforeItsStreamAndOverridesTheField) {
  Serve({"u=4"});
  EXPECT_EQ(Exchange(Update(5, "u=6")), "");
  EXPECT_EQ(Exchange(Update(7, "u=7")), "");
  EXPECT_EQ(Exchange(Update(7, "u=1")), "");  // the last one counts
  Request("u=0");
  Request("-");
  Receive();
  Queue({3, 5, 7}, 100);
  EXPECT_EQ(Go(), "7:100 3:100 5:100");
}

TEST_F(PriorityTest, OfUpdatesThatComeEarlyTheLastSixteenAreKept) {
  Serve({});
  for (StreamId id = 3; id <= 35; id += 2) EXPECT_EQ(Exchange(Update(id, "u=1")), "");  // seventeen
  for (int i = 0; i < 17; ++i) Request("u=2");
  Receive();
  Queue({3, 5, 35}, 100);
  EXPECT_EQ(Go(), "5:100 35:100 3:100");
}

TEST_F(PriorityTest, AnEarlyUpdateOfAStreamThatIsRefusedIsForgotten) {
  Serve({"u=4"}, {.max_concurrent_streams = 2});
  Release(stream(3));
  EXPECT_EQ(Receive(), "RST_STREAM stream=3 CANCEL\n");
  EXPECT_EQ(Exchange(Update(5, "u=1")), "");
  EXPECT_EQ(Exchange(peer_.Headers(5, {{":method", "GET"}}, kEndStream)), "RST_STREAM stream=5 PROTOCOL_ERROR\n");
  EXPECT_EQ(Exchange(Update(7, "u=1")), "");  // does not count with the other: one stream is here, one is to come
}

TEST_F(PriorityTest, DescribeNamesASignal) {
  Serve({"-", "u=5", "u=3, i", "u=3"});
  const std::string text = session()->Describe();
  EXPECT_NE(text.find(" urgency=5\n"), text.npos) << text;
  EXPECT_EQ(text.find(" urgency=3 incremental"), text.npos) << text;
  EXPECT_EQ(text.substr(text.size() - 10), " urgency=3") << text;
}

// --- RFC 9218 7.1: what may not be said ---

TEST_F(PriorityTest, UpdatesThatEndTheConnection) {
  using Say = std::function<void(FrameScript&)>;
  const struct {
    Say say;
    std::string_view code;
  } table[] = {
      {[&](FrameScript&) { Update(0, "u=1"); }, "PROTOCOL_ERROR"},
      {[&](FrameScript&) { Update(0x80000000, "u=1"); }, "PROTOCOL_ERROR"},  // the reserved bit
      {[&](FrameScript&) { Update(2, "u=1"); }, "PROTOCOL_ERROR"},           // a push that nobody promised
      {[](FrameScript& s) { s.Raw(FrameType::kPriorityUpdate, 0, 1, std::string("\0\0\0\1u=1", 7)); }, "PROTOCOL_ERROR"},
      {[](FrameScript& s) { s.Raw(FrameType::kPriorityUpdate, 0, 0, ""); }, "FRAME_SIZE_ERROR"},
      {[](FrameScript& s) { s.Raw(FrameType::kPriorityUpdate, 0, 0, std::string(3, '\0')); }, "FRAME_SIZE_ERROR"},
  };
  for (const auto& row : table) {
    Connect(Role::kServer);
    row.say(peer_);
    EXPECT_EQ(ConnectionErrorIn(Exchange(peer_)), row.code) << &row - table;
  }
}

TEST_F(PriorityTest, AServerMayNotSendUpdates) {
  Connect(Role::kClient);
  Open("/");
  Receive();
  EXPECT_EQ(ConnectionErrorIn(Exchange(Update(1, "u=1"))), "PROTOCOL_ERROR");
}

TEST_F(PriorityTest, AnUpdateIsNoFirstFrame) {
  Start(Role::kServer);
  Receive();
  peer_.ClientPreface();
  EXPECT_EQ(ConnectionErrorIn(Exchange(Update(1, "u=1").Settings({}))), "PROTOCOL_ERROR");
}

TEST_F(PriorityTest, StreamsToComeCountAgainstTheLimit) {
  Connect(Role::kServer, {.max_concurrent_streams = 3});
  Request("-");
  RecordingReceiver& over = Request("-");
  SendData(over, "", true);  // its handler goes on, but for the peer it is over
  Receive();
  EXPECT_EQ(Exchange(Update(5, "u=1")), "");
  EXPECT_EQ(Exchange(Update(7, "u=1")), "");
  EXPECT_EQ(Exchange(Update(7, "u=2")), "");
  EXPECT_EQ(Exchange(Update(9, "u=1")),
            "GOAWAY last=3 PROTOCOL_ERROR debug=PRIORITY_UPDATE of more streams than the 3 there may be\n<end>\n");
}

TEST_F(PriorityTest, WhoHasNotHeardOfTheLimitDoesNotBreakIt) {
  Start(Role::kServer, {.max_concurrent_streams = 1});
  Receive();
  peer_.ClientPreface().Settings({});
  Update(1, "u=1");
  EXPECT_EQ(Exchange(Update(3, "u=1")), "SETTINGS ACK\n");
}

TEST_F(PriorityTest, AFloodOfUpdatesIsCutOff) {
  Serve({"u=1"});
  for (int i = 0; i < 2000; ++i) Update(3, i % 2 == 0 ? "u=2" : "u=4");
  EXPECT_EQ(ConnectionErrorIn(Exchange(peer_)), "ENHANCE_YOUR_CALM");
}

// --- RFC 9218 2.1: SETTINGS_NO_RFC7540_PRIORITIES ---

class PrioritySettings : public PriorityTest, public ::testing::WithParamInterface<Role> {
 protected:
  using Settings = std::vector<frame::Setting>;
  std::string After(const Settings& first, const Settings& second) {
    Connect(GetParam(), {}, first);
    return ConnectionErrorIn(Exchange(peer_.Settings(second)));
  }
  static Settings Say(uint32_t value) { return {{SettingId::kNoRfc7540Priorities, value}}; }
};
INSTANTIATE_TEST_SUITE_P(Of, PrioritySettings, ::testing::Values(Role::kServer, Role::kClient), RoleName);

TEST_P(PrioritySettings, MayNotChange) {
  EXPECT_EQ(After(Say(0), Say(1)), "PROTOCOL_ERROR");
  EXPECT_EQ(After(Say(1), Say(0)), "PROTOCOL_ERROR");
  EXPECT_EQ(After({}, Say(1)), "PROTOCOL_ERROR") << "0 goes without saying";
  EXPECT_EQ(After({}, Say(0)), "SETTINGS ACK\n");
  EXPECT_EQ(After(Say(1), Say(1)), "SETTINGS ACK\n");
  EXPECT_EQ(After(Say(1), {}), "SETTINGS ACK\n");
}

TEST_P(PrioritySettings, Are0Or1) {
  for (const uint32_t value : {2u, 0xffffffffu}) EXPECT_EQ(After({}, Say(value)), "PROTOCOL_ERROR") << value;
}

}  // namespace
}  // namespace culvert::http2
