#ifndef CULVERT_TESTS_E2E_FIXTURE_H_
#define CULVERT_TESTS_E2E_FIXTURE_H_

// What the end-to-end tests share: a real server and a real client in one process, over loopback, and the means to wait for each other
// without sleeping.

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "grpc/testing/empty.pb.h"
#include "grpc/testing/messages.pb.h"
#include "grpc/testing/test.culvert.h"
#include "gtest/gtest.h"
#include "rpc/channel.h"
#include "rpc/client_context.h"
#include "rpc/server.h"
#include "tests/interop/test_service.h"
#include "transport/base/task.h"

namespace culvert::e2e {

using grpc::testing::Empty;
using grpc::testing::SimpleRequest;
using grpc::testing::SimpleResponse;
using grpc::testing::StreamingInputCallRequest;
using grpc::testing::StreamingInputCallResponse;
using grpc::testing::StreamingOutputCallRequest;
using grpc::testing::StreamingOutputCallResponse;
using Stub = grpc::testing::TestService::Stub;
using DuplexStream = Stream<StreamingOutputCallRequest, StreamingOutputCallResponse>;

// Far longer than anything here takes: who waits that long waits in vain.
inline constexpr absl::Duration kLong = absl::Seconds(30);

// Options for tests: one thread, so that what runs in which order is plain; reconnecting at once.
ServerOptions OneThread();
ChannelOptions Impatient();

// A server that listens there; fails the test when it cannot.
std::unique_ptr<Server> StartAt(const std::string& address, Service& service);

// A server on a free port of 127.0.0.1, with a channel to it.
class Loopback {
 public:
  explicit Loopback(Service& service, ServerOptions server_options = OneThread(), const ChannelOptions& channel_options = Impatient());
  // The server shuts down at once.
  ~Loopback();

  Server& server() { return *server_; }
  // "127.0.0.1:41233"
  const std::string& address() const { return address_; }
  const std::shared_ptr<Channel>& channel() const { return channel_; }
  Stub stub() const { return Stub(channel_); }
  std::shared_ptr<Channel> NewChannel(const ChannelOptions& options = Impatient()) const;

 private:
  std::unique_ptr<Server> server_;
  std::string address_;
  std::shared_ptr<Channel> channel_;
};

// Fails the test unless a call to `address` succeeds: a server goes on serving.
void ExpectServes(const std::string& address);
// An EmptyCall over `channel`, blocking.
absl::Status CallOnce(const std::shared_ptr<Channel>& channel);

// A channel that must come into being.
std::shared_ptr<Channel> MustCreateChannel(const std::string& target, const ChannelOptions& options = Impatient());

// Requests and responses of the interop service.
SimpleRequest UnaryRequest(size_t request_bytes, size_t response_bytes);
StreamingOutputCallRequest OutputRequest(int responses, size_t bytes_each);
StreamingInputCallRequest InputRequest(size_t bytes);

// What a coroutine waits at until any thread opens it.
class Gate {
 public:
  // True when open; false when the waiting coroutine was cancelled.
  Task<bool> Wait();
  void Open();

 private:
  absl::Mutex mutex_;
  bool open_ ABSL_GUARDED_BY(mutex_) = false;
  std::list<std::function<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
};

// The service of the interop tests, with a StreamingOutputCall that waits at `gate`, once, and tells how that ended.
class WaitingService : public interop::TestService {
 public:
  Task<absl::Status> StreamingOutputCall(ServerContext& call, const StreamingOutputCallRequest& request,
                                         Writer<StreamingOutputCallResponse>& writer) override;

  Gate gate;
  absl::Notification started;
  // Notified when the handler has been let through or cancelled; the two below are set then.
  absl::Notification ended;
  bool let_through = false;
  bool cancelled = false;
  // Set when `started` is notified.
  ServerContext::Clock::time_point deadline;
};

// Whether `notification` came in time.
inline bool Came(const absl::Notification& notification) { return notification.WaitForNotificationWithTimeout(kLong); }

// gtest's view of a status.
#define EXPECT_OK(expression)                              \
  do {                                                     \
    const absl::Status expect_ok_status_ = (expression);   \
    EXPECT_TRUE(expect_ok_status_.ok()) << expect_ok_status_; \
  } while (false)
#define EXPECT_CODE(expression, wanted)                                                \
  do {                                                                                 \
    const absl::Status expect_code_status_ = (expression);                             \
    EXPECT_EQ(expect_code_status_.code(), absl::StatusCode::wanted) << expect_code_status_; \
  } while (false)

}  // namespace culvert::e2e

#endif  // CULVERT_TESTS_E2E_FIXTURE_H_
