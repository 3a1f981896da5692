#include "transport/io/tls_stream.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <asio/error.hpp>
#include <chrono>
#include <cstring>
#include <optional>
#include <utility>

#include "transport/base/check.h"
#include "transport/base/strings.h"
#include "transport/io/block_pool.h"
#include "transport/io/event_loop.h"
#include "transport/io/timer_queue.h"
#include "transport/io/wait.h"
#include "transport/io/write_buffer.h"

namespace culvert::io {

namespace {

constexpr size_t kRecord = SSL3_RT_MAX_PLAIN_LENGTH;
static_assert(BlockPool::kSmallBlock == kRecord, "what is gathered in a block makes a record");
// Plaintext taken by one TryWrite, and sent at once.
constexpr size_t kMostPerWrite = 4 * kRecord;
// Records that wait for the inner stream; beyond it nothing is read, since what is read may have to be
// answered (RFC 8446 4.6.3).
constexpr size_t kMostUnwritten = kMostPerWrite + kRecord;
constexpr size_t kPiecesPerWrite = 16;
// Of input used by one call: what fills a read block. Messages of TLS's own are nothing to who reads, and a
// peer that sends nothing else as fast as we can take it must not keep the loop from its other connections.
constexpr size_t kMostInput = BlockPool::kReadBlock + kRecord;
// How long what was taken before ShutdownWrite waits for a peer that takes nothing, once the stream is
// closed.
constexpr std::chrono::seconds kLastWriteTimeout{5};

// ALPN's list of a connection that serves HTTP/2 alone; see tls_context.cc.
constexpr std::string_view kH2Only = "\x02h2";

class TlsCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "tls"; }
  // The code is OpenSSL's packed error.
  std::string message(int code) const override {
    const char* const reason = ERR_reason_error_string(static_cast<unsigned int>(code));
    return reason != nullptr ? reason : "unknown error";
  }
};

// The first error of OpenSSL's queue, which it empties.
std::error_code TakeError() {
  static const TlsCategory category;
  const unsigned long code = ERR_peek_error();
  ERR_clear_error();
  return {static_cast<int>(static_cast<unsigned int>(code)), category};
}

struct FreeSsl {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

bool IsIpAddress(const std::string& host) {
  ASN1_OCTET_STRING* const address = a2i_IPADDRESS(host.c_str());
  ASN1_OCTET_STRING_free(address);
  return address != nullptr;
}

// Names in the certificate's subject do not count (RFC 9525 2): only subjectAltName.
bool ExpectHost(SSL* ssl, const std::string& host) {
  if (host.empty() || host.front() == '.') return false;  // to OpenSSL ".a" is any name below a
  if (IsIpAddress(host)) return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) == 1;
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  return SSL_set1_host(ssl, host.c_str()) == 1 && SSL_set_tlsext_host_name(ssl, host.c_str()) == 1;
}

// "[::1]" is ::1, and a name may end with the root's dot, which certificates never have (RFC 6066 3).
std::string_view Plain(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) return host.substr(1, host.size() - 2);
  if (host.ends_with('.')) host.remove_suffix(1);
  return host;
}

}  // namespace

// OpenSSL reads straight from the inner stream. What it writes gathers in `out_`, and so never blocks it: no
// operation of OpenSSL's ever has to be repeated with the same bytes. Whenever records stay in `out_`, a wait
// of the inner stream is under way that will write them.
class TlsStream::Core final : public std::enable_shared_from_this<Core> {
 public:
  Core(const TlsContext& context, std::unique_ptr<ByteStream> inner)
      : inner_(std::move(inner)),
        loop_(inner_->loop()),
        ssl_(SSL_new(context.native())),
        out_(loop_.blocks()) {
    BIO* const bio = ssl_ != nullptr ? BIO_new(Method()) : nullptr;
    CULVERT_CHECK(bio != nullptr, "OpenSSL has memory for a connection");
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_.get(), bio, bio);  // which owns it
  }

  void ActAsServer(bool http1) {
    SSL_set_accept_state(ssl_.get());
    if (!http1) SSL_set_app_data(ssl_.get(), const_cast<std::string_view*>(&kH2Only));
  }
  void ActAsClient(const std::string& host) {
    SSL_set_connect_state(ssl_.get());
    if (ExpectHost(ssl_.get(), host)) return;
    ERR_clear_error();
    misuse_ = StrCat("TLS: '", host, "' is nothing that a certificate can be for");
  }
  void Misuse(std::string_view why) { misuse_ = std::string(why); }

  // The result, or nothing yet: wait to read.
  std::optional<absl::Status> Handshake();

  IoResult TryRead(std::span<uint8_t> into);
  IoResult TryWrite(std::span<const iovec> pieces);
  void AsyncWait(Direction direction, WaitHandler handler);
  void CancelWaits();
  void ShutdownWrite();
  void Close();

  bool closed() const { return closed_; }
  SSL* ssl() const { return ssl_.get(); }
  ByteStream& inner() { return *inner_; }
  EventLoop& loop() { return loop_; }

 private:
  static const BIO_METHOD* Method();
  static int OnBioRead(BIO* bio, char* to, int size);
  static int OnBioWrite(BIO* bio, const char* from, int size);
  static long OnBioControl(BIO* bio, int command, long, void*);
  static Core& Of(BIO* bio) { return *static_cast<Core*>(BIO_get_data(bio)); }

  // Who waits. It belongs to what will wake them: waits of the inner stream and posted functions, while there
  // are any. A handler may own the stream, so that the stream must not own the handler: nothing would free
  // them when the loop ends.
  struct Waiters {
    WaitHandler& of(Direction direction) { return direction == Direction::kRead ? reader : writer; }

    const std::shared_ptr<Core> core;
    WaitHandler reader;
    WaitHandler writer;
  };

  // After an operation of OpenSSL's failed for another reason than that it wants to read.
  std::error_code Failure(int ssl_error);
  // Turns bytes into records, as many as one write takes; returns how many. Fewer than asked for: see
  // *ssl_error.
  size_t Encrypt(std::span<const iovec> pieces, int* ssl_error);
  size_t EncryptBytes(const void* data, size_t n, int* ssl_error);
  void Flush();
  void DropOutput() { out_.Consume(out_.size()); }

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
  std::unique_ptr<SSL, FreeSsl> ssl_;  // until Close
  WriteBuffer out_;                    // records
  std::weak_ptr<Waiters> waiters_;
  std::error_code read_error_;  // of all reading from now on, as the next is of writing
  std::error_code write_error_;
  std::error_code inner_error_;         // that reading from the inner stream met
  std::string misuse_;                  // why there will be no handshake
  std::unique_ptr<Timer> last_writes_;  // closed, and still writing
  size_t input_left_ = 0;               // of kMostInput, in the call of OpenSSL's that is under way
  bool dry_ = false;                    // OpenSSL has used up all input it was given
  bool inner_ended_ = false;
  bool write_wants_input_ =
      false;  // a message of TLS's own came in part, and OpenSSL will not write before it has the rest
  bool awaiting_input_ = false;  // of the inner stream; so is the next
  bool awaiting_output_ = false;
  bool shut_down_ = false;
  bool inner_shut_down_ = false;
  bool closed_ = false;
};

// --- OpenSSL's view of the inner stream ---

const BIO_METHOD* TlsStream::Core::Method() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* const made =
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "culvert::io::ByteStream");
    CULVERT_CHECK(made != nullptr && BIO_meth_set_read(made, OnBioRead) == 1 &&
                      BIO_meth_set_write(made, OnBioWrite) == 1 && BIO_meth_set_ctrl(made, OnBioControl) == 1,
                  "OpenSSL takes a BIO method");
    return made;
  }();
  return method;
}

int TlsStream::Core::OnBioRead(BIO* bio, char* to, int size) {
  Core& core = Of(bio);
  BIO_clear_retry_flags(bio);
  if (size <= 0) return 0;
  const size_t most = std::min(static_cast<size_t>(size), core.input_left_);
  IoResult result;  // would block
  if (most > 0 && core.out_.size() <= kMostUnwritten)
    result = core.inner_->TryRead({reinterpret_cast<uint8_t*>(to), most});
  switch (result.kind) {
    case IoResult::Kind::kBytes:
      core.input_left_ -= result.bytes;
      core.dry_ = false;
      return static_cast<int>(result.bytes);
    case IoResult::Kind::kWouldBlock:
      BIO_set_retry_read(bio);
      return -1;
    case IoResult::Kind::kEnd:
      core.inner_ended_ = true;
      return 0;
    case IoResult::Kind::kError:
      core.inner_error_ = result.error;
      return -1;
  }
  __builtin_unreachable();
}

int TlsStream::Core::OnBioWrite(BIO* bio, const char* from, int size) {
  Core& core = Of(bio);
  BIO_clear_retry_flags(bio);
  if (size > 0) core.out_.Append(std::string_view(from, static_cast<size_t>(size)));
  return size;
}

long TlsStream::Core::OnBioControl(BIO* bio, int command, long, void*) {
  switch (command) {
    case BIO_CTRL_FLUSH:
      return 1;
    case BIO_CTRL_EOF:
      return Of(bio).inner_ended_ ? 1 : 0;
    default:
      return 0;
  }
}

std::error_code TlsStream::Core::Failure(int ssl_error) {
  if (ssl_error == SSL_ERROR_SSL) return TakeError();
  ERR_clear_error();
  if (inner_error_) return inner_error_;
  return read_error_ ? read_error_ : std::make_error_code(std::errc::io_error);
}

// --- handshake, reading, writing ---

std::optional<absl::Status> TlsStream::Core::Handshake() {
  if (closed_) return absl::CancelledError("TLS: closed");
  if (!misuse_.empty()) return absl::FailedPreconditionError(misuse_);
  input_left_ = kMostInput;
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl());
  const int ssl_error = SSL_get_error(ssl(), result);
  if (ssl_error == SSL_ERROR_WANT_READ) {
    dry_ = out_.size() <= kMostUnwritten;  // see TryRead
    Flush();
    return std::nullopt;
  }
  if (ssl_error == SSL_ERROR_NONE) {
    dry_ = false;  // data may have come with the last of the handshake
    Flush();
    const unsigned char* selected = nullptr;
    unsigned int size = 0;
    SSL_get0_alpn_selected(ssl(), &selected, &size);
    // Not every OpenSSL 3.0 checks that what the server selects was offered.
    const std::string_view alpn(reinterpret_cast<const char*>(selected), size);
    if (SSL_is_server(ssl()) != 0 || alpn == "h2") return absl::OkStatus();
    read_error_ = write_error_ = std::make_error_code(std::errc::protocol_not_supported);
    return absl::UnavailableError("TLS: the server did not select h2 by ALPN");
  }
  read_error_ = write_error_ = Failure(ssl_error);
  Flush();  // the alert
  std::string why = StrCat("TLS: ", read_error_.message());
  if (const long verified = SSL_get_verify_result(ssl()); verified != X509_V_OK) {
    why = StrCat(why, ": ", X509_verify_cert_error_string(verified));
  }
  return absl::UnavailableError(why);
}

IoResult TlsStream::Core::TryRead(std::span<uint8_t> into) {
  if (closed_) return IoResult::Error(std::make_error_code(std::errc::bad_file_descriptor));
  if (read_error_) return IoResult::Error(read_error_);
  input_left_ = kMostInput;
  dry_ = false;
  size_t total = 0;
  bool ended = false;
  while (total < into.size() && !dry_ && !ended && !read_error_) {
    if (out_.size() > kMostUnwritten) {
      Flush();
      if (out_.size() > kMostUnwritten) break;
    }
    ERR_clear_error();
    size_t n = 0;
    const int result = SSL_read_ex(ssl(), into.data() + total, into.size() - total, &n);
    total += n;
    switch (const int ssl_error = SSL_get_error(ssl(), result)) {
      case SSL_ERROR_NONE:
        break;
      case SSL_ERROR_WANT_READ:
        dry_ = out_.size() <= kMostUnwritten;  // else it was we who gave it nothing to read
        break;
      case SSL_ERROR_ZERO_RETURN:
        ended = true;
        break;
      default:
        read_error_ = Failure(ssl_error);
        break;
    }
  }
  if (!out_.empty()) Flush();  // an answer, or an alert
  if (std::exchange(write_wants_input_, false) && waits(Direction::kWrite)) PostWake(Direction::kWrite);
  if (total > 0) return IoResult::Bytes(total);
  if (ended) return IoResult::End();
  return read_error_ ? IoResult::Error(read_error_) : IoResult::WouldBlock();
}

size_t TlsStream::Core::EncryptBytes(const void* data, size_t n, int* ssl_error) {
  ERR_clear_error();
  size_t written = 0;
  const int result = SSL_write_ex(ssl(), data, n, &written);
  *ssl_error = SSL_get_error(ssl(), result);
  return *ssl_error == SSL_ERROR_NONE ? written : 0;
}

size_t TlsStream::Core::Encrypt(std::span<const iovec> pieces, int* ssl_error) {
  size_t taken = 0;
  BlockPool::Block block;  // where small pieces become a record
  size_t gathered = 0;
  const auto encrypt_block = [&] {
    if (gathered != 0) taken += EncryptBytes(block.get(), std::exchange(gathered, 0), ssl_error);
  };
  for (size_t i = 0; i < pieces.size(); ++i) {
    const auto* data = static_cast<const uint8_t*>(pieces[i].iov_base);
    size_t left = pieces[i].iov_len;
    while (left > 0 && *ssl_error == SSL_ERROR_NONE && taken + gathered < kMostPerWrite) {
      size_t n = std::min(left, kMostPerWrite - taken - gathered);
      if (gathered == 0 && (n >= kRecord || i + 1 == pieces.size())) {
        if (n >= kRecord) n -= n % kRecord;  // the rest goes together with what follows
        taken += EncryptBytes(data, n, ssl_error);
      } else {
        if (block == nullptr) block = loop_.blocks().TakeSmall();
        n = std::min(n, kRecord - gathered);
        std::memcpy(block.get() + gathered, data, n);
        gathered += n;
        if (gathered == kRecord) encrypt_block();
      }
      data += n;
      left -= n;
    }
  }
  if (*ssl_error == SSL_ERROR_NONE) encrypt_block();
  if (block != nullptr) loop_.blocks().GiveSmall(std::move(block));
  return taken;
}

IoResult TlsStream::Core::TryWrite(std::span<const iovec> pieces) {
  if (closed_) return IoResult::Error(std::make_error_code(std::errc::bad_file_descriptor));
  if (shut_down_) return IoResult::Error(std::make_error_code(std::errc::broken_pipe));
  Flush();
  if (write_error_) return IoResult::Error(write_error_);
  if (!out_.empty()) return IoResult::WouldBlock();
  input_left_ = kMostInput;
  const bool was_dry = dry_;
  int ssl_error = SSL_ERROR_NONE;
  const size_t taken = Encrypt(pieces, &ssl_error);
  // To end a message that had come in part, OpenSSL may have read on into the data behind it.
  if (was_dry && !dry_ && waits(Direction::kRead)) PostWake(Direction::kRead);
  write_wants_input_ = ssl_error == SSL_ERROR_WANT_READ;
  if (ssl_error != SSL_ERROR_NONE && !write_wants_input_) write_error_ = Failure(ssl_error);
  Flush();
  if (write_error_) return IoResult::Error(write_error_);
  return taken > 0 ? IoResult::Bytes(taken) : IoResult::WouldBlock();
}

// Writes what there is, and waits to write the rest.
void TlsStream::Core::Flush() {
  while (!out_.empty()) {
    iovec pieces[kPiecesPerWrite];
    const IoResult result = inner_->TryWrite({pieces, out_.Gather(pieces)});
    if (result.kind == IoResult::Kind::kBytes) {
      out_.Consume(result.bytes);
    } else if (result.kind == IoResult::Kind::kWouldBlock) {
      return WaitForOutput();
    } else {
      write_error_ = result.error;
      DropOutput();
    }
  }
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
    if (!dry_ && out_.size() > kMostUnwritten) return;  // OnOutput
    if (dry_ && !read_error_) return WaitForInput();
  } else {
    if (!out_.empty()) return;  // OnOutput
    if (write_wants_input_) return WaitForInput();
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
  const bool writer_waits = write_wants_input_ && waiters.writer;
  if (error == asio::error::operation_aborted) {
    if (waiters.reader || writer_waits) WaitForInput();  // who came after CancelWaits
    return;
  }
  dry_ = false;  // or reading will meet the error
  if (writer_waits) PostWake(Direction::kWrite);
  Wake(waiters, Direction::kRead);  // the last: it may be the end of the stream
}

void TlsStream::Core::OnOutput(Waiters& waiters, std::error_code error) {
  awaiting_output_ = false;
  if (closed_ && last_writes_ == nullptr) return;
  if (error && error != asio::error::operation_aborted) {
    write_error_ = error;
    DropOutput();
  }
  Flush();
  if (last_writes_ != nullptr) {
    if (out_.empty()) return EndLastWrites();
    if (!error) last_writes_->Start(Timer::Clock::now() + kLastWriteTimeout);
    return;
  }
  if (out_.size() <= kMostUnwritten && !dry_ && waiters.reader) PostWake(Direction::kRead);
  if (out_.empty()) Wake(waiters, Direction::kWrite);
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
  if (!write_error_ && SSL_is_init_finished(ssl()) != 0) {
    ERR_clear_error();
    SSL_shutdown(ssl());  // close_notify
    ERR_clear_error();
  }
  Flush();
}

void TlsStream::Core::Close() {
  if (std::exchange(closed_, true)) return;
  AbortWaits();
  ssl_.reset();
  if (!shut_down_ || out_.empty()) {
    DropOutput();
    inner_->Close();
    return;
  }
  // The wait that is under way keeps this alive.
  last_writes_ = std::make_unique<Timer>(
      loop_.timers(), [](void* self) { static_cast<Core*>(self)->EndLastWrites(); }, this);
  last_writes_->Start(Timer::Clock::now() + kLastWriteTimeout);
  inner_->CancelWaits();  // those of who reads from inner(); our own begins again in OnOutput
}

void TlsStream::Core::EndLastWrites() {
  last_writes_.reset();
  DropOutput();
  inner_->Close();
}

// --- the stream ---

TlsStream::TlsStream(std::shared_ptr<Core> core) : core_(std::move(core)) {}

std::unique_ptr<TlsStream> TlsStream::ForServer(const TlsContext& context, std::unique_ptr<ByteStream> stream,
                                                bool http1) {
  auto core = std::make_shared<Core>(context, std::move(stream));
  core->ActAsServer(http1);
  if (!context.is_server()) core->Misuse("TLS: the context is a client's");
  return std::unique_ptr<TlsStream>(new TlsStream(std::move(core)));
}

std::unique_ptr<TlsStream> TlsStream::ForClient(const TlsContext& context, std::unique_ptr<ByteStream> stream,
                                                std::string_view host) {
  auto core = std::make_shared<Core>(context, std::move(stream));
  core->ActAsClient(std::string(Plain(context.server_name().empty() ? host : context.server_name())));
  if (context.is_server()) core->Misuse("TLS: the context is a server's");
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

std::string_view TlsStream::alpn() const {
  if (core_->closed()) return {};
  const unsigned char* selected = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(core_->ssl(), &selected, &size);
  return {reinterpret_cast<const char*>(selected), size};
}

std::string_view TlsStream::version() const {
  return core_->closed() ? std::string_view() : SSL_get_version(core_->ssl());
}

std::string TlsStream::peer_certificate_pem() const {
  X509* const certificate = core_->closed() ? nullptr : SSL_get0_peer_certificate(core_->ssl());
  if (certificate == nullptr) return "";
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> memory(BIO_new(BIO_s_mem()), BIO_free_all);
  if (memory == nullptr || PEM_write_bio_X509(memory.get(), certificate) != 1) return "";
  char* text = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &text);
  return std::string(text, static_cast<size_t>(size));
}

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
