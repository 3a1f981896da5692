#include "transport/client/connection.h"

#include <asio/io_context.hpp>
#include <functional>
#include <string>

#include "gtest/gtest.h"

namespace culvert::client {
namespace {

class Waiter final : public SessionWaiter {
 public:
  void OnSession() override { log += "session "; }
  void OnNoSession(const absl::Status&) override {
    log += "none ";
    if (on_none) on_none();
  }

  std::string log;
  std::function<void()> on_none;
};

TEST(Connection, WhoIsRefusedMayTakeAwayOneWhoStays) {
  asio::io_context context{1};
  EventLoop& loop = EventLoop::Of(context);
  // Nobody listens there.
  const auto connection = Connection::Create(loop, *ParseTarget("unix:/nonexistent/culvert.sock"), Options());
  Waiter patient, hasty, other;
  hasty.on_none = [&] { connection->Forget(patient); };
  loop.Post([&] {
    connection->Request(patient, true);
    connection->Request(hasty, false);
    connection->Request(other, true);
  });
  while (hasty.log.empty()) context.run_one();
  EXPECT_EQ(other.log, "");
  loop.Post([&] { connection->Shutdown(); });
  context.run();
  EXPECT_EQ(patient.log, "");
  EXPECT_EQ(hasty.log, "none ");
  EXPECT_EQ(other.log, "none ");
}

TEST(Connection, WhoWaitsIsNotRefusedByOneFailure) {
  asio::io_context context{1};
  EventLoop& loop = EventLoop::Of(context);
  const auto connection = Connection::Create(loop, *ParseTarget("unix:/nonexistent/culvert.sock"), Options());
  Waiter first, hasty, second;
  loop.Post([&] {
    connection->Request(first, true);
    connection->Request(second, true);
    connection->Request(hasty, false);
  });
  while (hasty.log.empty()) context.run_one();
  EXPECT_EQ(first.log + second.log, "");
  loop.Post([&] { connection->Shutdown(); });
  context.run();
  EXPECT_EQ(first.log, "none ");
  EXPECT_EQ(second.log, "none ");
}

}  // namespace
}  // namespace culvert::client
