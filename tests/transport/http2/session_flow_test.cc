// Flow control both ways (RFC 9113 5.2, 6.9), queues, and the turns that streams take.

#include "tests/transport/http2/session_fixture.h"

namespace culvert::http2 {
namespace {

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

class FlowTest : public SessionTest {
 protected:
  // A server with `n` requests that are answered 200 and wait for data.
  void Serve(int n, const std::vector<frame::Setting>& peer_settings = {}, const Options& options = {},
             MemoryStreamOptions stream_options = {}) {
    Connect(Role::kServer, options, peer_settings, stream_options);
    for (int i = 0; i < n; ++i) peer_.Headers(static_cast<frame::StreamId>(2 * i + 1), kGet, kEndStream);
    EXPECT_TRUE(Send(peer_));
    for (auto& request : handler_.requests) SendHead(*request);
    Receive();
  }
  // A server with one request, whose body is about to come.
  RecordingReceiver& Upload(const Options& options, bool pays) {
    Connect(Role::kServer, options);
    EXPECT_TRUE(Send(peer_.Headers(1, kPost)));
    request(0).pays = pays;
    return request(0);
  }
  // n bytes of it, in frames as large as may be.
  FrameScript& Body(frame::StreamId id, size_t n) {
    for (; n > 16384; n -= 16384) peer_.Data(id, std::string(16384, 'x'));
    return peer_.Data(id, std::string(n, 'x'));
  }
};

// --- sending ---

TEST_F(FlowTest, AStreamsWindowHoldsDataBackAndCreditLetsItGo) {
  Serve(1, {{SettingId::kInitialWindowSize, 5}});
  SendData(request(0), "0123456789", true);
  EXPECT_FALSE(request(0).exchange->writable());
  EXPECT_EQ(Receive(), "DATA stream=1 len=5 data=01234\n");
  EXPECT_EQ(Exchange(peer_.WindowUpdate(1, 3)), "DATA stream=1 len=3 data=567\n");
  EXPECT_EQ(Exchange(peer_.WindowUpdate(1, 100)), "DATA stream=1 len=2 END_STREAM data=89\n");
}

TEST_F(FlowTest, TheConnectionsWindowHoldsDataBackAndCreditLetsItGo) {
  Serve(2, {{SettingId::kInitialWindowSize, 1000000}});
  SendData(request(0), std::string(70000, 'x'));
  SendData(request(1), "y");
  EXPECT_EQ(DataFrames(Receive()), "1:16384 1:16384 1:16384 1:16383");  // 65535 in all
  EXPECT_EQ(Exchange(peer_.WindowUpdate(1, 1)), "");
  EXPECT_EQ(DataFrames(Exchange(peer_.WindowUpdate(0, 1000))), "1:1000");
  EXPECT_EQ(DataFrames(Exchange(peer_.WindowUpdate(0, 100000))), "3:1 1:3465");
  EXPECT_EQ(heard_->data(1), std::string(70000, 'x'));
}

TEST_F(FlowTest, StreamsTakeTurnsAFrameEach) {
  Serve(2, {{SettingId::kInitialWindowSize, 1000000}});
  // Both are held back first, so that neither has a start.
  SendData(request(0), std::string(65535, 'x'));
  Receive();
  SendData(request(0), std::string(50000, 'x'));
  SendData(request(1), std::string(50000, 'y'));
  EXPECT_EQ(Receive(), "");
  EXPECT_EQ(DataFrames(Exchange(peer_.WindowUpdate(0, 200000))),
            "3:16384 1:16384 3:16384 1:16384 3:16384 1:16384 3:848 1:848");
}

TEST_F(FlowTest, PeersMaxFrameSizeCutsData) {
  Serve(1, {{SettingId::kMaxFrameSize, 20000}});
  EXPECT_FALSE(TrySendInPlace(request(0), std::string(20001, 'x')));
  EXPECT_TRUE(TrySendInPlace(request(0), std::string(20000, 'x')));
  SendData(request(0), std::string(30000, 'x'));
  EXPECT_EQ(DataFrames(Receive()), "1:20000 1:20000 1:10000");
}

// 6.9.2
TEST_F(FlowTest, AShrunkWindowBecomesNegativeAndMustBeRefilled) {
  Serve(1, {{SettingId::kInitialWindowSize, 10}});
  SendData(request(0), "0123456789abcdef");
  EXPECT_EQ(Receive(), "DATA stream=1 len=10 data=0123456789\n");
  EXPECT_EQ(Exchange(peer_.Settings({{SettingId::kInitialWindowSize, 4}})), "SETTINGS ACK\n");  // -6
  EXPECT_EQ(Exchange(peer_.WindowUpdate(1, 6)), "");
  EXPECT_EQ(Exchange(peer_.WindowUpdate(1, 1)), "DATA stream=1 len=1 data=a\n");
  EXPECT_EQ(Exchange(peer_.Settings({{SettingId::kInitialWindowSize, 6}})),
            "SETTINGS ACK\nDATA stream=1 len=2 data=bc\n");
}

TEST_F(FlowTest, AnEndWithoutDataNeedsNoWindow) {
  Serve(2, {{SettingId::kInitialWindowSize, 0}});
  SendData(request(0), "", true);
  SendTrailers(request(1), {{"a", "b"}});
  EXPECT_EQ(Receive(), "DATA stream=1 len=0 END_STREAM\nHEADERS stream=3 END_STREAM END_HEADERS a=b\n");
}

TEST_F(FlowTest, AnEndWithoutDataDoesNotWaitBehindWhoNeedsTheConnectionsWindow) {
  Serve(2, {{SettingId::kInitialWindowSize, 1000000}});
  SendData(request(0), std::string(70000, 'x'));
  EXPECT_EQ(DataFrames(Receive()), "1:16384 1:16384 1:16384 1:16383");
  SendData(request(1), "", true);
  EXPECT_EQ(Receive(), "DATA stream=3 len=0 END_STREAM\n");
}

TEST_F(FlowTest, AnEndGoesOutWithTheDataThatIsQueuedBeforeIt) {
  Serve(1, {{SettingId::kInitialWindowSize, 4}});
  SendData(request(0), "012345");
  SendData(request(0), "", true);
  EXPECT_EQ(Receive(), "DATA stream=1 len=4 data=0123\n");
  EXPECT_EQ(Exchange(peer_.WindowUpdate(1, 2)), "DATA stream=1 len=2 END_STREAM data=45\n");
}

TEST_F(FlowTest, TrailersFollowQueuedData) {
  Serve(1, {{SettingId::kInitialWindowSize, 4}});
  SendData(request(0), "01234567");
  SendData(request(0), "89");
  SendTrailers(request(0), {{"grpc-status", "0"}});
  EXPECT_EQ(Receive(), "DATA stream=1 len=4 data=0123\n");
  EXPECT_EQ(Exchange(peer_.WindowUpdate(1, 4)), "DATA stream=1 len=4 data=4567\n");
  EXPECT_EQ(Exchange(peer_.WindowUpdate(1, 4)),
            "DATA stream=1 len=2 data=89\nHEADERS stream=1 END_STREAM END_HEADERS grpc-status=0\n");
  EXPECT_EQ(request(0).log, "GET / end\n");  // ended: no OnWritable
}

// 6.9.1
TEST_F(FlowTest, AWindowThatOverflowsIsAnErrorOfItsScope) {
  Serve(1);
  EXPECT_EQ(Exchange(peer_.WindowUpdate(1, 0x7fffffff)), "RST_STREAM stream=1 FLOW_CONTROL_ERROR\n");
  EXPECT_EQ(request(0).log,
            "GET / end\nclosed INTERNAL: WINDOW_UPDATE makes the stream's window exceed 2^31-1\n");
  EXPECT_EQ(Exchange(peer_.WindowUpdate(0, 0x7fffffff)),
            "GOAWAY last=1 FLOW_CONTROL_ERROR debug=WINDOW_UPDATE makes the connection\\'s window exceed "
            "2^31-1\n<end>\n");
}

// 6.9.2
TEST_F(FlowTest, SettingsThatOverflowAStreamsWindowEndTheConnection) {
  Serve(1);
  EXPECT_EQ(
      Exchange(peer_.WindowUpdate(1, 0x7fffffff - 65535).Settings({{SettingId::kInitialWindowSize, 65536}})),
      "GOAWAY last=1 FLOW_CONTROL_ERROR debug=INITIAL_WINDOW_SIZE makes a stream\\'s window exceed "
      "2^31-1\n<end>\n");
}

// 6.9
TEST_F(FlowTest, AnIncrementOfZeroIsAnErrorOfItsScope) {
  Serve(1);
  EXPECT_EQ(Exchange(peer_.WindowUpdate(1, 0)), "RST_STREAM stream=1 PROTOCOL_ERROR\n");
  EXPECT_EQ(Exchange(peer_.WindowUpdate(0, 0)),
            "GOAWAY last=1 PROTOCOL_ERROR debug=WINDOW_UPDATE with increment 0\n<end>\n");
}

TEST_F(FlowTest, InPlaceOnlyWhenAllOfItMayGoOutNow) {
  Serve(2, {{SettingId::kInitialWindowSize, 8}});
  EXPECT_FALSE(TrySendInPlace(request(0), "123456789"));  // beyond the window
  EXPECT_TRUE(TrySendInPlace(request(0), "1234"));
  SendData(request(0), "567890");                 // waits for the window
  EXPECT_FALSE(TrySendInPlace(request(0), "x"));  // behind what waits
  EXPECT_TRUE(TrySendInPlace(request(1), "12345678", true));
  EXPECT_FALSE(TrySendInPlace(request(1), "x"));  // ended
  EXPECT_EQ(Receive(),
            "DATA stream=1 len=4 data=1234\n"
            "DATA stream=1 len=4 data=5678\n"
            "DATA stream=3 len=8 END_STREAM data=12345678\n");
}

TEST_F(FlowTest, OnWritableIsOwedOnceWhenWhatWasQueuedHasGoneOut) {
  Serve(1, {{SettingId::kInitialWindowSize, 4}});
  RecordingReceiver& stream = request(0);
  stream.log.clear();
  EXPECT_TRUE(stream.exchange->writable());
  SendData(stream, "012345");
  EXPECT_EQ(Receive(), "DATA stream=1 len=4 data=0123\n");
  EXPECT_EQ(stream.log, "");
  EXPECT_EQ(Exchange(peer_.WindowUpdate(1, 1)), "DATA stream=1 len=1 data=4\n");
  EXPECT_EQ(stream.log, "");
  EXPECT_EQ(Exchange(peer_.WindowUpdate(1, 5)), "DATA stream=1 len=1 data=5\n");
  EXPECT_EQ(stream.log, "writable\n");
  EXPECT_EQ(Exchange(peer_.WindowUpdate(1, 5)), "");
  EXPECT_EQ(stream.log, "writable\n");
  EXPECT_TRUE(stream.exchange->writable());
}

TEST_F(FlowTest, OnWritableIsOwedToWhoFoundNoWindow) {
  Serve(1, {{SettingId::kInitialWindowSize, 0}});
  request(0).log.clear();
  EXPECT_FALSE(TrySendInPlace(request(0), "ab"));
  EXPECT_EQ(request(0).log, "");
  EXPECT_EQ(Exchange(peer_.WindowUpdate(1, 2)), "");
  EXPECT_EQ(request(0).log, "writable\n");
  EXPECT_TRUE(TrySendInPlace(request(0), "ab"));
  EXPECT_EQ(Exchange(peer_.WindowUpdate(1, 2)), "DATA stream=1 len=2 data=ab\n");
  EXPECT_EQ(request(0).log, "writable\n");
}

TEST_F(FlowTest, OnWritableIsOwedToWhoFoundTheConnectionFull) {
  Serve(2, {{SettingId::kInitialWindowSize, 1000000}});
  SendData(request(0), std::string(65535, 'x'));
  Receive();
  request(0).log.clear();
  request(1).log.clear();
  EXPECT_FALSE(TrySendInPlace(request(1), "ab"));
  EXPECT_EQ(request(0).log + request(1).log, "");
  EXPECT_EQ(Exchange(peer_.WindowUpdate(0, 2)), "");
  EXPECT_EQ(request(0).log + request(1).log, "writable\nwritable\n");
}

TEST_F(FlowTest, WhoAsksForMoreThanTheConnectionsWindowIsToldOnceForEachCredit) {
  Serve(1, {{SettingId::kInitialWindowSize, 1000000}});
  SendData(request(0), std::string(65534, 'x'));
  Receive();
  int told = 0;
  request(0).on_writable = [&] {
    if (++told == 10) return;  // or it would go on for ever
    if (uint8_t* const at = request(0).exchange->TrySendInPlace(3, false)) std::fill_n(at, 3, 'y');
  };
  EXPECT_FALSE(TrySendInPlace(request(0), "abc"));
  EXPECT_EQ(told, 0);
  EXPECT_EQ(Exchange(peer_.WindowUpdate(0, 1)), "");
  EXPECT_EQ(told, 1);
  EXPECT_EQ(Exchange(peer_.WindowUpdate(0, 1)), "DATA stream=1 len=3 data=yyy\n");
  EXPECT_EQ(told, 2);
}

TEST_F(FlowTest, NobodyIsToldOfRoomWhileOthersWaitTheirTurn) {
  Serve(2, {{SettingId::kInitialWindowSize, 1000000}}, {.output_budget = 20000}, {.capacity = 2000});
  EXPECT_TRUE(Send(peer_.WindowUpdate(0, 1000000)));
  RecordingReceiver& second = request(1);
  int told = 0;
  second.on_writable = [&] {
    if (++told < 10) second.exchange->TrySendInPlace(3, false);
  };
  SendData(request(0), std::string(50000, 'x'));  // fills the socket
  SendData(request(0), "waits its turn");
  EXPECT_FALSE(TrySendInPlace(second, "abc"));
  EXPECT_EQ(told, 0);
  EXPECT_EQ(DataFrames(Receive()), "1:16384 1:16384 1:16384 1:848 1:14 3:3");
  EXPECT_EQ(told, 1);
}

// A receiver that writes its next message from within OnWritable, as a streaming handler does.
TEST_F(FlowTest, AWriterThatHeedsItsCallKeepsOneMessageQueued) {
  Serve(1, {{SettingId::kInitialWindowSize, 10}});
  RecordingReceiver& stream = request(0);
  int messages = 0;
  stream.on_writable = [&] {
    while (messages < 4 && stream.exchange->writable()) stream.exchange->SendData(io::SharedBytes::Copy("message"), ++messages == 4);
  };
  OnLoop(stream.on_writable);
  std::string text = Receive();
  for (int i = 0; i < 10; ++i) text += Exchange(peer_.WindowUpdate(1, 4));
  EXPECT_EQ(DataFrames(text), "1:7 1:3 1:4 1:4 1:3 1:1 1:4 1:2");
  EXPECT_EQ(heard_->data(1), "messagemessagemessagemessage");
}

TEST_F(FlowTest, ThePeersPaceBoundsTheOutput) {
  Serve(1, {{SettingId::kInitialWindowSize, 10000000}}, {.output_budget = 10000}, {.capacity = 10000});
  EXPECT_TRUE(Send(peer_.WindowUpdate(0, 10000000)));
  RecordingReceiver& stream = request(0);
  size_t written = 0;
  const auto write = [&] {
    while (stream.exchange->writable() && written < 1000000) {
      stream.exchange->SendData(io::SharedBytes::Copy(std::string(5000, 'x')), false);
      written += 5000;
    }
  };
  stream.on_writable = write;
  OnLoop(write);
  EXPECT_LE(written, 40000u);
  Receive();
  EXPECT_EQ(written, 1000000u);
  EXPECT_EQ(heard_->data(1).size(), 1000000u);
}

TEST_F(FlowTest, LargeMessagesGoOutByReferenceAndAreFreedWhenWritten) {
  Serve(1, {{SettingId::kInitialWindowSize, 1000000}}, {}, {.capacity = 20000});
  EXPECT_TRUE(Send(peer_.WindowUpdate(0, 1000000)));
  auto message = std::make_shared<std::string>(100000, 'm');
  std::weak_ptr<std::string> alive = message;
  OnLoop([&] {
    const auto* data = reinterpret_cast<const uint8_t*>(message->data());
    request(0).exchange->SendData({message, data, message->size()}, true);
  });
  message.reset();
  EXPECT_FALSE(alive.expired());
  std::fill_n(alive.lock()->data(), 100000, 'n');  // what is not yet written was not copied
  Receive();
  EXPECT_TRUE(alive.expired());
  const std::string& received = heard_->data(1);
  EXPECT_EQ(received.size(), 100000u);
  EXPECT_GT(std::count(received.begin(), received.end(), 'n'), 50000);
}

// --- receiving ---

TEST_F(FlowTest, CreditIsGivenBackByHalfWindows) {
  RecordingReceiver& upload = Upload({.initial_window = 100000, .connection_window = 65535}, false);
  EXPECT_TRUE(Send(peer_.Data(1, std::string(16000, 'x')).Data(1, std::string(16000, 'x'))));
  EXPECT_EQ(Receive(), "");
  EXPECT_EQ(Exchange(peer_.Data(1, std::string(10000, 'x'))), "WINDOW_UPDATE increment=42000\n");
  EXPECT_EQ(Exchange(peer_.Data(1, std::string(10000, 'x'))), "");
  Consume(upload, 42000);
  EXPECT_EQ(Receive(), "");
  Consume(upload, 9000);
  EXPECT_EQ(Receive(), "WINDOW_UPDATE stream=1 increment=51000\n");
}

TEST_F(FlowTest, WindowsGrowForAFastPeerWhoseDataIsConsumed) {
  windows_grow_ = true;
  RecordingReceiver& upload = Upload({.initial_window = 1000, .connection_window = 70000}, false);
  EXPECT_EQ(Exchange(peer_.Data(1, std::string(500, 'x'))), "PING 70726f62696e672e\n");
  EXPECT_EQ(Exchange(peer_.Data(1, std::string(300, 'x'))), "") << "one probe at a time";
  Consume(upload, 800);
  EXPECT_EQ(Receive(), "WINDOW_UPDATE stream=1 increment=800\n");
  // The 800 were consumed within the round trip, the 600 that come now are not yet.
  EXPECT_EQ(Exchange(peer_.Data(1, std::string(600, 'x')).Ping("probing.", true)), "");
  Consume(upload, 600);
  EXPECT_EQ(Receive(), "WINDOW_UPDATE stream=1 increment=2200\n") << "to 3200; the 600 are not half of that";
}

// Nor the connection's, which is renewed for what is parked within the budget.
TEST_F(FlowTest, TheConnectionsWindowGrowsOnlyForWhatIsConsumed) {
  windows_grow_ = true;
  Upload({.initial_window = 65535, .connection_window = 65535}, false);
  EXPECT_EQ(Exchange(Body(1, 65535)), "PING 70726f62696e672e\nWINDOW_UPDATE increment=32768\nWINDOW_UPDATE increment=32767\n");
  EXPECT_EQ(Exchange(peer_.Ping("probing.", true)), "");
}

TEST_F(FlowTest, NobodysWindowGrowsWhoDoesNotConsume) {
  windows_grow_ = true;
  Upload({.initial_window = 1000, .connection_window = 70000}, false);
  EXPECT_EQ(Exchange(peer_.Data(1, std::string(1000, 'x')).Ping("probing.", true)), "PING 70726f62696e672e\n");
  EXPECT_EQ(Exchange(peer_.Data(1, "x")), "RST_STREAM stream=1 FLOW_CONTROL_ERROR\n");
}

TEST_F(FlowTest, AfterTheEndNoCreditIsGivenToAStream) {
  RecordingReceiver& upload = Upload({.initial_window = 10000}, false);
  EXPECT_TRUE(Send(peer_.SettingsAck().Data(1, std::string(10000, 'x'), kEndStream)));
  Consume(upload, 10000);
  EXPECT_EQ(Receive(), "");
}

TEST_F(FlowTest, AStreamsWindowIsEnforced) {
  RecordingReceiver& upload = Upload({.initial_window = 10000}, false);
  EXPECT_EQ(Exchange(peer_.Data(1, std::string(10000, 'x')).Data(1, "y")),
            "RST_STREAM stream=1 FLOW_CONTROL_ERROR\n");
  EXPECT_EQ(upload.log,
            "POST /\ndata of 10000\nclosed INTERNAL: DATA of 1 bytes exceeds the stream's window\n");
}

// 6.5.3: a client may not know of a smaller window than the default before it has acknowledged our SETTINGS.
TEST_F(FlowTest, ASmallWindowHoldsFromItsAcknowledgementOn) {
  Start(Role::kServer, {.initial_window = 1000});
  Receive();
  EXPECT_EQ(Exchange(peer_.ClientPreface().Settings({}).Headers(1, kPost).Data(1, std::string(5000, 'x'))),
            "SETTINGS ACK\nWINDOW_UPDATE stream=1 increment=5000\n");
  EXPECT_EQ(request(0).log, "POST /\ndata of 5000\n");
  EXPECT_EQ(Exchange(peer_.SettingsAck().Headers(3, kPost).Data(3, std::string(1001, 'x'))),
            "RST_STREAM stream=3 FLOW_CONTROL_ERROR\n");
}

TEST_F(FlowTest, TheConnectionsWindowIsEnforced) {
  RecordingReceiver& upload = Upload({.connection_window = 65535, .parked_budget = 0}, false);
  for (int i = 0; i < 3; ++i) peer_.Data(1, std::string(16384, 'x'));
  EXPECT_EQ(Exchange(peer_.Data(1, std::string(16384, 'x'))),
            "GOAWAY last=1 FLOW_CONTROL_ERROR debug=DATA of 16384 bytes exceeds the connection\\'s "
            "window\n<end>\n");
  EXPECT_TRUE(upload.closed);
}

TEST_F(FlowTest, PaddingIsCreditedAtOnce) {
  RecordingReceiver& upload = Upload({.initial_window = 1000, .connection_window = 65535}, false);
  EXPECT_EQ(Exchange(peer_.SettingsAck().PaddedData(1, "x", 255).PaddedData(1, "x", 255)),
            "WINDOW_UPDATE stream=1 increment=512\n");
  EXPECT_EQ(upload.log, "POST /\ndata x\ndata x\n");
}

TEST_F(FlowTest, WhatIsDroppedIsCreditedToTheConnection) {
  RecordingReceiver& upload = Upload({.connection_window = 65535}, false);
  Release(upload);
  EXPECT_EQ(Receive(), "RST_STREAM stream=1 CANCEL\n");
  for (int i = 0; i < 2; ++i) peer_.Data(1, std::string(16384, 'x'));
  EXPECT_EQ(Exchange(peer_), "WINDOW_UPDATE increment=32768\n");
}

// What is parked and what may come are 85535 together.
TEST_F(FlowTest, BeyondTheParkedBudgetTheConnectionsCreditIsWithheldUntilSomeIsConsumed) {
  RecordingReceiver& upload = Upload({.connection_window = 65535, .parked_budget = 20000}, false);
  EXPECT_EQ(Exchange(Body(1, 49152)), "WINDOW_UPDATE increment=20000\n");
  EXPECT_EQ(Exchange(Body(1, 36383)), "");
  EXPECT_EQ(limits_.Text(), "parked_budget=1");
  Consume(upload, 10000);
  EXPECT_EQ(Receive(), "") << "credit in crumbs";
  Consume(upload, 10000);
  EXPECT_EQ(Receive(), "WINDOW_UPDATE increment=20000\n");
  Consume(upload, 65535);
  EXPECT_EQ(Receive(), "WINDOW_UPDATE increment=45535\n");
  EXPECT_EQ(limits_.Text(), "parked_budget=1");
}

TEST_F(FlowTest, NotAByteMoreIsParked) {
  Upload({.connection_window = 65535, .parked_budget = 20000}, false);
  EXPECT_EQ(Exchange(Body(1, 85535)), "WINDOW_UPDATE increment=20000\n");
  EXPECT_EQ(Exchange(peer_.Data(1, "x")),
            "GOAWAY last=1 FLOW_CONTROL_ERROR debug=DATA of 1 bytes exceeds the connection\\'s window\n<end>\n");
}

// A window that has grown beyond what may be parked is all that there is: nothing comes on top of it.
TEST_F(FlowTest, AGrownWindowBoundsWhatIsParked) {
  windows_grow_ = true;
  RecordingReceiver& upload = Upload({.initial_window = 100000, .connection_window = 65535, .parked_budget = 20000}, true);
  EXPECT_EQ(Exchange(Body(1, 32768)), "PING 70726f62696e672e\nWINDOW_UPDATE increment=32768\n");
  // With the last frame before, 49152 are consumed within the round trip.
  EXPECT_EQ(Exchange(Body(1, 32768)), "WINDOW_UPDATE increment=32768\nWINDOW_UPDATE stream=1 increment=65536\n");
  EXPECT_EQ(Exchange(peer_.Ping("probing.", true)), "WINDOW_UPDATE increment=131073\n");
  EXPECT_EQ(limits_.Text(), "");
  // 196608 now. Credit for these is not announced yet.
  EXPECT_EQ(Exchange(Body(1, 81920)).find("WINDOW_UPDATE increment"), std::string::npos);
  upload.pays = false;
  EXPECT_TRUE(Send(peer_.Headers(3, kPost).Headers(5, kPost)));
  request(1).pays = request(2).pays = false;
  std::string heard = Exchange(Body(3, 98304));
  heard += Exchange(Body(5, 98304));
  EXPECT_NE(heard.find("WINDOW_UPDATE increment=81920\n"), std::string::npos) << heard;
  EXPECT_EQ(heard.find("WINDOW_UPDATE"), heard.rfind("WINDOW_UPDATE")) << heard;
  EXPECT_EQ(limits_.Text(), "parked_budget=1");
  EXPECT_NE(Exchange(peer_.Data(5, "x")).find("exceeds the connection\\'s window"), std::string::npos);
}

// What the window grows by is withheld like other credit.
TEST_F(FlowTest, AWindowThatGrowsWhileMuchIsParkedGivesNothingBeforeSomeIsConsumed) {
  windows_grow_ = true;
  Upload({.initial_window = 100000, .connection_window = 65535, .parked_budget = 100000}, true);
  EXPECT_EQ(Exchange(Body(1, 32768)), "PING 70726f62696e672e\nWINDOW_UPDATE increment=32768\n");
  EXPECT_EQ(Exchange(Body(1, 16384)), "");  // 32768 consumed within the round trip: the window is to be 131072
  EXPECT_TRUE(Send(peer_.Headers(3, kPost).Headers(5, kPost)));
  request(1).pays = request(2).pays = false;
  EXPECT_TRUE(Send(Body(3, 65000)));
  EXPECT_TRUE(Send(Body(5, 65000)));
  EXPECT_EQ(limits_.Text(), "parked_budget=1");
  Receive();
  EXPECT_EQ(Exchange(peer_.Ping("probing.", true)), "");
  Consume(request(1), 65000);
  EXPECT_EQ(Receive(), "WINDOW_UPDATE increment=67232\nWINDOW_UPDATE stream=3 increment=31072\n");
}

TEST_F(FlowTest, AReleasedStreamGivesItsParkedBytesBack) {
  RecordingReceiver& upload = Upload({.connection_window = 65535, .parked_budget = 20000}, false);
  EXPECT_EQ(Exchange(Body(1, 85535)), "WINDOW_UPDATE increment=20000\n");
  Release(upload);
  EXPECT_EQ(Receive(), "WINDOW_UPDATE increment=65535\nRST_STREAM stream=1 CANCEL\n");
}

// --- who is waited for too long ---

class WriteStallTest : public FlowTest {
 protected:
  static constexpr std::chrono::minutes kTimeout{15};
  // And what the timer's period may add to it.
  void PassTimeout() {
    for (int i = 0; i < 18; ++i) PassTime(std::chrono::minutes(1));
  }
};

TEST_F(WriteStallTest, AHandlerThatNoWindowLetsWriteIsEnded) {
  Serve(4, {{SettingId::kInitialWindowSize, 5}});
  for (int i = 0; i < 4; ++i) request(i).log.clear();
  SendData(request(0), "0123456789");               // waits in the queue
  EXPECT_TRUE(TrySendInPlace(request(1), "01234"));  // all that goes
  EXPECT_FALSE(TrySendInPlace(request(1), "5"));     // waits for OnWritable
  EXPECT_TRUE(TrySendInPlace(request(2), "01234"));  // waits for nothing
  Receive();
  PassTime(kTimeout);
  EXPECT_EQ(Receive(), "");
  PassTimeout();
  EXPECT_EQ(Receive(), "RST_STREAM stream=1 CANCEL\nRST_STREAM stream=3 CANCEL\n");
  EXPECT_EQ(request(0).log, "closed CANCELLED: the peer's windows let nothing out for 900000 ms\n");
  EXPECT_EQ(request(1).log, request(0).log);
  EXPECT_EQ(request(2).log + request(3).log, "");
  EXPECT_EQ(limits_.Text(), "write_stall_timeout=2");
  PassTimeout();
  EXPECT_EQ(Receive(), "");
}

TEST_F(WriteStallTest, TheConnectionsWindowHoldsAsWell) {
  Serve(2, {{SettingId::kInitialWindowSize, 1000000}});
  SendData(request(0), std::string(65535, 'x'));
  EXPECT_FALSE(TrySendInPlace(request(1), "ab"));
  Receive();
  PassTimeout();
  EXPECT_NE(Receive().find("RST_STREAM stream=3 CANCEL\n"), std::string::npos);
  EXPECT_TRUE(request(1).closed);
}

TEST_F(WriteStallTest, WhoTakesAByteNowAndThenIsLeftAlone) {
  Serve(2, {{SettingId::kInitialWindowSize, 1}});
  SendData(request(0), std::string(100, 'x'));
  // One that sends a byte whenever it hears that it may.
  int sent = 0;
  request(1).on_writable = [&] {
    while (uint8_t* const at = request(1).exchange->TrySendInPlace(1, false)) *at = 'y', ++sent;
  };
  OnLoop(request(1).on_writable);
  for (int i = 0; i < 20; ++i) {
    for (int minutes = 0; minutes < 7; ++minutes) PassTime(std::chrono::minutes(1));
    PassTime(std::chrono::seconds(30));
    EXPECT_TRUE(Send(peer_.WindowUpdate(1, 1).WindowUpdate(3, 1)));
  }
  EXPECT_EQ(sent, 21);
  EXPECT_EQ(Receive().find("RST_STREAM"), std::string::npos);
  EXPECT_EQ(heard_->data(1).size(), 21u);
  EXPECT_FALSE(request(0).closed || request(1).closed);
  EXPECT_EQ(limits_.Text(), "");
}

// At first only the socket is in the way, and what it then takes uses the window up.
TEST_F(WriteStallTest, WhoStandsStillLaterIsEndedToo) {
  Serve(1, {{SettingId::kInitialWindowSize, 10000}}, {.output_budget = 1000, .write_timeout = std::chrono::hours(1)}, {.capacity = 1000});
  for (int i = 0; i < 3; ++i) SendData(request(0), std::string(5000, 'x'));
  PassTime(std::chrono::minutes(5));
  Receive();
  EXPECT_EQ(heard_->data(1).size(), 10000u);
  PassTimeout();
  EXPECT_EQ(Receive(), "RST_STREAM stream=1 CANCEL\n");
  EXPECT_EQ(limits_.Text(), "write_stall_timeout=1");
}

// However far from each other the two are.
TEST_F(WriteStallTest, ShortTimeoutsCountAsWell) {
  Serve(1, {{SettingId::kInitialWindowSize, 5}},
        {.stall_timeout = std::chrono::milliseconds(2), .write_stall_timeout = std::chrono::milliseconds(399)});
  SendData(request(0), "0123456789");
  Receive();
  PassTime(std::chrono::seconds(2));
  EXPECT_EQ(Receive(), "RST_STREAM stream=1 CANCEL\n");
}

// It is not the window that refuses this one, and it may never try again.
TEST_F(WriteStallTest, WhoAskedForMoreThanAFrameIsLeftAlone) {
  Serve(1);
  EXPECT_FALSE(TrySendInPlace(request(0), std::string(16385, 'x')));
  PassTimeout();
  EXPECT_EQ(Receive(), "");
  EXPECT_FALSE(request(0).closed);
}

// A handler that is through leaves its response to stall_timeout, which counts from then on.
TEST_F(WriteStallTest, AResponseThatIsReleasedMeanwhileHasItsOwnTime) {
  Serve(1, {{SettingId::kInitialWindowSize, 5}}, {.stall_timeout = std::chrono::minutes(2)});
  SendData(request(0), "0123456789");
  Receive();
  for (int i = 0; i < 10; ++i) PassTime(std::chrono::minutes(1));
  SendData(request(0), "", true);
  Release(request(0));
  PassTime(std::chrono::minutes(1));
  EXPECT_EQ(Receive(), "");
  PassTime(std::chrono::minutes(2));
  EXPECT_EQ(Receive(), "RST_STREAM stream=1 CANCEL\n");
  EXPECT_EQ(limits_.Text(), "stalled_response=1");
}

TEST_F(WriteStallTest, ZeroMeansNever) {
  Serve(1, {{SettingId::kInitialWindowSize, 5}}, {.write_stall_timeout = std::chrono::milliseconds(0)});
  SendData(request(0), "0123456789");
  Receive();
  for (int i = 0; i < 10; ++i) PassTimeout();
  EXPECT_EQ(Receive(), "");
  EXPECT_FALSE(request(0).closed);
}

// Its calls have deadlines.
TEST_F(WriteStallTest, AClientWaitsAsLongAsItsCallsDo) {
  Connect(Role::kClient, {}, {{SettingId::kInitialWindowSize, 5}});
  RecordingReceiver& upload = Open("/", false);
  SendData(upload, "0123456789");
  Receive();
  for (int i = 0; i < 3; ++i) PassTimeout();
  EXPECT_EQ(Receive(), "");
  EXPECT_FALSE(upload.closed);
}

// One that releases the others when it hears of its end.
TEST_F(WriteStallTest, WhoIsEndedMayReleaseOthers) {
  Serve(3, {{SettingId::kInitialWindowSize, 5}});
  for (int i = 0; i < 3; ++i) SendData(request(i), "0123456789");
  Receive();
  request(0).on_closed = [&] {
    for (int i = 0; i < 3; ++i) request(i).Release();
  };
  PassTimeout();
  EXPECT_EQ(Receive(), "RST_STREAM stream=1 CANCEL\nRST_STREAM stream=3 CANCEL\nRST_STREAM stream=5 CANCEL\n");
  EXPECT_EQ(session()->stream_count(), 0u);
  EXPECT_EQ(limits_.Text(), "write_stall_timeout=1");
}

TEST_F(FlowTest, AnUploadOfManyWindowsArrivesWhole) {
  Connect(Role::kServer, {.initial_window = 20000, .connection_window = 65535});
  EXPECT_TRUE(Send(peer_.Headers(1, kPost)));
  size_t window = 20000, sent = 0;
  while (sent < 500000) {
    const size_t n = std::min<size_t>({window, 16384, 500000 - sent});
    ASSERT_GT(n, 0u);
    const std::string answer = Exchange(peer_.Data(1, std::string(n, 'x')));
    sent += n;
    window -= n;
    if (const size_t at = answer.find("stream=1 increment="); at != answer.npos)
      window += std::stoul(answer.substr(at + 19));
  }
  EXPECT_EQ(request(0).body.size(), 500000u);
}

}  // namespace
}  // namespace culvert::http2
