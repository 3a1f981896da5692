#include "transport/io/address.h"

#include <netinet/in.h>
#include <sys/un.h>

#include <string>

#include "gtest/gtest.h"

namespace culvert::io {
namespace {

TEST(AddressTest, WhatIsParsedIsFormattedBack) {
  for (const char* text : {"127.0.0.1:50051", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:50051", "[::]:0", "[2001:db8::a]:443",
                           "unix:/run/a.sock", "unix:relative", "unix-abstract:name"}) {
    const absl::StatusOr<SocketAddress> address = ParseAddress(text);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_EQ(FormatAddress(*address), text);
  }
}

TEST(AddressTest, OtherSpellings) {
  EXPECT_EQ(FormatAddress(*ParseAddress("localhost:80")), "127.0.0.1:80");
  EXPECT_EQ(FormatAddress(*ParseAddress("unix:///run/a.sock")), "unix:/run/a.sock");
  EXPECT_EQ(FormatAddress(*ParseAddress("[2001:0db8:0:0:0:0:0:000a]:0443")), "[2001:db8::a]:443");
}

TEST(AddressTest, PeersAreNamedAsGrpcDoes) {
  EXPECT_EQ(PeerName(*ParseAddress("127.0.0.1:1")), "ipv4:127.0.0.1:1");
  EXPECT_EQ(PeerName(*ParseAddress("[::1]:1")), "ipv6:[::1]:1");
  EXPECT_EQ(PeerName(*ParseAddress("unix:/a")), "unix:/a");
  SocketAddress unnamed;  // a Unix client's own end
  unnamed.storage.ss_family = AF_UNIX;
  unnamed.size = sizeof(sa_family_t);
  EXPECT_EQ(PeerName(unnamed), "unix:");
  EXPECT_EQ(PeerName(SocketAddress()), "unknown");
}

TEST(AddressTest, TheSocketsFormIsFilledIn) {
  const SocketAddress v4 = *ParseAddress("1.2.3.4:258");
  EXPECT_EQ(v4.family(), AF_INET);
  EXPECT_EQ(v4.size, sizeof(sockaddr_in));
  EXPECT_EQ(reinterpret_cast<const sockaddr_in*>(v4.get())->sin_port, htons(258));
  EXPECT_EQ(ParseAddress("[::1]:1")->size, sizeof(sockaddr_in6));
  const SocketAddress abstract = *ParseAddress("unix-abstract:xy");
  EXPECT_EQ(abstract.size, sizeof(sa_family_t) + 1 + 2);  // its length counts, not a zero
  EXPECT_EQ(reinterpret_cast<const sockaddr_un*>(abstract.get())->sun_path[0], '\0');
}

TEST(AddressTest, WhatIsWrongIsSaid) {
  const struct {
    std::string text;
    const char* why;
  } cases[] = {
      {"", "address '' has no port"},
      {"127.0.0.1", "address '127.0.0.1' has no port"},
      {":80", "address ':80' has no host"},
      {"127.0.0.1:", "address '127.0.0.1:': the port is not a number from 0 to 65535"},
      {"127.0.0.1:x", "address '127.0.0.1:x': the port is not a number from 0 to 65535"},
      {"127.0.0.1:-1", "address '127.0.0.1:-1': the port is not a number from 0 to 65535"},
      {"127.0.0.1:+1", "address '127.0.0.1:+1': the port is not a number from 0 to 65535"},
      {"127.0.0.1: 1", "address '127.0.0.1: 1': the port is not a number from 0 to 65535"},
      {"127.0.0.1:65536", "address '127.0.0.1:65536': the port is not a number from 0 to 65535"},
      {"127.0.0.1:99999999999", "address '127.0.0.1:99999999999': the port is not a number from 0 to 65535"},
      {"::1:80", "address '::1:80': an IPv6 host must stand in brackets"},
      {"[::1]", "address '[::1]' is not of the form [host]:port"},
      {"[::1", "address '[::1' is not of the form [host]:port"},
      {"[::1]80", "address '[::1]80' is not of the form [host]:port"},
      {"example.com:80", "'example.com' is not a numeric IP address"},
      {"1.2.3:80", "'1.2.3' is not a numeric IP address"},
      {"unix:", "unix address without a path"},
      {"unix-abstract:", "unix address without a path"},
      {"unix:/" + std::string(107, 'x'), "unix path of 108 bytes, at most 107 are possible"},
  };
  for (const auto& [text, why] : cases) {
    const absl::Status status = ParseAddress(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_EQ(status.message(), why) << text;
  }
  EXPECT_TRUE(ParseAddress("unix:/" + std::string(106, 'x')).ok());
}

TEST(AddressTest, HostAndPortAreSplit) {
  EXPECT_EQ(*SplitHostPort("example.com:443"), (std::pair<std::string, uint16_t>("example.com", 443)));
  EXPECT_EQ(*SplitHostPort("[fe80::1]:0"), (std::pair<std::string, uint16_t>("fe80::1", 0)));
}

}  // namespace
}  // namespace culvert::io
