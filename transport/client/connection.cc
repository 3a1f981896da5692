#include "transport/client/connection.h"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <utility>

#include "transport/base/strings.h"
#include "transport/client/connector.h"

namespace culvert::client {

std::shared_ptr<Connection> Connection::Create(EventLoop& loop, Target target, const Options& options) {
  return std::shared_ptr<Connection>(new Connection(loop, std::move(target), options));
}

Connection::Connection(EventLoop& loop, Target target, const Options& options)
    : loop_(loop),
      target_(std::move(target)),
      options_(options),
      backoff_(options_),
      backoff_timer_(loop.timers(), [](void* self) { static_cast<Connection*>(self)->OnBackoffOver(); }, this),
      random_(static_cast<std::minstd_rand::result_type>(reinterpret_cast<uintptr_t>(this) >> 4)) {}

Connection::~Connection() = default;

void Connection::Request(SessionWaiter& waiter, bool wait_for_ready) {
  if (has_session()) return waiter.OnSession();
  switch (state_) {
    case State::kShutdown:
      return waiter.OnNoSession(absl::CancelledError("the channel is closed"));
    case State::kBackoff:
      if (!wait_for_ready) return waiter.OnNoSession(last_failure_);
      break;
    case State::kIdle:
    case State::kReady:  // of a session that is going away
    case State::kConnecting:
      break;
  }
  waiter.wait_for_ready_ = wait_for_ready;
  waiters_.PushBack(&waiter);
  if (state_ == State::kIdle || state_ == State::kReady) StartConnecting();
}

void Connection::StartConnecting() {
  state_ = State::kConnecting;
  // One that is given up may end by asio's exception, which is of no interest.
  asio::co_spawn(loop_.executor(), RunAttempt(shared_from_this()), asio::bind_cancellation_slot(give_up_.slot(), asio::detached));
}

Task<void> Connection::RunAttempt(std::shared_ptr<Connection> self) {
  Connection& connection = *self;
  absl::StatusOr<std::unique_ptr<io::ByteStream>> stream = co_await Connect(connection.loop_, connection.target_, connection.options_);
  if (connection.state_ == State::kShutdown) co_return;
  if (!stream.ok()) {
    connection.OnFailed(stream.status());
    co_return;
  }
  http2::Options options = connection.options_.http2;
  options.handshake_timeout = std::min(options.handshake_timeout, connection.options_.connect_timeout);
  auto session = http2::Session::Create(http2::Role::kClient, *std::move(stream), std::make_shared<const http2::Options>(options), nullptr);
  connection.session_ = session;
  const std::weak_ptr<Connection> weak = self;
  session->set_on_ready([weak] {
    if (auto alive = weak.lock()) alive->OnReady();
  });
  session->set_on_unusable([weak, raw = session.get()](const absl::Status& why) {
    if (auto alive = weak.lock()) alive->OnLost(raw, why);
  });
  session->Serve({}, [] {});  // the session may outlive the connection
}

void Connection::OnReady() {
  if (state_ != State::kConnecting) return;
  state_ = State::kReady;
  backoff_.Reset();
  Serve();
}

void Connection::OnLost(const http2::Session* session, const absl::Status& why) {
  if (session != session_.get()) return;  // an earlier one
  session_.reset();
  if (state_ == State::kConnecting) return OnFailed(why);
  if (state_ != State::kReady) return;
  state_ = State::kIdle;
  if (!waiters_.empty()) StartConnecting();
}

void Connection::OnFailed(const absl::Status& why) {
  state_ = State::kBackoff;
  last_failure_ = absl::UnavailableError(why.message());
  const double random = std::uniform_real_distribution<double>(-1, 1)(random_);
  backoff_timer_.Start(io::Timer::Clock::now() + backoff_.Next(random));
  Refuse(last_failure_, false);
}

void Connection::OnBackoffOver() {
  if (state_ != State::kBackoff) return;
  state_ = State::kIdle;
  if (!waiters_.empty()) StartConnecting();
}

// Each waiter once, though they may come back.
void Connection::Serve() {
  const std::shared_ptr<Connection> self = shared_from_this();
  while (has_session()) {
    SessionWaiter* waiter = waiters_.PopFront();
    if (waiter == nullptr) return;
    waiter->OnSession();
  }
}

void Connection::Refuse(const absl::Status& why, bool all) {
  const std::shared_ptr<Connection> self = shared_from_this();
  // Who is told may leave, bring others, or take others away: all stay in the one list, marked by the round in which they were looked at.
  ++refusals_;
  while (SessionWaiter* waiter = waiters_.front()) {
    if (waiter->seen_by_ == refusals_) return;  // it has come round
    waiters_.Remove(waiter);
    if (all || !waiter->wait_for_ready_) {
      waiter->OnNoSession(why);
    } else {
      waiter->seen_by_ = refusals_;
      waiters_.PushBack(waiter);
    }
  }
}

void Connection::Shutdown() {
  if (state_ == State::kShutdown) return;
  state_ = State::kShutdown;
  backoff_timer_.Cancel();
  give_up_.emit(asio::cancellation_type::terminal);  // resumes it from the loop
  if (session_ != nullptr) {
    if (session_->stream_count() == 0) {
      session_->Close(absl::CancelledError("the channel is closed"));
    } else {
      session_->Drain();
    }
    session_.reset();
  }
  Refuse(absl::CancelledError("the channel is closed"), true);
}

}  // namespace culvert::client
