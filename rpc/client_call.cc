#include "rpc/client_call.h"

#include <asio/cancellation_state.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include "absl/container/inlined_vector.h"
#include "rpc/content_type.h"
#include "rpc/status.h"
#include "rpc/timeout.h"
#include "transport/base/check.h"
#include "transport/base/strings.h"

namespace culvert {

ClientContext::~ClientContext() {
  if (rpc::ClientCall* const call = call_) call->ForgetContext();
}

void ClientContext::Cancel() {
  cancelled_ = true;
  if (rpc::ClientCall* const call = call_) call->Cancel();
}

namespace rpc {

namespace {

absl::Status CancelledByClient() { return absl::CancelledError("the call was cancelled by the client"); }

// What a user's coroutine throws leaves by way of the loop's run(), as in MakeCompletion.
void WakeTask(EventLoop& loop, base::Waiter& waiter) {
  RunUsersCode(loop, [&] { waiter.Wake(); });
}

}  // namespace

ClientCall::ClientCall(std::shared_ptr<Channel> channel, std::string_view path, ClientContext& context)
    : loop_(channel->loop()),
      max_send_bytes_(channel->options().max_send_bytes),
      channel_(std::move(channel)),
      path_(path),
      deadline_(context.deadline_),
      wait_for_ready_(context.wait_for_ready_),
      context_(&context),
      input_(channel_->options().max_receive_bytes),
      deadline_timer_(channel_->loop().timers(), [](void* self) { static_cast<ClientCall*>(self)->OnDeadline(); }, this),
      cancelled_early_(PutInto(context)) {}

// Cancel, from another thread, sets the flag and then looks for the call; so the call is there before the flag is looked at.
bool ClientCall::PutInto(ClientContext& context) {
  CULVERT_CHECK(context.call_ == nullptr, "a ClientContext serves one call");
  context.keep_ = base::Ref<base::RefCounted>(this);
  context.call_ = this;
  return context.cancelled_;
}

ClientCall::~ClientCall() = default;

absl::Status ClientCall::MoreThanOneResponse() {
  return absl::UnimplementedError("the response has more than one message, the method gives one");
}

absl::Status ClientCall::NoResponse() { return absl::UnimplementedError("the call ended with OK and without a response message"); }

void ClientCall::ForgetContext() {
  const std::lock_guard lock(mutex_);
  context_ = nullptr;
}

void ClientCall::StartUnary(base::Ref<ClientCall> call, const google::protobuf::MessageLite& request) {
  if (call->loop().RunsHere()) {
    call->in_initiation_ = true;
    call->Begin();
    call->SendOnly(request);
    call->in_initiation_ = false;
    return;
  }
  absl::StatusOr<io::SharedBytes> bytes = SerializeMessage(request, call->max_send_bytes());
  call->loop().Post([call, bytes = std::move(bytes)]() mutable {
    call->Begin();
    if (!bytes.ok()) return call->Fail(bytes.status());
    if (!call->over_ && call->kept_.Keep(*bytes)) return call->SendKept();
    call->SendBytes(*std::move(bytes), true);
  });
}

// While the call has its context it is not over, and keeps the channel, whose loop is gone with it otherwise.
void ClientCall::Cancel() {
  const std::lock_guard lock(mutex_);
  if (context_ != nullptr) loop().Post([self = base::Ref<ClientCall>(this)] { self->Fail(CancelledByClient()); });
}

void ClientCall::Begin() {
  if (over_) return;  // cancelled meanwhile
  self_ = base::Ref<ClientCall>(this);
  if (cancelled_early_) return Over(absl::CancelledError("the call was cancelled before it started"));
  if (deadline_ != ClientContext::Clock::time_point::max()) {
    if (deadline_ <= ClientContext::Clock::now()) return OnDeadline();
    deadline_timer_.Start(deadline_);
  }
  waiting_for_session_ = true;
  channel_->connection().Request(*this, wait_for_ready_);
}

void ClientCall::OnSession() {
  client::Connection& connection = channel_->connection();
  waiting_for_session_ = false;
  absl::InlinedVector<http::HeaderField, 8> fields;
  fields.push_back({"content-type", "application/grpc"});
  fields.push_back({"te", "trailers"});
  fields.push_back({"user-agent", channel_->user_agent()});
  char timeout[kMaxTimeoutText];
  if (deadline_ != ClientContext::Clock::time_point::max()) {
    const auto left = deadline_ - ClientContext::Clock::now();
    fields.push_back({"grpc-timeout", {timeout, AppendTimeout(absl::FromChrono(left), timeout)}});
  }
  http::HeaderList metadata;
  {
    const std::lock_guard lock(mutex_);
    if (context_ != nullptr) {
      if (!context_->metadata_.empty()) context_->metadata_.AppendTo(metadata);
      context_->peer_ = connection.peer();
    }
  }
  fields.insert(fields.end(), metadata.begin(), metadata.end());
  exchange_ = &connection.Open(
      {.method = "POST", .scheme = channel_->scheme(), .authority = channel_->authority(), .path = path_, .protocol = {}, .fields = fields}, *this, false);
  if (kept_.kept()) {
    SendKept();
  } else if (pending_) {
    exchange_->SendData(*std::move(pending_), pending_end_);
    pending_.reset();
  } else if (pending_end_) {
    exchange_->SendData({}, true);
  }
  OnRoom();  // last: who writes may end the call
}

void ClientCall::OnNoSession(const absl::Status& why) {
  waiting_for_session_ = false;
  Over(why);
}

void ClientCall::Send(const google::protobuf::MessageLite& message, bool end) {
  if (over_) return;
  const size_t max_bytes = max_send_bytes();
  if (exchange_ != nullptr) {
    if (const absl::Status sent = SendMessage(*exchange_, message, end, max_bytes); !sent.ok()) Fail(sent);
    return;
  }
  absl::StatusOr<io::SharedBytes> bytes = SerializeMessage(message, max_bytes);
  if (!bytes.ok()) return Fail(bytes.status());
  SendBytes(*std::move(bytes), end);
}

void ClientCall::SendOnly(const google::protobuf::MessageLite& message) {
  if (over_) return;
  if (const absl::Status fits = CheckMessageSize(message.ByteSizeLong(), max_send_bytes_); !fits.ok()) return Fail(fits);
  if (!kept_.Keep(message)) return Send(message, true);
  SendKept();
}

void ClientCall::SendKept() {
  if (exchange_ != nullptr) kept_.SendOn(*exchange_);  // or else once there is a session
}

void ClientCall::SendBytes(io::SharedBytes bytes, bool end) {
  if (over_) return;
  if (exchange_ != nullptr) return exchange_->SendData(std::move(bytes), end);
  CULVERT_DCHECK(!pending_, "a second message sent before there was room");
  pending_ = std::move(bytes);
  pending_end_ = end;
}

void ClientCall::EndRequests() {
  if (over_) return;
  if (exchange_ != nullptr) return exchange_->SendData({}, true);
  pending_end_ = true;
}

void ClientCall::OnHead(const http::ResponseHead& head, bool end) {
  http_status_ = head.status;
  kept_.Drop();
  std::string_view content_type;
  for (const http::HeaderField& field : head.fields) {
    if (field.name == "content-type") content_type = field.value;
  }
  if (!ParseMessageFormat(content_type)) {
    const absl::StatusCode code = StatusCodeFromHttp(head.status);
    return Fail(absl::Status(head.status == 200 ? absl::StatusCode::kUnknown : code,
                             StrCat("the server answered HTTP status ", head.status, " with content-type '", content_type, "', not gRPC")));
  }
  if (end) return FinishFromTrailers(head.fields);
  if (const absl::Status read = Keep(&ClientContext::initial_metadata_, head.fields); !read.ok()) Fail(read);
}

void ClientCall::OnData(std::span<const uint8_t> bytes, bool end) {
  const base::Ref<ClientCall> keep(this);
  if (over_) return;
  input_.Lend(bytes, end);
  OnInput();
  input_.EndLoan();
  if (end && !over_) FinishFromTrailers({});
}

void ClientCall::OnTrailers(std::span<const http::HeaderField> trailers) { FinishFromTrailers(trailers); }

absl::Status ClientCall::Keep(Metadata ClientContext::*which, std::span<const http::HeaderField> fields) {
  const std::lock_guard lock(mutex_);
  return context_ == nullptr ? absl::OkStatus() : (context_->*which).AssignFromFields(fields);
}

void ClientCall::FinishFromTrailers(std::span<const http::HeaderField> fields) {
  if (over_) return;
  if (const absl::Status read = Keep(&ClientContext::trailing_metadata_, fields); !read.ok()) return Fail(read);
  Over(StatusFromTrailers(fields, http_status_));
}

void ClientCall::OnWritable() {
  const base::Ref<ClientCall> keep(this);
  if (!over_) OnRoom();
}

void ClientCall::OnClosed(const absl::Status& why, bool unprocessed) {
  if (unprocessed && kept_.kept() && retries_ < kMostRetries) return Retry();
  // A server that keeps the deadline too resets the stream when it passes, and that may be seen before our own timer runs.
  if (absl::IsCancelled(why) && deadline_ <= ClientContext::Clock::now()) return OnDeadline();
  Over(why);
}

// The server vouches that it did nothing (gRPC's transparent retry): once more, on a session that takes requests.
void ClientCall::Retry() {
  ++retries_;
  std::exchange(exchange_, nullptr)->Release();
  waiting_for_session_ = true;
  channel_->connection().Request(*this, wait_for_ready_);
}

void ClientCall::OnDeadline() { Fail(absl::DeadlineExceededError("the call's deadline has passed")); }

void ClientCall::Fail(const absl::Status& status) {
  if (over_) return;
  PayBack(input_.Discard());
  if (exchange_ != nullptr) exchange_->Reset(absl::StatusCode::kCancelled);
  Over(status);
}

void ClientCall::Over(absl::Status status) {
  if (over_) return;
  over_ = true;
  status_ = std::move(status);
  deadline_timer_.Cancel();
  if (waiting_for_session_) channel_->connection().Forget(*this);
  waiting_for_session_ = false;
  input_.End();
  if (http::Exchange* exchange = std::exchange(exchange_, nullptr)) exchange->Release();
  pending_.reset();
  kept_.Drop();
  ForgetContext();
  const base::Ref<ClientCall> self = std::move(self_);
  // Not kept by a context that outlives its call, and let go before anybody hears of the end: who does may be the channel's last owner, and
  // would otherwise leave that to this thread.
  channel_.reset();
  OnOver();
}

// --- streams ---

base::Ref<ClientStreamCall> ClientStreamCall::Start(const std::shared_ptr<Channel>& channel, std::string_view path, ClientContext& context) {
  base::Ref<ClientStreamCall> call(new ClientStreamCall(channel, path, context));
  call->OnLoop([call] { call->Begin(); });
  return call;
}

base::Ref<ClientStreamCall> ClientStreamCall::StartWithRequest(const std::shared_ptr<Channel>& channel, std::string_view path,
                                                               ClientContext& context, const google::protobuf::MessageLite& request) {
  base::Ref<ClientStreamCall> call(new ClientStreamCall(channel, path, context));
  call->writes_done_ = true;
  StartUnary(base::Ref<ClientCall>(call.get()), request);
  return call;
}

void ClientStreamCall::WritesDone() {
  OnLoop([self = base::Ref<ClientStreamCall>(this)] {
    if (std::exchange(self->writes_done_, true)) return;
    self->EndRequests();
    self->EndWrite();
  });
}

// A Write that waits for room has sent its message: it completes when none follows that the room would be for, or the call is over. From the
// loop, since either may come from within the user's own operation.
void ClientStreamCall::EndWrite() {
  if (!writing_ && !room_.waiting()) return;
  loop().Post([self = base::Ref<ClientStreamCall>(this), done = std::exchange(writing_, nullptr)]() mutable {
    if (done) return done(!self->over());
    WakeTask(self->loop(), self->room_);
  });
}

void ClientStreamCall::Abandon() {
  OnLoop([self = base::Ref<ClientStreamCall>(this)] {
    if (!self->over()) self->Fail(absl::CancelledError("the call was abandoned before it finished"));
  });
}

Task<bool> ClientStreamCall::ReadTask(base::Ref<ClientStreamCall> self, google::protobuf::MessageLite& message) {
  bool waited = false;
  while (self->loop().RunsHere()) {
    const MessageInput::Result result = self->ReadMessage(message);
    switch (result) {
      case MessageInput::Result::kMessage:
        if (waited && self->finishing_) self->ScheduleDeliver();  // Finish has left it what came, and drops the rest
        co_return true;
      case MessageInput::Result::kEnd:
        co_return false;
      case MessageInput::Result::kError:
        self->Fail(self->input().error());
        co_return false;
      case MessageInput::Result::kNeedMore:
        break;
    }
    if (self->over()) co_return false;
    const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
    if (!!cancellation.cancelled()) {
      self->Fail(CancelledByClient());
      co_return false;
    }
    waited = self->task_reads_ = true;
    co_await self->input_came_.Wait();
    self->task_reads_ = false;
  }
  co_return co_await self->InitiateRead(message, asio::use_awaitable);
}

Task<bool> ClientStreamCall::WriteTask(base::Ref<ClientStreamCall> self, const google::protobuf::MessageLite& message) {
  if (!self->loop().RunsHere()) co_return co_await self->InitiateWrite(message, asio::use_awaitable);
  if (self->over() || self->writes_done_) co_return false;
  self->Send(message, false);
  while (!self->over() && !self->writes_done_ && !self->writable()) {
    const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
    if (!!cancellation.cancelled()) {
      self->Fail(CancelledByClient());
      co_return false;
    }
    co_await self->room_.Wait();
  }
  co_return !self->over();
}

void ClientStreamCall::StartRead(google::protobuf::MessageLite& message, Completion<bool> done) {
  CULVERT_DCHECK(!reading_ && !task_reads_, "two reads at once on one stream");
  target_ = &message;
  reading_ = std::move(done);
  if (!delivering_) ScheduleDeliver();  // in case there is something already
}

void ClientStreamCall::StartWrite(absl::StatusOr<io::SharedBytes> bytes, Completion<bool> done) {
  CULVERT_DCHECK(!writing_ && !room_.waiting(), "two writes at once on one stream");
  if (!bytes.ok()) Fail(bytes.status());
  const bool sent = !over() && !writes_done_;
  if (sent) SendBytes(*std::move(bytes), false);
  if (sent && !writable()) {
    writing_ = std::move(done);
    return;
  }
  loop().Post([done = std::move(done), sent]() mutable { done(sent); });
}

void ClientStreamCall::StartFinish(Completion<absl::Status> done) {
  CULVERT_DCHECK(!finishing_, "Finish called twice");
  finishing_ = std::move(done);
  ScheduleDeliver();
}

void ClientStreamCall::StartFinishWithResponse(google::protobuf::MessageLite* response, Completion<absl::Status> done) {
  response_ = response;
  StartFinish(std::move(done));
}

void ClientStreamCall::OnInput() { Deliver(); }

void ClientStreamCall::OnRoom() {
  if (!writable()) return;
  WakeTask(loop(), room_);
  if (writing_) std::exchange(writing_, nullptr)(true);
}

void ClientStreamCall::OnOver() {
  EndWrite();
  ScheduleDeliver();
}

void ClientStreamCall::ScheduleDeliver() {
  if (std::exchange(deliver_scheduled_, true)) return;
  loop().Post([self = base::Ref<ClientStreamCall>(this)] {
    self->deliver_scheduled_ = false;
    self->Deliver();
  });
}

void ClientStreamCall::Deliver() {
  if (delivering_) return;
  delivering_ = true;
  WakeTask(loop(), input_came_);
  bool broken = false;
  while (reading_ && !broken) {
    const MessageInput::Result result = ReadMessage(*target_);
    if (result == MessageInput::Result::kNeedMore && !over()) break;
    broken = result == MessageInput::Result::kError;
    auto done = std::move(reading_);
    reading_ = nullptr;
    done(result == MessageInput::Result::kMessage);
  }
  while (finishing_ && response_ != nullptr && !broken) {
    const MessageInput::Result result = ReadMessage(*response_);
    broken = result == MessageInput::Result::kError;
    if (result != MessageInput::Result::kMessage) break;
    if (++responses_ > 1) break;
  }
  delivering_ = false;
  if (broken && !over()) return Fail(input().error());
  if (responses_ > 1 && !over()) return Fail(MoreThanOneResponse());
  if (discarding()) PayBack(input().Discard());
  if (over() && finishing_ && !reading_) CompleteFinish();
}

void ClientStreamCall::CompleteFinish() {
  auto done = std::move(finishing_);
  finishing_ = nullptr;
  absl::Status outcome = status();
  if (outcome.ok()) outcome = input().error();  // what was parked when the call ended well may still be no message,
  if (outcome.ok() && responses_ > 1) outcome = MoreThanOneResponse();  // or one too many
  if (outcome.ok() && response_ != nullptr && responses_ == 0) outcome = NoResponse();
  response_ = nullptr;
  done(std::move(outcome));
}

}  // namespace rpc
}  // namespace culvert
