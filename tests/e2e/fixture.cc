#include "tests/e2e/fixture.h"

#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <utility>

#include "rpc/block.h"
#include "rpc/stub.h"

namespace culvert::e2e {

ServerOptions OneThread() {
  ServerOptions options;
  options.threads = 1;
  return options;
}

ChannelOptions Impatient() {
  ChannelOptions options;
  options.transport.initial_backoff = std::chrono::milliseconds(5);
  options.transport.max_backoff = std::chrono::milliseconds(20);
  return options;
}

std::unique_ptr<Server> StartAt(const std::string& address, Service& service) {
  auto server = std::make_unique<Server>(OneThread());
  server->AddService(service);
  const absl::StatusOr<std::string> bound = server->Listen(address);
  EXPECT_TRUE(bound.ok()) << bound.status();
  return server;
}

Loopback::Loopback(Service& service, ServerOptions server_options, const ChannelOptions& channel_options)
    : server_(std::make_unique<Server>(std::move(server_options))) {
  server_->AddService(service);
  const absl::StatusOr<std::string> address = server_->Listen("127.0.0.1:0");
  EXPECT_TRUE(address.ok()) << address.status();
  if (!address.ok()) return;
  address_ = *address;
  channel_ = NewChannel(channel_options);
}

Loopback::~Loopback() = default;

std::shared_ptr<Channel> Loopback::NewChannel(const ChannelOptions& options) const { return MustCreateChannel(address_, options); }

std::shared_ptr<Channel> MustCreateChannel(const std::string& target, const ChannelOptions& options) {
  absl::StatusOr<std::shared_ptr<Channel>> channel = Channel::Create(target, options);
  EXPECT_TRUE(channel.ok()) << target << ": " << channel.status();
  return channel.ok() ? *std::move(channel) : nullptr;
}

absl::Status CallOnce(const std::shared_ptr<Channel>& channel) {
  ClientContext context;
  context.set_timeout(absl::ToChronoNanoseconds(kLong));
  return Stub(channel).EmptyCall(context, Empty(), kBlock).status();
}

void ExpectServes(const std::string& address) { EXPECT_OK(CallOnce(MustCreateChannel(address))); }

SimpleRequest UnaryRequest(size_t request_bytes, size_t response_bytes) {
  SimpleRequest request;
  if (request_bytes != 0) request.mutable_payload()->mutable_body()->assign(request_bytes, 'q');
  request.set_response_size(static_cast<int32_t>(response_bytes));
  return request;
}

StreamingOutputCallRequest OutputRequest(int responses, size_t bytes_each) {
  StreamingOutputCallRequest request;
  for (int i = 0; i < responses; ++i) request.add_response_parameters()->set_size(static_cast<int32_t>(bytes_each));
  return request;
}

StreamingInputCallRequest InputRequest(size_t bytes) {
  StreamingInputCallRequest request;
  request.mutable_payload()->mutable_body()->assign(bytes, 'q');
  return request;
}

Task<bool> Gate::Wait() {
  const auto executor = co_await asio::this_coro::executor;
  const auto timer = std::make_shared<asio::steady_timer>(executor, asio::steady_timer::time_point::max());
  std::list<std::function<void()>> mine;
  mine.push_back([executor, timer] { asio::post(executor, [timer] { timer->expires_at(asio::steady_timer::time_point::min()); }); });
  const auto it = mine.begin();
  {
    absl::MutexLock lock(&mutex_);
    if (open_) co_return true;
    waiting_.splice(waiting_.end(), mine);
  }
  co_await timer->async_wait(kTuple);
  absl::MutexLock lock(&mutex_);
  if (!open_) waiting_.erase(it);
  co_return open_;
}

void Gate::Open() {
  std::list<std::function<void()>> waiting;
  {
    absl::MutexLock lock(&mutex_);
    open_ = true;
    waiting.swap(waiting_);
  }
  for (const auto& wake : waiting) wake();
}

Task<absl::Status> WaitingService::StreamingOutputCall(ServerContext& call, const StreamingOutputCallRequest&,
                                                       Writer<StreamingOutputCallResponse>&) {
  deadline = call.deadline();
  started.Notify();
  let_through = co_await gate.Wait();
  cancelled = call.cancelled();
  ended.Notify();
  co_return absl::OkStatus();
}

}  // namespace culvert::e2e
