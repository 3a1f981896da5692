#include "rpc/server_call.h"

#include <asio/this_coro.hpp>
#include <optional>

#include "absl/container/inlined_vector.h"
#include "rpc/status.h"
#include "rpc/timeout.h"
#include "transport/base/check.h"
#include "transport/base/strings.h"

namespace culvert {

const Metadata& ServerContext::metadata() const {
  static const Metadata& none = *new Metadata();
  return metadata_ != nullptr ? *metadata_ : none;
}
void ServerContext::SendInitialMetadata() { call_.SendInitialMetadata(); }
ServerContext::Clock::time_point ServerContext::deadline() const { return call_.deadline(); }
std::string_view ServerContext::method() const { return call_.method().path(); }
std::string ServerContext::peer() const { return call_.exchange().peer(); }
std::shared_ptr<const io::PeerCertificate> ServerContext::peer_certificate() const { return call_.exchange().peer_certificate(); }
EventLoop& ServerContext::loop() const { return call_.exchange().loop(); }

namespace rpc {

namespace {

// A response head without custom metadata, which is nearly every one.
constexpr http::HeaderField kContentType[] = {{"content-type", "application/grpc"}};
constexpr http::HeaderField kStatusOk[] = {{"grpc-status", "0"}};

}  // namespace

ServerCall::ServerCall(http::Exchange& exchange, const CallLimits& limits, const Method& method)
    : exchange_(exchange),
      limits_(limits),
      method_(method),
      context_(*this),
      input_(limits.max_receive_bytes) {}

ServerCall::~ServerCall() {
  if (destroyed_ != nullptr) *destroyed_ = true;
}

void ServerCall::Start(const http::RequestHead& head, bool end) {
  exchange_.SetReceiver(this);
  one_request_ = request() != nullptr;
  request_ended_ = end;
  if (end) input_.End();
  std::optional<std::string_view> timeout, encoding;
  for (const http::HeaderField& field : head.fields) {
    if (!field.name.starts_with("grpc-")) continue;
    if (field.name == "grpc-timeout") timeout = field.value;
    if (field.name == "grpc-encoding") encoding = field.value;
  }
  Metadata received;
  if (const absl::Status read = received.AssignFromFields(head.fields); !read.ok()) return Fail(read);
  if (!received.empty()) context_.metadata_.reset(new ServerContext::Received(std::move(received)));
  if (encoding && *encoding != "identity") {
    return Fail(absl::UnimplementedError("grpc-encoding of the request is not supported; this server takes identity only"));
  }
  if (timeout) {
    const absl::StatusOr<absl::Duration> parsed = ParseTimeout(*timeout);
    if (!parsed.ok()) return Fail(parsed.status());
    const std::chrono::nanoseconds left = absl::ToChronoNanoseconds(*parsed);
    const auto now = ServerContext::Clock::now();
    if (left < ServerContext::Clock::time_point::max() - now) {
      deadline_timer_.reset(
          new DeadlineTimer(exchange_.loop().timers(), [](void* self) { static_cast<ServerCall*>(self)->OnDeadline(); }, this));
      deadline_timer_->Start(now + left);
    }
  }
  if (!one_request_) {
    Run();
  } else if (end) {
    ReadOneRequest();
  }
}

void ServerCall::OnHead(const http::ResponseHead&, bool) { CULVERT_CHECK(false, "a server receives no response head"); }

void ServerCall::OnData(std::span<const uint8_t> bytes, bool end) {
  if (end) request_ended_ = true;
  if (over_) {
    if (!bytes.empty()) exchange_.Consumed(bytes.size());
    return;
  }
  input_.Lend(bytes, end);
  if (one_request_) {
    ReadOneRequest();  // may destroy the call: nothing is left of the loan then
    return;
  }
  // The handler reads in place as long as it asks for more; it may also end, and the call with it.
  if (Survives([this] { readable_.Wake(); })) input_.EndLoan();
}

void ServerCall::ReadOneRequest() {
  if (!have_request_) {
    switch (input_.Next(*request(), &exchange_)) {
      case MessageInput::Result::kMessage:
        have_request_ = true;
        break;
      case MessageInput::Result::kNeedMore:
        return;
      case MessageInput::Result::kEnd:
        return Fail(absl::UnimplementedError("the request has no message, the method takes one"));
      case MessageInput::Result::kError:
        return Fail(input_.error());
    }
  }
  if (const size_t surplus = input_.Discard(); surplus != 0) {
    exchange_.Consumed(surplus);
    return Fail(absl::UnimplementedError("the request has more than one message, the method takes one"));
  }
  if (request_ended_) Run();
}

void ServerCall::OnTrailers(std::span<const http::HeaderField>) { OnData({}, true); }

void ServerCall::OnWritable() { writable_.Wake(); }

void ServerCall::OnClosed(const absl::Status&, bool) {
  over_ = true;
  Cancel();
}

void ServerCall::OnDeadline() { Fail(absl::DeadlineExceededError("the call's deadline has passed on the server")); }

void ServerCall::Fail(const absl::Status& status) {
  if (!over_) SendStatus(status);
  Cancel();
}

// The call is over: the handler, if one runs, is told and Finish follows; otherwise nobody holds the call any more.
void ServerCall::Cancel() {
  context_.cancelled_ = true;
  if (deadline_timer_ != nullptr) deadline_timer_->Cancel();
  if (!running_) return Destroy();
  if (const size_t dropped = input_.Discard(); dropped != 0) exchange_.Consumed(dropped);
  // Each may end the handler, and the call with it.
  static_cast<void>(Survives([this] { cancel_.emit(asio::cancellation_type::terminal); }) && Survives([this] { readable_.Wake(); }) &&
                    Survives([this] { writable_.Wake(); }));
}

void ServerCall::Destroy() {
  exchange_.Release();
  delete this;
}

Task<bool> ServerCall::Read(google::protobuf::MessageLite& message) {
  while (!over_) {
    const MessageInput::Result result = input_.Next(message, &exchange_);  // a variable, for g++ 12: see README.md
    switch (result) {
      case MessageInput::Result::kMessage:
        co_return true;
      case MessageInput::Result::kEnd:
        co_return false;
      case MessageInput::Result::kError:
        Fail(input_.error());
        co_return false;
      case MessageInput::Result::kNeedMore:
        if (!!(co_await asio::this_coro::cancellation_state).cancelled()) co_await base::Checkpoint();
        co_await readable_.Wait();
    }
  }
  co_return false;
}

Task<bool> ServerCall::Write(const google::protobuf::MessageLite& message) {
  if (over_) co_return false;
  SendInitialMetadata();
  if (const absl::Status sent = SendMessage(exchange_, message, false, limits_.max_send_bytes); !sent.ok()) {
    Fail(sent);
    co_return false;
  }
  while (!over_ && !exchange_.writable()) {
    if (!!(co_await asio::this_coro::cancellation_state).cancelled()) co_await base::Checkpoint();
    co_await writable_.Wait();
  }
  co_return !over_;
}

void ServerCall::SendInitialMetadata() {
  if (head_sent_ || over_) return;
  head_sent_ = true;
  if (context_.initial_metadata_ == nullptr) {
    exchange_.SendHead({.status = 200, .fields = kContentType}, false);
    return;
  }
  http::HeaderList fields;
  fields.Add(kContentType[0].name, kContentType[0].value);
  context_.initial_metadata_->AppendTo(fields);
  exchange_.SendHead({.status = 200, .fields = fields.fields()}, false);
}

void ServerCall::SendStatus(const absl::Status& status) {
  over_ = true;
  if (head_sent_ && status.ok() && context_.trailing_metadata_ == nullptr) {
    exchange_.SendTrailers(kStatusOk);
    return;
  }
  http::HeaderList fields;
  const bool trailers_only = !head_sent_;
  if (trailers_only) {
    head_sent_ = true;
    fields.Add(kContentType[0].name, kContentType[0].value);
    if (context_.initial_metadata_ != nullptr) context_.initial_metadata_->AppendTo(fields);
  }
  AppendStatusFields(status, fields);
  if (status.code() == absl::StatusCode::kUnimplemented) fields.Add("grpc-accept-encoding", "identity");
  if (context_.trailing_metadata_ != nullptr) context_.trailing_metadata_->AppendTo(fields);
  if (trailers_only) {
    exchange_.SendHead({.status = 200, .fields = fields.fields()}, true);
  } else {
    exchange_.SendTrailers(fields.fields());
  }
}

void ServerCall::Finish(const absl::Status& status, const google::protobuf::MessageLite* response) {
  running_ = false;
  if (deadline_timer_ != nullptr) deadline_timer_->Cancel();
  if (!over_) {
    absl::Status outcome = status;
    if (outcome.ok() && response != nullptr) {
      SendInitialMetadata();
      outcome = SendMessage(exchange_, *response, false, limits_.max_send_bytes);
    }
    SendStatus(outcome);
  }
  Destroy();
}

absl::Status ServerCall::DescribeException(std::exception_ptr thrown) {
  try {
    std::rethrow_exception(std::move(thrown));
  } catch (const std::exception& error) {
    return absl::UnknownError(StrCat("the handler threw: ", error.what()));
  } catch (...) {
    return absl::UnknownError("the handler threw");
  }
}

}  // namespace rpc
}  // namespace culvert
