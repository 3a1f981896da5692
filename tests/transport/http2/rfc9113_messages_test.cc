// RFC 9113, one test per MUST and MUST NOT: HTTP messages (8.1 to 8.6, 10.5.1). Beside it:
// rfc9113_framing_test, rfc9113_streams_test, rfc9113_flow_test.
//
// Which messages are malformed is decided in transport/http/validate, whose test goes into more detail; here
// it is shown that each kind is a stream error of type PROTOCOL_ERROR and reaches nobody (8.1.1), and what we
// ourselves send. 8.4 is about push: rfc9113_streams_test, S6_6. 8.7: there, too.

#include <algorithm>
#include <memory>

#include "tests/transport/http2/session_fixture.h"

namespace culvert::http2 {
namespace {

using frame::FrameType;
using frame::StreamId;
using std::string_view_literals::operator""sv;

const Fields kConnect = {{":method", "CONNECT"}, {":authority", "a:1"}};
constexpr std::string_view kPing = "12345678";
const std::string kPong = "PING ACK 3132333435363738\n";

Fields With(Fields fields, const Fields& more) {
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}
Fields Without(Fields fields, std::string_view name) {
  std::erase_if(fields, [&](const http::HeaderField& field) { return field.name == name; });
  return fields;
}
Fields Changed(Fields fields, std::string_view name, std::string_view value) {
  for (http::HeaderField& field : fields) {
    if (field.name == name) field.value = value;
  }
  return fields;
}

std::string ResetOf(StreamId id) { return "RST_STREAM stream=" + std::to_string(id) + " PROTOCOL_ERROR\n"; }

class Rfc9113Server : public SessionTest {
 protected:
  void Connect(const Options& options = {}) { SessionTest::Connect(Role::kServer, options); }

  // Sends a request on the next stream. True when it is a stream error and no handler hears of it.
  bool IsMalformed(const Fields& fields, uint8_t flags = kEndStream) {
    next_ += 2;
    const size_t before = handler_.requests.size();
    const std::string answer = Exchange(peer_.Headers(next_, fields, flags));
    EXPECT_EQ(answer, handler_.requests.size() == before ? ResetOf(next_) : "");
    return answer == ResetOf(next_);
  }
  // The same of trailers.
  bool AreMalformedTrailers(const Fields& trailers, uint8_t flags = kEndStream) {
    EXPECT_FALSE(IsMalformed(kPost, 0));
    const std::string answer = Exchange(peer_.Headers(next_, trailers, flags));
    RecordingReceiver& request = *handler_.requests.back();
    EXPECT_EQ(answer, request.closed ? ResetOf(next_) : "");
    EXPECT_NE(request.closed, request.log.find("trailers {") != std::string::npos) << request.log;
    return request.closed;
  }

  StreamId next_ = static_cast<StreamId>(-1);
};

class Rfc9113Client : public SessionTest {
 protected:
  void Connect(const Options& options = {}) { SessionTest::Connect(Role::kClient, options); }

  // The next call, which waits for its response.
  RecordingReceiver& Call(std::string_view method = "POST", bool end = true) {
    next_ += 2;
    RecordingReceiver& call = Open("/", end, method);
    Receive();
    return call;
  }
  // Answers the latest call. True when that is a stream error and nobody hears of the head.
  bool IsMalformed(const Fields& fields, uint8_t flags = 0) {
    const std::string answer = Exchange(peer_.Headers(next_, fields, flags));
    const std::string& log = receivers_.back()->log;
    EXPECT_EQ(answer, log.starts_with("closed INTERNAL") ? ResetOf(next_) : "");
    return answer == ResetOf(next_);
  }
  bool IsMalformedAnswer(const Fields& fields, uint8_t flags = 0) {
    Call();
    return IsMalformed(fields, flags);
  }
  bool AreMalformedTrailers(const Fields& trailers, uint8_t flags = kEndStream) {
    EXPECT_FALSE(IsMalformedAnswer(kStatus200));
    const std::string answer = Exchange(peer_.Headers(next_, trailers, flags));
    const RecordingReceiver& call = *receivers_.back();
    EXPECT_EQ(answer, call.closed ? ResetOf(next_) : "");
    EXPECT_NE(call.closed, call.log.find("trailers {") != std::string::npos) << call.log;
    return call.closed;
  }
  // Asks with these fields; what goes out.
  std::string Ask(const http::RequestHead& head) {
    RecordingReceiver& receiver = *receivers_.emplace_back(std::make_unique<RecordingReceiver>());
    OnLoop([&] { receiver.exchange = &session()->Open(head, receiver, true); });
    return Receive();
  }

  StreamId next_ = static_cast<StreamId>(-1);
};

// --- 8.1 message framing ---

// Requests: see session_server_test: TrailersHaveNoPseudoFields
TEST_F(Rfc9113Client, S8_1_PseudoFieldsInTrailersAreMalformed) {
  Connect();
  EXPECT_TRUE(AreMalformedTrailers({{":status", "200"}}));
  EXPECT_TRUE(AreMalformedTrailers({{":path", "/"}}));
  EXPECT_TRUE(AreMalformedTrailers({{"a", "b"}, {":status", "200"}}));
  EXPECT_FALSE(AreMalformedTrailers({{"a", "b"}}));
}

TEST_F(Rfc9113Server, S8_1_PseudoFieldsInTrailersAreMalformed) {
  Connect();
  EXPECT_TRUE(AreMalformedTrailers({{":status", "200"}}));
  EXPECT_TRUE(AreMalformedTrailers({{"a", "b"}, {":method", "GET"}}));
  EXPECT_FALSE(AreMalformedTrailers({{"a", "b"}}));
}

// Requests: see session_server_test: TrailersMustEndTheStream
TEST_F(Rfc9113Client, S8_1_AnotherHeaderSectionAfterTheFinalOneIsMalformed) {
  Connect();
  EXPECT_TRUE(AreMalformedTrailers({{"a", "b"}}, 0));
  EXPECT_TRUE(AreMalformedTrailers(kStatus200, 0));
  EXPECT_TRUE(AreMalformedTrailers({{":status", "103"}}, 0));
}

// see session_client_test: InterimResponsesAreSwallowed, MalformedResponsesResetTheirStream
TEST_F(Rfc9113Client, S8_1_AnInterimResponseThatEndsTheStreamIsMalformed) {
  Connect();
  for (const std::string_view status : {"100", "103", "199"}) {
    EXPECT_TRUE(IsMalformedAnswer({{":status", status}}, kEndStream)) << status;
  }
  EXPECT_FALSE(IsMalformedAnswer({{":status", "103"}}));
  EXPECT_TRUE(IsMalformed({{":status", "103"}}, kEndStream)) << "the second";
}

TEST_F(Rfc9113Client, S8_1_DataDoesNotFollowAnInterimResponse) {
  Connect();
  EXPECT_FALSE(IsMalformedAnswer({{":status", "100"}}));
  EXPECT_EQ(Exchange(peer_.Data(1, "x")), ResetOf(1));
}

TEST_F(Rfc9113Client, S8_1_AResponseIsNotDiscardedForTheResetBehindIt) {
  Connect();
  RecordingReceiver& call = Call("POST", false);
  peer_.Headers(1, kStatus200).Data(1, "abc").Headers(1, {{"a", "b"}}, kEndStream);
  EXPECT_EQ(Exchange(peer_.RstStream(1, ErrorCode::kNoError)), "");
  EXPECT_TRUE(call.log.starts_with("head 200\ndata abc\ntrailers {a=b}\n")) << call.log;
}

// That no frame may stand within a field block: rfc9113_framing_test, S6_2

// --- 8.1.1 malformed messages ---

// see session_server_test: AMalformedHeadResetsItsStreamAlone
TEST_F(Rfc9113Client, S8_1_1_AMalformedResponseIsAStreamErrorAndNoOtherStreams) {
  Connect();
  Call();
  Call();
  EXPECT_EQ(Exchange(peer_.Headers(1, {{"x", "y"}}).Headers(3, kStatus200, kEndStream).Ping(kPing)),
            ResetOf(1) + kPong);
  EXPECT_EQ(receivers_[0]->log, "closed INTERNAL: response without :status as its first field\n");
  EXPECT_EQ(receivers_[1]->log, "head 200 end\n");
}

// Requests: see session_server_test: ContentLengthMustAgreeWithTheBody
TEST_F(Rfc9113Client, S8_1_1_AContentLengthThatDisagreesWithTheDataIsMalformed) {
  const Fields three = With(kStatus200, {{"content-length", "3"}});
  const std::pair<std::function<void(FrameScript&, StreamId)>, bool> table[] = {
      {[](FrameScript& s, StreamId id) { s.Data(id, "abc", kEndStream); }, false},
      {[](FrameScript& s, StreamId id) {
         s.Data(id, "ab").Data(id, "c").Headers(id, {{"a", "b"}}, kEndStream);
       },
       false},
      {[](FrameScript& s, StreamId id) { s.PaddedData(id, "abc", 7, kEndStream); }, false},
      {[](FrameScript& s, StreamId id) { s.Data(id, "ab", kEndStream); }, true},
      {[](FrameScript& s, StreamId id) { s.Data(id, "abcd"); }, true},
      {[](FrameScript& s, StreamId id) { s.Data(id, "abc").Data(id, "d", kEndStream); }, true},
      {[](FrameScript& s, StreamId id) { s.Data(id, "ab").Headers(id, {{"a", "b"}}, kEndStream); }, true},
      {[](FrameScript& s, StreamId id) { s.Headers(id, {{"a", "b"}}, kEndStream); }, true},
  };
  Connect();
  for (const auto& [say, malformed] : table) {
    EXPECT_FALSE(IsMalformedAnswer(three));
    say(peer_, next_);
    EXPECT_EQ(Exchange(peer_), malformed ? ResetOf(next_) : "") << next_;
    EXPECT_EQ(receivers_.back()->closed, malformed) << next_;
  }
  EXPECT_TRUE(IsMalformedAnswer(three, kEndStream));
}

TEST_F(Rfc9113Server, S8_1_1_ContentLengthsThatDisagreeAmongThemselvesAreMalformed) {
  Connect();
  EXPECT_TRUE(IsMalformed(With(kPost, {{"content-length", "3"}, {"content-length", "4"}}), 0));
}

// see session_client_test: TheAnswerToHeadHasALengthAndNoBody
TEST_F(Rfc9113Client, S8_1_1_WhatHasNoContentMayHaveAContentLength) {
  Connect();
  for (const std::string_view status : {"204", "304"}) {
    EXPECT_FALSE(IsMalformedAnswer({{":status", status}, {"content-length", "10"}}, kEndStream)) << status;
  }
  Call("HEAD");
  EXPECT_FALSE(IsMalformed(With(kStatus200, {{"content-length", "10"}})));
  EXPECT_EQ(Exchange(peer_.Data(next_, "", kEndStream)), "");
  EXPECT_FALSE(receivers_.back()->closed);
}

// --- 8.2 fields ---

// see tests/transport/server/server_test: FieldsAreSentAsHttp2HasThem, CookieCrumbsAreJoined

// --- 8.2.1 field validity ---

// Every octet that no name may contain: 0x00 to 0x20, 0x41 to 0x5a, 0x7f to 0xff, and the colon.
std::vector<std::string> InvalidNames() {
  std::vector<std::string> names;
  for (int octet = 0; octet <= 0xff; ++octet) {
    const bool upper = octet >= 'A' && octet <= 'Z';
    if (octet <= 0x20 || upper || octet >= 0x7f || octet == ':') {
      names.push_back(std::string("a") + static_cast<char>(octet) + "b");
    }
  }
  return names;
}

TEST_F(Rfc9113Server, S8_2_1_ARequestWithAnInvalidNameIsMalformed) {
  Connect();
  for (const std::string& name : InvalidNames()) {
    EXPECT_TRUE(IsMalformed(With(kGet, {{name, "v"}}))) << int{static_cast<uint8_t>(name[1])};
    EXPECT_TRUE(AreMalformedTrailers({{name, "v"}})) << int{static_cast<uint8_t>(name[1])};
  }
  EXPECT_FALSE(IsMalformed(With(kGet, {{"a!#$%&'*+-.^_`|~9z", "v"}})));
}

TEST_F(Rfc9113Client, S8_2_1_AResponseWithAnInvalidNameIsMalformed) {
  Connect();
  for (const std::string& name : InvalidNames()) {
    EXPECT_TRUE(IsMalformedAnswer(With(kStatus200, {{name, "v"}}))) << int{static_cast<uint8_t>(name[1])};
    EXPECT_TRUE(AreMalformedTrailers({{name, "v"}})) << int{static_cast<uint8_t>(name[1])};
  }
}

constexpr std::string_view kInvalidValues[] = {
    "\0"sv,  "a\0b"sv, "\na"sv, "a\nb"sv, "a\n"sv, "\ra"sv, "a\rb"sv,
    "a\r"sv, " a"sv,   "a "sv,  "\ta"sv,  "a\t"sv, " "sv,   "longer than eight\0"sv};
constexpr std::string_view kValidValues[] = {"", "a b", "a\tb", "a:b;c,d", "\xe4\xf6\xff"};

TEST_F(Rfc9113Server, S8_2_1_ARequestWithAnInvalidValueIsMalformed) {
  Connect();
  for (const std::string_view& value : kInvalidValues) {
    EXPECT_TRUE(IsMalformed(With(kGet, {{"x", value}}))) << &value - kInvalidValues;
    EXPECT_TRUE(AreMalformedTrailers({{"x", value}})) << &value - kInvalidValues;
    EXPECT_TRUE(IsMalformed(Changed(kGet, ":authority", value))) << &value - kInvalidValues;
  }
  for (const std::string_view value : kValidValues)
    EXPECT_FALSE(IsMalformed(With(kGet, {{"x", value}}))) << value;
}

TEST_F(Rfc9113Client, S8_2_1_AResponseWithAnInvalidValueIsMalformed) {
  Connect();
  for (const std::string_view& value : kInvalidValues) {
    EXPECT_TRUE(IsMalformedAnswer(With(kStatus200, {{"x", value}}))) << &value - kInvalidValues;
    EXPECT_TRUE(AreMalformedTrailers({{"x", value}})) << &value - kInvalidValues;
    EXPECT_TRUE(IsMalformedAnswer({{":status", "103"}, {"x", value}})) << &value - kInvalidValues;
  }
  for (const std::string_view value : kValidValues) {
    EXPECT_FALSE(IsMalformedAnswer(With(kStatus200, {{"x", value}}))) << value;
  }
}

// --- 8.2.2 connection-specific fields ---

const Fields kConnectionSpecific = {{"connection", "close"},
                                    {"proxy-connection", "close"},
                                    {"keep-alive", "timeout=5"},
                                    {"transfer-encoding", "chunked"},
                                    {"upgrade", "websocket"}};

TEST_F(Rfc9113Server, S8_2_2_ARequestWithAConnectionSpecificFieldIsMalformed) {
  Connect();
  for (const http::HeaderField& field : kConnectionSpecific) {
    EXPECT_TRUE(IsMalformed(With(kGet, {field}))) << field.name;
    EXPECT_TRUE(AreMalformedTrailers({field})) << field.name;
  }
}

TEST_F(Rfc9113Client, S8_2_2_AResponseWithAConnectionSpecificFieldIsMalformed) {
  Connect();
  for (const http::HeaderField& field : kConnectionSpecific) {
    EXPECT_TRUE(IsMalformedAnswer(With(kStatus200, {field}))) << field.name;
    EXPECT_TRUE(IsMalformedAnswer({{":status", "103"}, field})) << field.name;
    EXPECT_TRUE(AreMalformedTrailers({field})) << field.name;
  }
}

TEST_F(Rfc9113Server, S8_2_2_TeSaysTrailersOrNothing) {
  Connect();
  for (const std::string_view value : {"gzip", "trailers, deflate", "trailers;q=1", "chunked"}) {
    EXPECT_TRUE(IsMalformed(With(kGet, {{"te", value}}))) << value;
  }
  EXPECT_TRUE(IsMalformed(With(kGet, {{"te", "trailers"}, {"te", "gzip"}})));
  EXPECT_FALSE(IsMalformed(With(kGet, {{"te", "trailers"}})));
}

// The exception that is made for TE is made for requests.
TEST_F(Rfc9113Client, S8_2_2_TeInAResponseIsMalformed) {
  Connect();
  EXPECT_TRUE(IsMalformedAnswer(With(kStatus200, {{"te", "gzip"}})));
  EXPECT_TRUE(IsMalformedAnswer(With(kStatus200, {{"te", "trailers"}})));
}

// A handler does not know which HTTP it answers (transport/http/exchange.h).
// --- 8.2.3 cookies, 8.3.1 the target: what a handler is given ---

// The fixture's handler, which is told what the head was, too.
class HeadHandler final : public http::Handler {
 public:
  explicit HeadHandler(http::Handler& next) : next_(next) {}
  void OnRequest(http::Exchange& exchange, const http::RequestHead& head, bool end) override {
    authority = head.authority;
    fields = testing_support::DescribeFields(head.fields);
    next_.OnRequest(exchange, head, end);
  }
  std::string authority;
  std::string fields;

 private:
  http::Handler& next_;
};

class Rfc9113Handler : public Rfc9113Server {
 protected:
  Rfc9113Handler() {
    auto [peer, ours] = testing_support::MakeMemoryStreamPair(loop_, {});
    peer_stream_ = std::move(peer);
    heard_.emplace(FrameTranscript::From::kServer);
    auto session = Session::Create(Role::kServer, std::move(ours), std::make_shared<const Options>(), &head_handler_);
    weak_ = session;
    asio::co_spawn(context_, session->Run(session),
                   [](std::exception_ptr error) { EXPECT_EQ(error, nullptr); });
    session.reset();
    EXPECT_TRUE(Send(peer_.ClientPreface().Settings({}).SettingsAck()));
    Receive();
  }
  HeadHandler head_handler_{handler_};
};

TEST_F(Rfc9113Handler, S8_3_1_AuthorityGoesBeforeHost) {
  EXPECT_FALSE(IsMalformed(With(kGet, {{"host", "b"}})));
  EXPECT_EQ(head_handler_.authority, "a");
  EXPECT_FALSE(IsMalformed(With(Without(kGet, ":authority"), {{"host", "b"}})));
  EXPECT_EQ(head_handler_.authority, "b");
}

// --- 8.3 control data ---

TEST_F(Rfc9113Server, S8_3_AnUndefinedPseudoFieldIsMalformed) {
  Connect();
  for (const std::string_view name : {":x", ":", ":Path", ":version", ":paths"}) {
    EXPECT_TRUE(IsMalformed(With(kGet, {{name, "/"}}))) << name;
  }
}

TEST_F(Rfc9113Client, S8_3_AnUndefinedPseudoFieldIsMalformed) {
  Connect();
  for (const std::string_view name : {":x", ":", ":Status", ":reason"}) {
    EXPECT_TRUE(IsMalformedAnswer(With(kStatus200, {{name, "200"}}))) << name;
    EXPECT_TRUE(IsMalformedAnswer({{name, "200"}, {":status", "200"}})) << name;
  }
}

// :protocol is defined by RFC 8441, for a server that has sent SETTINGS_ENABLE_CONNECT_PROTOCOL; ours does
// not.
TEST_F(Rfc9113Server, S8_3_APseudoFieldOfAnExtensionThatWasNotNegotiatedIsMalformed) {
  Connect();
  EXPECT_TRUE(IsMalformed(With(kGet, {{":protocol", "websocket"}})));
  EXPECT_TRUE(IsMalformed(With(Changed(kGet, ":method", "CONNECT"), {{":protocol", "websocket"}}), 0));
}

TEST_F(Rfc9113Server, S8_3_AResponsesPseudoFieldInARequestIsMalformed) {
  Connect();
  EXPECT_TRUE(IsMalformed(With(kGet, {{":status", "200"}})));
  EXPECT_TRUE(IsMalformed(kStatus200));
}

TEST_F(Rfc9113Client, S8_3_ARequestsPseudoFieldInAResponseIsMalformed) {
  Connect();
  for (const http::HeaderField& field : kGet) {
    EXPECT_TRUE(IsMalformedAnswer(With(kStatus200, {field}))) << field.name;
    EXPECT_TRUE(IsMalformedAnswer(With({field}, kStatus200))) << field.name;
  }
}

TEST_F(Rfc9113Server, S8_3_APseudoFieldAfterAnotherFieldIsMalformed) {
  Connect();
  for (const http::HeaderField& field : kGet) {
    EXPECT_TRUE(IsMalformed(With(Without(kGet, field.name), {{"x", "y"}, field}))) << field.name;
  }
}

TEST_F(Rfc9113Client, S8_3_APseudoFieldAfterAnotherFieldIsMalformed) {
  Connect();
  EXPECT_TRUE(IsMalformedAnswer({{"x", "y"}, {":status", "200"}}));
  EXPECT_TRUE(IsMalformedAnswer({{"x", "y"}, {":status", "103"}}));
}

TEST_F(Rfc9113Server, S8_3_ARepeatedPseudoFieldIsMalformed) {
  Connect();
  for (const http::HeaderField& field : kGet) EXPECT_TRUE(IsMalformed(With(kGet, {field}))) << field.name;
  EXPECT_TRUE(IsMalformed(With(kGet, {{":path", "/other"}})));
}

TEST_F(Rfc9113Client, S8_3_ARepeatedPseudoFieldIsMalformed) {
  Connect();
  EXPECT_TRUE(IsMalformedAnswer(With(kStatus200, kStatus200)));
  EXPECT_TRUE(IsMalformedAnswer(With({{":status", "103"}}, kStatus200)));
}

// --- 8.3.1 requests ---

TEST_F(Rfc9113Server, S8_3_1_MethodSchemeAndPathAreThere) {
  Connect();
  for (const std::string_view name : {":method", ":scheme", ":path"}) {
    EXPECT_TRUE(IsMalformed(Without(kGet, name))) << name;
  }
  EXPECT_FALSE(IsMalformed(Without(kGet, ":authority")));
}

TEST_F(Rfc9113Server, S8_3_1_ThePathIsNotEmpty) {
  Connect();
  EXPECT_TRUE(IsMalformed(Changed(kGet, ":path", "")));
  EXPECT_TRUE(IsMalformed(Changed(Changed(kGet, ":path", ""), ":scheme", "https")));
}

TEST_F(Rfc9113Server, S8_3_1_MethodAndSchemeAreNotEmpty) {
  Connect();
  EXPECT_TRUE(IsMalformed(Changed(kGet, ":method", "")));
  EXPECT_TRUE(IsMalformed(Changed(kGet, ":scheme", "")));
}

// RFC 9110 9.1: a method is a token.
TEST_F(Rfc9113Server, S8_3_1_AMethodThatIsNoneIsMalformed) {
  Connect();
  for (const std::string_view method : {"GE T", "GET / HTTP/1.1", "G(T", "\xc3\x84"}) {
    EXPECT_TRUE(IsMalformed(Changed(kGet, ":method", method))) << method;
  }
}

// RFC 3986 3.1: a scheme is a letter, and then letters, digits, + - .
TEST_F(Rfc9113Server, S8_3_1_ASchemeThatIsNoneIsMalformed) {
  Connect();
  for (const std::string_view scheme : {"ht tp", "http://", "1http", "h:"}) {
    EXPECT_TRUE(IsMalformed(Changed(kGet, ":scheme", scheme))) << scheme;
  }
  EXPECT_FALSE(IsMalformed(Changed(kGet, ":scheme", "coap+tcp")));
}

// RFC 3986 3.3: there is no space in a path, and no fragment behind the query.
TEST_F(Rfc9113Server, S8_3_1_APathThatIsNoneIsMalformed) {
  Connect();
  for (const std::string_view path : {"c", "http://a/", "/a b", "/ HTTP/1.1", "/a#b"}) {
    EXPECT_TRUE(IsMalformed(Changed(kGet, ":path", path))) << path;
  }
}

TEST_F(Rfc9113Server, S8_3_1_AnAsteriskIsAPathForOptionsOnly) {
  Connect();
  EXPECT_FALSE(IsMalformed(Changed(Changed(kGet, ":path", "*"), ":method", "OPTIONS")));
  EXPECT_TRUE(IsMalformed(Changed(kGet, ":path", "*")));
}

TEST_F(Rfc9113Server, S8_3_1_AnAuthorityWithUserinfoIsMalformed) {
  Connect();
  for (const std::string_view scheme : {"http", "https"}) {
    EXPECT_TRUE(IsMalformed(Changed(Changed(kGet, ":authority", "user@a"), ":scheme", scheme))) << scheme;
  }
}

TEST_F(Rfc9113Client, S8_3_1_TheAuthorityIsSentIfThereIsOne) {
  Connect();
  EXPECT_EQ(Ask({"GET", "http", "a:80", "/", {}, {}}),
            "HEADERS stream=1 END_STREAM END_HEADERS :method=GET :scheme=http :authority=a:80 :path=/\n");
  EXPECT_EQ(Ask({"OPTIONS", "http", "", "*", {}, {}}),
            "HEADERS stream=3 END_STREAM END_HEADERS :method=OPTIONS :scheme=http :path=*\n");
}

TEST_F(Rfc9113Client, S8_3_1_NoHostIsSentThatDiffersFromTheAuthority) {
  Connect();
  const Fields fields = {{"host", "b"}};
  const std::string sent = Ask({"GET", "http", "a", "/", {}, fields});
  EXPECT_NE(sent.find(":authority=a "), sent.npos) << sent;
  EXPECT_EQ(sent.find(" host=b"), sent.npos) << sent;
}

// --- 8.3.2 responses ---

// see session_client_test: MalformedResponsesResetTheirStream
TEST_F(Rfc9113Client, S8_3_2_EveryResponseHasAStatus) {
  Connect();
  EXPECT_TRUE(IsMalformedAnswer({}));
  EXPECT_TRUE(IsMalformedAnswer({{"x", "y"}}, kEndStream));
  EXPECT_FALSE(IsMalformedAnswer({{":status", "103"}}));
  EXPECT_TRUE(IsMalformed({{"x", "y"}})) << "after an interim response";
}

// --- 8.5 CONNECT ---

TEST_F(Rfc9113Server, S8_5_ConnectHasAnAuthorityAndNeitherSchemeNorPath) {
  Connect();
  EXPECT_FALSE(IsMalformed(kConnect, 0));
  EXPECT_TRUE(IsMalformed(With(kConnect, {{":scheme", "http"}}), 0));
  EXPECT_TRUE(IsMalformed(With(kConnect, {{":path", "/"}}), 0));
  EXPECT_TRUE(IsMalformed(With(kConnect, {{":path", ""}}), 0));
  EXPECT_TRUE(IsMalformed(With(kConnect, {{":scheme", "http"}, {":path", "/"}}), 0));
  EXPECT_TRUE(IsMalformed(Without(kConnect, ":authority"), 0));
}

TEST_F(Rfc9113Client, S8_5_ConnectIsSentWithAnAuthorityAndNeitherSchemeNorPath) {
  Connect();
  EXPECT_EQ(Ask({"CONNECT", "", "a:1", "", {}, {}}),
            "HEADERS stream=1 END_STREAM END_HEADERS :method=CONNECT :authority=a:1\n");
}

TEST_F(Rfc9113Server, S8_5_AConnectedStreamTakesNoTrailers) {
  Connect();
  EXPECT_FALSE(IsMalformed(kConnect, 0));
  SendHead(request(0));
  EXPECT_EQ(Receive(), "HEADERS stream=1 END_HEADERS :status=200\n");
  EXPECT_EQ(Exchange(peer_.Data(1, "abc").Raw(static_cast<FrameType>(0x77), 0, 1, "")), "");
  EXPECT_EQ(Exchange(peer_.Headers(1, {{"a", "b"}}, kEndStream)).substr(0, 20), "RST_STREAM stream=1 ");
  EXPECT_EQ(request(0).log.find("trailers"), std::string::npos) << request(0).log;
}

TEST_F(Rfc9113Client, S8_5_AConnectedStreamTakesNoTrailers) {
  Connect();
  RecordingReceiver& receiver = *receivers_.emplace_back(std::make_unique<RecordingReceiver>());
  OnLoop([&] { receiver.exchange = &session()->Open({"CONNECT", "", "a:1", "", {}, {}}, receiver, false); });
  Receive();
  EXPECT_EQ(Exchange(peer_.Headers(1, kStatus200).Data(1, "abc")), "");
  EXPECT_EQ(Exchange(peer_.Headers(1, {{"a", "b"}}, kEndStream)).substr(0, 20), "RST_STREAM stream=1 ");
  EXPECT_EQ(receiver.log.find("trailers"), std::string::npos) << receiver.log;
}

// --- 8.6 upgrade ---

// see session_client_test: MalformedResponsesResetTheirStream
TEST_F(Rfc9113Client, S8_6_ThereIsNo101) {
  Connect();
  EXPECT_TRUE(IsMalformedAnswer({{":status", "101"}}));
  EXPECT_FALSE(IsMalformedAnswer({{":status", "100"}}));
  EXPECT_TRUE(IsMalformed({{":status", "101"}}));
}

// --- 10.5.1 limits on field blocks ---

// Of a server: see session_server_test: AHeaderListThatIsTooLargeIsAnsweredWith431
TEST_F(Rfc9113Client, S10_5_1_AFieldBlockThatIsTooLargeKeepsTheTableInStep) {
  Connect({.max_header_list_size = 500});
  const std::string large(500, 'x');
  EXPECT_TRUE(IsMalformedAnswer(With(kStatus200, {{"large", large}, {"new", "field"}})));
  EXPECT_FALSE(IsMalformedAnswer(With(kStatus200, {{"new", "field"}})));
  EXPECT_EQ(receivers_.back()->log, "head 200 {new=field}\n");
}

TEST_F(Rfc9113Server, S10_5_1_TrailersThatAreTooLargeKeepTheTableInStep) {
  Connect({.max_header_list_size = 500});
  const std::string large(500, 'x');
  EXPECT_TRUE(AreMalformedTrailers({{"large", large}, {"new", "field"}}));
  EXPECT_FALSE(AreMalformedTrailers({{"new", "field"}}));
  EXPECT_EQ(handler_.requests.back()->log, "POST /\ntrailers {new=field}\n");
}

}  // namespace
}  // namespace culvert::http2
