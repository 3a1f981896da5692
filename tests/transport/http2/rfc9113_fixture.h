#ifndef CULVERT_TESTS_TRANSPORT_HTTP2_RFC9113_FIXTURE_H_
#define CULVERT_TESTS_TRANSPORT_HTTP2_RFC9113_FIXTURE_H_

// What the tests of RFC 9113's rules share: a fixture with a virtual role() becomes one for the server, for the client, and for rules that bind both.

#include <algorithm>
#include <string>
#include <string_view>

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
