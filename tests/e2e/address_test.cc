// Addresses that cannot be listened on and targets that cannot be reached: a clear error, and nothing breaks.

#include <unistd.h>

#include <cstdlib>
#include <string>

#include "gtest/gtest.h"
#include "rpc/block.h"
#include "rpc/stub.h"
#include "tests/e2e/fixture.h"
#include "tests/e2e/raw_peer.h"
#include "transport/base/strings.h"

namespace culvert::e2e {
namespace {

TEST(Address, ATakenPortIsRefusedByName) {
  interop::TestService service;
  Loopback first(service);
  Server second(OneThread());
  second.AddService(service);
  const absl::StatusOr<std::string> address = second.Listen(first.address());
  ASSERT_FALSE(address.ok());
  EXPECT_NE(address.status().message().find(first.address()), absl::string_view::npos) << address.status();
  EXPECT_NE(address.status().message().find("in use"), absl::string_view::npos) << address.status();
  ExpectServes(first.address());
}

TEST(Address, APortTakenByAnotherProgramIsRefused) {
  RawListener other;
  Server server(OneThread());
  EXPECT_FALSE(server.Listen(other.address()).ok());
}

TEST(Address, ListenRefusesWhatIsNoAddress) {
  Server server(OneThread());
  for (const std::string bad : {"", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:port", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:80 ",
                                "300.0.0.1:80", "[::1:80", "::1:80", "unix:", "127.0.0.1:80:80"}) {
    SCOPED_TRACE("'" + bad + "'");
    EXPECT_CODE(server.Listen(bad).status(), kInvalidArgument);
  }
}

TEST(Address, ListenAfterARefusalSucceeds) {
  interop::TestService service;
  Server server(OneThread());
  server.AddService(service);
  ASSERT_FALSE(server.Listen("nonsense").ok());
  const absl::StatusOr<std::string> address = server.Listen("127.0.0.1:0");
  ASSERT_TRUE(address.ok()) << address.status();
  ExpectServes(*address);
}

TEST(Address, AnAddressThatIsNotOursIsRefused) {
  Server server(OneThread());
  // TEST-NET-1, RFC 5737: on no machine.
  const absl::StatusOr<std::string> address = server.Listen("192.0.2.1:0");
  ASSERT_FALSE(address.ok());
  EXPECT_NE(address.status().message().find("192.0.2.1"), absl::string_view::npos) << address.status();
}

TEST(Address, OneServerListensOnSeveralAddresses) {
  interop::TestService service;
  Loopback loopback(service);
  const absl::StatusOr<std::string> more = loopback.server().Listen("127.0.0.1:0");
  ASSERT_TRUE(more.ok()) << more.status();
  EXPECT_NE(*more, loopback.address());
  ExpectServes(loopback.address());
  ExpectServes(*more);
}

TEST(Address, UnixSocketsWork) {
  // Not TempDir(), which may be longer than a socket's path can be.
  char directory[] = "/tmp/culvert.XXXXXX";
  ASSERT_NE(::mkdtemp(directory), nullptr);
  const std::string path = StrCat(directory, "/socket");
  {
    interop::TestService service;
    Server server(OneThread());
    server.AddService(service);
    for (const std::string& name : {StrCat("unix:", path), StrCat("unix-abstract:", path)}) {
      const absl::StatusOr<std::string> address = server.Listen(name);
      ASSERT_TRUE(address.ok()) << address.status();
      ExpectServes(name);
      ExpectServes(*address);
    }
  }
  ::unlink(path.c_str());
  ::rmdir(directory);
}

TEST(Address, ASocketThatADeadServerLeftIsTakenOver) {
  char directory[] = "/tmp/culvert.XXXXXX";
  ASSERT_NE(::mkdtemp(directory), nullptr);
  const std::string path = StrCat(directory, "/socket");
  interop::TestService service;
  for (int i = 0; i < 2; ++i) {
    Server server(OneThread());
    server.AddService(service);
    const absl::StatusOr<std::string> address = server.Listen(StrCat("unix:", path));
    ASSERT_TRUE(address.ok()) << address.status();
    ExpectServes(*address);
    Server second(OneThread());
    EXPECT_FALSE(second.Listen(StrCat("unix:", path)).ok()) << "taken while its owner lives";
  }
  ::unlink(path.c_str());
  ::rmdir(directory);
}

TEST(Address, ChannelsRefuseWhatIsNoTarget) {
  for (const std::string bad : {"", "dns:///", "dns:///host:port", "127.0.0.1:99999", "ipv4:", "ipv4:example.com:80", "ipv4:127.0.0.1", "ipv6:[::1",
                                "ipv6:127.0.0.1:80", "unix:", "unix-abstract:", "http://127.0.0.1:80"}) {
    SCOPED_TRACE("'" + bad + "'");
    EXPECT_CODE(Channel::Create(bad).status(), kInvalidArgument);
  }
}

TEST(Address, EveryWayToNameTheServerWorks) {
  interop::TestService service;
  Loopback loopback(service);
  const std::string port = loopback.address().substr(loopback.address().find(':') + 1);
  for (const std::string& target : {"127.0.0.1:" + port, "ipv4:127.0.0.1:" + port, "dns:127.0.0.1:" + port, "dns:///127.0.0.1:" + port,
                                    "dns:///localhost:" + port, "localhost:" + port}) {
    SCOPED_TRACE(target);
    ExpectServes(target);
  }
}

TEST(Address, NobodyThereIsUnavailableAndSaysWhere) {
  std::string address;
  {
    RawListener listener;
    address = listener.address();  // free again from here on
  }
  const absl::Status status = CallOnce(MustCreateChannel(address));
  EXPECT_CODE(status, kUnavailable);
  EXPECT_NE(status.message().find(address), absl::string_view::npos) << status;
}

TEST(Address, AHostThatDoesNotExistIsUnavailableAndSaysWhich) {
  // RFC 6761: resolves nowhere.
  const absl::Status status = CallOnce(MustCreateChannel("dns:///nowhere.invalid:80"));
  EXPECT_CODE(status, kUnavailable);
  EXPECT_NE(status.message().find("nowhere.invalid"), absl::string_view::npos) << status;
}

TEST(Address, PeersAreNamedAsGrpcNamesThem) {
  interop::TestService service;
  Loopback loopback(service);
  ClientContext context;
  EXPECT_OK(loopback.stub().EmptyCall(context, Empty(), kBlock).status());
  EXPECT_EQ(context.peer(), "ipv4:" + loopback.address());
}

}  // namespace
}  // namespace culvert::e2e
