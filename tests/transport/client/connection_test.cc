#include "transport/client/connection.h"

#include <asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "tests/e2e/raw_peer.h"

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

// Who runs the context until it is out of work does not wait for an attempt that is of no use any more.
TEST(Connection, AShutdownGivesUpConnecting) {
  const e2e::RawListener listener;
  asio::io_context context{1};
  EventLoop& loop = EventLoop::Of(context);
  Options options;
  options.proxy = listener.address();  // which accepts, and says nothing
  options.connect_timeout = std::chrono::hours(1);
  for (const bool begun : {true, false}) {
    std::shared_ptr<Connection> connection = Connection::Create(loop, *ParseTarget("target:1"), options);
    const std::weak_ptr<Connection> attempted = connection;
    Waiter waiter;
    const auto shut_down = [&connection] {
      connection->Shutdown();
      connection.reset();  // the attempt is the last to own it
    };
    loop.Post([&] {
      connection->Request(waiter, true);
      if (!begun) shut_down();
    });
    context.restart();
    context.poll();
    if (begun) loop.Post(shut_down);
    context.run_for(std::chrono::seconds(30));
    EXPECT_TRUE(context.stopped()) << "it still connects";
    EXPECT_EQ(waiter.log, "none ");
    EXPECT_TRUE(attempted.expired());
  }
}

}  // namespace
}  // namespace culvert::client
