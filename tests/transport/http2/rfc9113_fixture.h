#ifndef CULVERT_TESTS_TRANSPORT_HTTP2_RFC9113_FIXTURE_H_
#define CULVERT_TESTS_TRANSPORT_HTTP2_RFC9113_FIXTURE_H_

// What the tests of RFC 9113's rules share: a fixture with a virtual role() becomes one for the server, for the client, and for rules that bind both.

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/transport/http2/session_fixture.h"

namespace culvert::http2 {

// The error code, when what was heard is one GOAWAY and the end of the connection; otherwise all of it.
inline std::string ConnectionErrorIn(const std::string& heard) {
  constexpr std::string_view kBegin = "GOAWAY last=";
  const bool one = std::count(heard.begin(), heard.end(), '\n') == 2;
  if (!one || !heard.starts_with(kBegin) || !heard.ends_with(kEnd)) return heard;
  const size_t code = heard.find(' ', kBegin.size()) + 1;
  return heard.substr(code, heard.find_first_of(" \n", code) - code);
}

// Streams with both heads sent, whichever side opens them.
class StreamsTest : public SessionTest {
 protected:
  using Say = std::function<void(FrameScript&)>;

  virtual Role role() const = 0;

  // May be called again: the next connection.
  void Connect(const Options& options = {}, const std::vector<frame::Setting>& peer_settings = {}) {
    std::destroy_at(&peer_);  // another connection, another HPACK table
    std::construct_at(&peer_);
    SessionTest::Connect(role(), options, peer_settings);
    next_ = 1;
  }
  RecordingReceiver& stream() {
    return role() == Role::kServer ? *handler_.requests.back() : *receivers_.back();
  }
  // Of the latest stream, without the line of its head.
  std::string heard_on_stream() { return stream().log.substr(stream().log.find('\n') + 1); }

  // The next stream, with both heads sent, and ended already by those who are said to.
  RecordingReceiver& OpenStream(bool ended_by_us = false, bool ended_by_peer = false) {
    const frame::StreamId id = next_;
    next_ += 2;
    const uint8_t flags = ended_by_peer ? kEndStream : 0;
    if (role() == Role::kServer) {
      EXPECT_TRUE(Send(peer_.Headers(id, kPost, flags)));
      SendHead(stream(), ended_by_us);
    } else {
      Open("/", ended_by_us);
      EXPECT_TRUE(Send(peer_.Headers(id, kStatus200, flags)));
    }
    Receive();
    return stream();
  }
  // What a new connection with an open stream 1 makes of it.
  std::string ErrorAfter(const Say& say) {
    Connect();
    OpenStream();
    say(peer_);
    return ConnectionErrorIn(Exchange(peer_));
  }

 private:
  frame::StreamId next_ = 1;
};

template <class Test, Role kRole>
class OfRole : public Test {
 protected:
  Role role() const override { return kRole; }
};

// For TEST_P, instantiated with both roles and RoleName.
template <class Test>
class OfEachRole : public Test, public testing::WithParamInterface<Role> {
 protected:
  Role role() const override { return this->GetParam(); }
};

inline std::string RoleName(const testing::TestParamInfo<Role>& info) { return info.param == Role::kServer ? "Server" : "Client"; }

}  // namespace culvert::http2

#endif  // CULVERT_TESTS_TRANSPORT_HTTP2_RFC9113_FIXTURE_H_
