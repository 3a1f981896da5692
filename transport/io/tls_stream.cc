#include "transport/io/tls_stream.h"

#include <asio/error.hpp>
#include <chrono>
#include <optional>

#include "transport/base/waiter.h"
#include "transport/io/event_loop.h"
#include "transport/io/timer_queue.h"
#include "transport/io/tls_engine.h"
#include "transport/io/wait.h"

namespace culvert::io {

namespace {

// How long what was taken before ShutdownWrite waits for a peer that takes nothing, once the stream is
// closed.
constexpr std::chrono::seconds kLastWriteTimeout{5};

}  // namespace

// Whenever the engine has output, a wait of the inner stream is under way that will write it.
class TlsStream::Core final : public std::enable_shared_from_this<Core> {
 public:
  Core(const TlsContext& context, std::unique_ptr<ByteStream> inner)
      : inner_(std::move(inner)), loop_(inner_->loop()), engine_(context, *inner_, loop_.blocks()) {}

  // The result, or nothing yet: wait to read.
  std::optional<absl::Status> Handshake();

  IoResult TryRead(std::span<uint8_t> into);
  IoResult TryWrite(std::span<const iovec> pieces);
  void AsyncWait(Direction direction, WaitHandler handler);
  void CancelWaits();
  void ShutdownWrite();
  void Close();

  TlsEngine& engine() { return engine_; }
  ByteStream& inner() { return *inner_; }
  EventLoop& loop() { return loop_; }
  // Woken when the last writes are done; null when there are none.
  base::Waiter* last_writes() { return last_writes_ != nullptr ? &last_writes_->waiter : nullptr; }

 private:
  // Who waits. It belongs to what will wake them: waits of the inner stream and posted functions, while there
  // are any. A handler may own the stream, so that the stream must not own the handler: nothing would free
  // them when the loop ends.
  struct Waiters {
    WaitHandler& of(Direction direction) { return direction == Direction::kRead ? reader : writer; }

    const std::shared_ptr<Core> core;
    WaitHandler reader;
    WaitHandler writer;
  };
  // Of a stream that is closed and still writes.
  struct LastWritesState {
    Timer timer;
    base::Waiter waiter;
  };

  void Flush();
  void WaitForInput();
  void WaitForOutput();
  void OnInput(Waiters& waiters, std::error_code error);
  void OnOutput(Waiters& waiters, std::error_code error);
  void EndLastWrites();

  std::shared_ptr<Waiters> GetWaiters();
  bool waits(Direction direction) const;
  void Wake(Waiters& waiters, Direction direction) {
    if (WaitHandler handler = std::exchange(waiters.of(direction), nullptr)) handler({});
  }
  void PostWake(Direction direction) {
    loop_.Post([waiters = GetWaiters(), direction] { waiters->core->Wake(*waiters, direction); });
  }
  void Abort(WaitHandler handler) {
    if (handler)
      loop_.Post([handler = std::move(handler)]() mutable { handler(asio::error::operation_aborted); });
  }
  void AbortWaits();

  const std::unique_ptr<ByteStream> inner_;
  EventLoop& loop_;
  TlsEngine engine_;
  std::weak_ptr<Waiters> waiters_;
  std::unique_ptr<LastWritesState> last_writes_;
  bool awaiting_input_ = false;  // of the inner stream; so is the next
  bool awaiting_output_ = false;
  bool shut_down_ = false;
  bool inner_shut_down_ = false;
  bool closed_ = false;
};

// --- handshake, reading, writing ---

std::optional<absl::Status> TlsStream::Core::Handshake() {
  if (closed_) return absl::CancelledError("TLS: closed");
  std::optional<absl::Status> result = engine_.Handshake();
  Flush();
  return result;
}

IoResult TlsStream::Core::TryRead(std::span<uint8_t> into) {
  if (closed_) return IoResult::Error(std::make_error_code(std::errc::bad_file_descriptor));
  const bool writer_wants_input = engine_.write_wants_input();
  const IoResult result = engine_.Read(into);
  Flush();  // an answer, or an alert
  // Too many messages of TLS's own break writing too, and drop the output that a writer may be waiting for.
  if ((writer_wants_input || engine_.write_error()) && waits(Direction::kWrite)) PostWake(Direction::kWrite);
  return result;
}

IoResult TlsStream::Core::TryWrite(std::span<const iovec> pieces) {
  if (closed_) return IoResult::Error(std::make_error_code(std::errc::bad_file_descriptor));
  if (shut_down_) return IoResult::Error(std::make_error_code(std::errc::broken_pipe));
  Flush();
  if (engine_.write_error()) return IoResult::Error(engine_.write_error());
  if (engine_.has_output()) return IoResult::WouldBlock();
  const bool was_dry = engine_.dry();
  const size_t taken = engine_.Write(pieces);
  // To end a message that had come in part, OpenSSL may have read on into the data behind it.
  if (was_dry && !engine_.dry() && waits(Direction::kRead)) PostWake(Direction::kRead);
  Flush();
  if (engine_.write_error()) return IoResult::Error(engine_.write_error());
  return taken > 0 ? IoResult::Bytes(taken) : IoResult::WouldBlock();
}

// Writes what there is, and waits to write the rest.
void TlsStream::Core::Flush() {
  engine_.Flush();
  if (engine_.has_output()) return WaitForOutput();
  if (shut_down_ && !std::exchange(inner_shut_down_, true)) inner_->ShutdownWrite();
}

// --- waits ---

std::shared_ptr<TlsStream::Core::Waiters> TlsStream::Core::GetWaiters() {
  std::shared_ptr<Waiters> waiters = waiters_.lock();
  if (waiters == nullptr) {
    waiters = std::make_shared<Waiters>(Waiters{shared_from_this(), nullptr, nullptr});
    waiters_ = waiters;
  }
  return waiters;
}

bool TlsStream::Core::waits(Direction direction) const {
  const std::shared_ptr<Waiters> waiters = waiters_.lock();
  return waiters != nullptr && waiters->of(direction);
}

void TlsStream::Core::AsyncWait(Direction direction, WaitHandler handler) {
  if (closed_) return Abort(std::move(handler));
  const std::shared_ptr<Waiters> waiters = GetWaiters();
  waiters->of(direction) = std::move(handler);
  if (direction == Direction::kRead) {
    if (!engine_.dry() && engine_.full()) return;  // OnOutput
    if (engine_.dry() && !engine_.read_error()) return WaitForInput();
  } else {
    if (engine_.has_output()) return;  // OnOutput
    if (engine_.write_wants_input()) return WaitForInput();
  }
  PostWake(direction);
}

void TlsStream::Core::WaitForInput() {
  if (std::exchange(awaiting_input_, true)) return;
  inner_->AsyncWait(Direction::kRead, [waiters = GetWaiters()](std::error_code error) {
    waiters->core->OnInput(*waiters, error);
  });
}

void TlsStream::Core::WaitForOutput() {
  if (std::exchange(awaiting_output_, true)) return;
  inner_->AsyncWait(Direction::kWrite, [waiters = GetWaiters()](std::error_code error) {
    waiters->core->OnOutput(*waiters, error);
  });
}

void TlsStream::Core::OnInput(Waiters& waiters, std::error_code error) {
  awaiting_input_ = false;
  if (closed_) return;
  const bool writer_waits = engine_.write_wants_input() && waiters.writer;
  if (error == asio::error::operation_aborted) {
    if (waiters.reader || writer_waits) WaitForInput();  // who came after CancelWaits
    return;
  }
  engine_.NoteInput();  // or reading will meet the error
  if (writer_waits) PostWake(Direction::kWrite);
  Wake(waiters, Direction::kRead);  // the last: it may be the end of the stream
}

void TlsStream::Core::OnOutput(Waiters& waiters, std::error_code error) {
  awaiting_output_ = false;
  if (closed_ && last_writes_ == nullptr) return;
  if (error && error != asio::error::operation_aborted) engine_.FailOutput(error);
  Flush();
  if (last_writes_ != nullptr) {
    if (!engine_.has_output()) return EndLastWrites();
    if (!error) last_writes_->timer.Start(Timer::Clock::now() + kLastWriteTimeout);
    return;
  }
  if (!engine_.full() && !engine_.dry() && waiters.reader) PostWake(Direction::kRead);
  if (!engine_.has_output()) Wake(waiters, Direction::kWrite);
}

void TlsStream::Core::AbortWaits() {
  const std::shared_ptr<Waiters> waiters = waiters_.lock();
  if (waiters == nullptr) return;
  Abort(std::exchange(waiters->reader, nullptr));
  Abort(std::exchange(waiters->writer, nullptr));
}

void TlsStream::Core::CancelWaits() {
  AbortWaits();
  if (awaiting_input_ || awaiting_output_) inner_->CancelWaits();  // our own begins again in OnOutput
}

// --- ends ---

void TlsStream::Core::ShutdownWrite() {
  if (closed_ || std::exchange(shut_down_, true)) return;
  engine_.Shutdown();
  Flush();
}

void TlsStream::Core::Close() {
  if (std::exchange(closed_, true)) return;
  AbortWaits();
  engine_.Close();
  if (!shut_down_ || !engine_.has_output()) {
    engine_.DropOutput();
    inner_->Close();
    return;
  }
  // The wait that is under way keeps this alive.
  last_writes_.reset(new LastWritesState{
      {loop_.timers(), [](void* self) { static_cast<Core*>(self)->EndLastWrites(); }, this}, {}});
  last_writes_->timer.Start(Timer::Clock::now() + kLastWriteTimeout);
  inner_->CancelWaits();  // those of who reads from inner(); our own begins again in OnOutput
}

void TlsStream::Core::EndLastWrites() {
  const std::unique_ptr<LastWritesState> ended = std::move(last_writes_);
  engine_.DropOutput();
  inner_->Close();
  ended->waiter.Wake();
}

Task<void> TlsStream::LastWrites::Done() {
  // Not the core, which owns who waits: nothing would free them when the loop ends.
  base::Waiter* waiter = nullptr;
  if (const std::shared_ptr<Core> core = core_.lock()) waiter = core->last_writes();
  if (waiter != nullptr) co_await waiter->Wait();
}

void TlsStream::LastWrites::StopWaiting() {
  const std::shared_ptr<Core> core = core_.lock();
  if (core != nullptr && core->last_writes() != nullptr) core->last_writes()->Wake();
}

// --- the stream ---

TlsStream::TlsStream(std::shared_ptr<Core> core) : core_(std::move(core)) {}

std::unique_ptr<TlsStream> TlsStream::ForServer(const TlsContext& context, std::unique_ptr<ByteStream> stream,
                                                bool http1) {
  auto core = std::make_shared<Core>(context, std::move(stream));
  core->engine().ActAsServer(http1);
  if (!context.is_server()) core->engine().Misuse("TLS: the context is a client's");
  return std::unique_ptr<TlsStream>(new TlsStream(std::move(core)));
}

std::unique_ptr<TlsStream> TlsStream::ForClient(const TlsContext& context, std::unique_ptr<ByteStream> stream,
                                                std::string_view host) {
  auto core = std::make_shared<Core>(context, std::move(stream));
  core->engine().ActAsClient(context.server_name().empty() ? host : context.server_name());
  if (context.is_server()) core->engine().Misuse("TLS: the context is a server's");
  return std::unique_ptr<TlsStream>(new TlsStream(std::move(core)));
}

TlsStream::~TlsStream() { core_->Close(); }

Task<absl::Status> TlsStream::Handshake() {
  for (;;) {
    const std::optional<absl::Status> result = core_->Handshake();
    if (result) co_return *result;
    auto [error] = co_await io::Wait(*this, Direction::kRead, kTuple);
    if (error) co_return absl::CancelledError("TLS: the handshake was cancelled");
  }
}

std::string_view TlsStream::alpn() const { return core_->engine().alpn(); }
std::string_view TlsStream::version() const { return core_->engine().version(); }
std::shared_ptr<const PeerCertificate> TlsStream::peer_certificate() const {
  return core_->engine().peer_certificate();
}

TlsStream::LastWrites TlsStream::last_writes() const { return LastWrites(core_); }
ByteStream& TlsStream::inner() { return core_->inner(); }
IoResult TlsStream::TryRead(std::span<uint8_t> into) { return core_->TryRead(into); }
IoResult TlsStream::TryWrite(std::span<const iovec> pieces) { return core_->TryWrite(pieces); }
void TlsStream::AsyncWait(Direction direction, WaitHandler handler) {
  core_->AsyncWait(direction, std::move(handler));
}
void TlsStream::CancelWaits() { core_->CancelWaits(); }
void TlsStream::ShutdownWrite() { core_->ShutdownWrite(); }
void TlsStream::Close() { core_->Close(); }
EventLoop& TlsStream::loop() { return core_->loop(); }
std::string TlsStream::peer() const { return core_->inner().peer(); }

}  // namespace culvert::io
