// Connections without end: those who are in are served, the others wait in the kernel's backlog until there is room.

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/attack/attacked_server.h"
#include "tests/attack/frames.h"

namespace culvert::attack {
namespace {

// More connections than the server can take, by `limit`.
void ExpectOthersWait(const std::string& flag, const std::string& limit) {
  constexpr int kConnections = 100;
  AttackedServer server({flag});
  std::vector<RawSocket> flood;
  for (int i = 0; i < kConnections; ++i) flood.push_back(RawSocket::Connect(server.address()));
  server.ExpectCounted(limit);
  RawSocket waiting = Greet(server);
  ASSERT_TRUE(waiting.Send(e2e::GrpcHead(1, kEmptyCall) + e2e::GrpcData(1, {}, true)));
  for (int i = 0; i < 100; ++i) server.ExpectServesOthers();
  flood.clear();
  EXPECT_TRUE(e2e::ReceiveFrame(waiting, e2e::kData, 1));
  server.ExpectUnharmed();
}

TEST(AcceptFlood, ConnectionsBeyondTheLimitWait) { ExpectOthersWait("--max_connections=30", "max_connections"); }

TEST(AcceptFlood, WithoutFileDescriptorsNewcomersWait) { ExpectOthersWait("--max_files=60", "no_file_descriptors"); }

}  // namespace
}  // namespace culvert::attack
