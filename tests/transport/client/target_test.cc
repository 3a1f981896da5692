#include "transport/client/target.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace culvert::client {
namespace {

Target MustParse(std::string_view text) {
  absl::StatusOr<Target> target = ParseTarget(text);
  EXPECT_TRUE(target.ok()) << target.status();
  return target.ok() ? *std::move(target) : Target();
}

std::string Addresses(const Target& target) {
  std::string out;
  for (const io::SocketAddress& address : target.addresses) out += (out.empty() ? "" : " ") + io::FormatAddress(address);
  return out;
}

TEST(TargetTest, ANameIsToBeResolved) {
  for (const char* text : {"example.com:50051", "dns:example.com:50051", "dns:///example.com:50051"}) {
    const Target target = MustParse(text);
    EXPECT_TRUE(target.addresses.empty()) << text;
    EXPECT_EQ(target.host, "example.com");
    EXPECT_EQ(target.port, 50051);
    EXPECT_EQ(target.authority, "example.com:50051");
  }
}

TEST(TargetTest, AMissingPortIs443) {
  for (const char* text : {"example.com", "dns:///example.com"}) {
    const Target target = MustParse(text);
    EXPECT_EQ(target.port, 443);
    EXPECT_EQ(target.authority, "example.com");
  }
}

TEST(TargetTest, ANumericHostNeedsNoResolving) {
  for (const char* text : {"127.0.0.1:80", "dns:///127.0.0.1:80"}) {
    EXPECT_EQ(Addresses(MustParse(text)), "127.0.0.1:80");
    EXPECT_EQ(MustParse(text).authority, "127.0.0.1:80");
    EXPECT_EQ(MustParse(text).host, "127.0.0.1");
  }
  const Target v6 = MustParse("[::1]:80");
  EXPECT_EQ(Addresses(v6), "[::1]:80");
  EXPECT_EQ(v6.host, "::1");
  EXPECT_EQ(v6.authority, "[::1]:80");
}

TEST(TargetTest, ListsOfAddresses) {
  const Target v4 = MustParse("ipv4:127.0.0.1:1,127.0.0.2:2");
  EXPECT_EQ(Addresses(v4), "127.0.0.1:1 127.0.0.2:2");
  EXPECT_EQ(v4.authority, "127.0.0.1:1");
  EXPECT_TRUE(v4.host.empty());
  EXPECT_EQ(Addresses(MustParse("ipv6:[::1]:1,[::2]:2")), "[::1]:1 [::2]:2");
}

TEST(TargetTest, UnixSocketsAreLocalhostByName) {
  for (const char* text : {"unix:/run/a.sock", "unix:///run/a.sock"}) {
    EXPECT_EQ(Addresses(MustParse(text)), "unix:/run/a.sock");
    EXPECT_EQ(MustParse(text).authority, "localhost");
  }
  EXPECT_EQ(Addresses(MustParse("unix:relative")), "unix:relative");
  EXPECT_EQ(Addresses(MustParse("unix-abstract:name")), "unix-abstract:name");
}

TEST(TargetTest, WhatIsWrongIsSaid) {
  const struct {
    const char* text;
    const char* why;
  } cases[] = {
      {"", "address ':443' has no host"},
      {"dns:", "address ':443' has no host"},
      {"dns:///", "address ':443' has no host"},
      {"dns://example.com", "target 'dns://example.com' is not of the form dns:///host:port"},
      {"dns://8.8.8.8/example.com", "target 'dns://8.8.8.8/example.com' names a DNS server, which is not supported"},
      {"xds:///example.com", "target 'xds:///example.com': unknown scheme 'xds'"},
      {"http://example.com", "target 'http://example.com': unknown scheme 'http'"},
      {"example.com:", "address 'example.com:': the port is not a number from 0 to 65535"},
      {"example.com:http", "address 'example.com:http': the port is not a number from 0 to 65535"},
      {"example.com:70000", "address 'example.com:70000': the port is not a number from 0 to 65535"},
      {"::1", "address '::1': an IPv6 host must stand in brackets"},
      {"exa mple.com:80", "target 'exa mple.com:80': 'exa mple.com' is not a host name"},
      {"a\nb:80", "target 'a\nb:80': 'a\nb' is not a host name"},
      {"a\x01:80", "target 'a\x01:80': 'a\x01' is not a host name"},
      {"dns:///a\x7f", "target 'dns:///a\x7f': 'a\x7f' is not a host name"},
      {"a@b:80", "target 'a@b:80': 'a@b' is not a host name"},
      {"a/b:80", "target 'a/b:80': 'a/b' is not a host name"},
      {"ipv4:", "target 'ipv4:' has no address"},
      {"ipv4:example.com:80", "'example.com' is not a numeric IP address"},
      {"ipv4:[::1]:80", "target 'ipv4:[::1]:80': the address is not of the family that the scheme names"},
      {"ipv6:127.0.0.1:80", "target 'ipv6:127.0.0.1:80': the address is not of the family that the scheme names"},
      {"ipv4:127.0.0.1:1,,127.0.0.1:2", "address '' has no port"},
      {"unix:", "unix address without a path"},
  };
  for (const auto& [text, why] : cases) {
    const absl::Status status = ParseTarget(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_EQ(status.message(), why) << text;
  }
}

}  // namespace
}  // namespace culvert::client
