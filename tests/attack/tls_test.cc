// Peers that use up the server's time by TLS itself.

#include <string>

#include "gtest/gtest.h"
#include "tests/attack/attacked_server.h"
#include "tests/e2e/raw_peer.h"
#include "tests/e2e/secure_socket.h"

namespace culvert::attack {
namespace {

using e2e::SecureSocket;

// With and without an answer: the server's own keys change too.
TEST(TlsFlood, NewKeys) {
  for (const bool both : {false, true}) {
    AttackedServer server({"--tls"});
    SecureSocket client(e2e::RawSocket::Connect(server.address()), {.version = 13, .alpn = {"h2"}});
    ASSERT_EQ(client.tls().error(), "");
    client.Send(std::string(e2e::kPreface) + e2e::Frame(e2e::kSettings, 0, 0, {}));
    server.AttackUntilCounted("tls_key_updates", client.socket(), [&](int) {
      std::string updates;
      for (int i = 0; i < 1000; ++i) {
        EXPECT_TRUE(client.tls().UpdateKeys(both));
        updates += client.tls().TakeOutput();
      }
      return updates;
    });
    EXPECT_TRUE(client.socket().ReceiveEnd());
    server.ExpectUnharmed();
  }
}

}  // namespace
}  // namespace culvert::attack
