#include "transport/io/tls_engine.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "transport/base/check.h"
#include "transport/base/limit_counts.h"
#include "transport/base/strings.h"
#include "transport/io/tls_peer.h"

namespace culvert::io {

namespace {

constexpr size_t kRecord = SSL3_RT_MAX_PLAIN_LENGTH;
static_assert(BlockPool::kSmallBlock == kRecord, "what is gathered in a block makes a record");
static_assert(TlsBio::kLargestWrite % kRecord == 0, "a full write is of full records");

// Messages of TLS's own: kMessageBurst at once, then one each kMessagePeriod. A pair of keys lasts for 2^24 full
// records (RFC 8446 5.5), 256 GB, and stacks that change them earlier do so by the gigabyte or by the hour; a
// server sends a few tickets. To change keys takes us 10 us for 27 bytes of the peer's.
constexpr int kMessageBurst = 100;
constexpr std::chrono::seconds kMessagePeriod{1};

// ALPN's list of a connection that serves HTTP/2 alone; see tls_context.cc.
constexpr std::string_view kH2Only = "\x02h2";

// Not one of OpenSSL's, which have their library's number in the upper bits.
constexpr int kFlooded = 1;

class TlsCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "tls"; }
  // The code is OpenSSL's packed error, or ours.
  std::string message(int code) const override {
    if (code == kFlooded) return "too many messages of TLS's own";
    const char* const reason = ERR_reason_error_string(static_cast<unsigned int>(code));
    return reason != nullptr ? reason : "unknown error";
  }
};

std::error_code TlsError(int code) {
  static const TlsCategory category;
  return {code, category};
}

// The first error of OpenSSL's queue, which it empties.
std::error_code TakeError() {
  const unsigned long code = ERR_peek_error();
  ERR_clear_error();
  return TlsError(static_cast<int>(static_cast<unsigned int>(code)));
}

}  // namespace

void TlsEngine::Free::operator()(ssl_st* ssl) const { SSL_free(ssl); }

TlsEngine::TlsEngine(const TlsContext& context, ByteStream& inner, BlockPool& blocks)
    : blocks_(blocks), bio_(inner), ssl_(SSL_new(context.native())) {
  BIO* const bio = ssl_ != nullptr ? bio_.Make() : nullptr;
  CULVERT_CHECK(bio != nullptr, "OpenSSL has memory for a connection");
  SSL_set_bio(ssl_.get(), bio, bio);  // which owns it
}

TlsEngine::~TlsEngine() = default;

void TlsEngine::ActAsServer(bool http1) {
  SSL_set_accept_state(ssl_.get());
  if (!http1) SSL_set_app_data(ssl_.get(), const_cast<std::string_view*>(&kH2Only));
}

void TlsEngine::ActAsClient(std::string_view host) {
  SSL_set_connect_state(ssl_.get());
  if (ExpectHost(ssl_.get(), host)) return;
  ERR_clear_error();
  misuse_ = StrCat("TLS: '", host, "' is nothing that a certificate can be for");
}

// --- operations ---

void TlsEngine::BeginOperation() {
  bio_.BeginOperation();
  ERR_clear_error();
}

void TlsEngine::EndOperation() {
  if (!flooded_) return;
  read_error_ = write_error_ = TlsError(kFlooded);
  bio_.DropOutput();  // answers
}

std::error_code TlsEngine::Failure(int ssl_error) {
  if (ssl_error == SSL_ERROR_SSL) return TakeError();
  ERR_clear_error();
  if (bio_.input_error()) return bio_.input_error();
  return read_error_ ? read_error_ : std::make_error_code(std::errc::io_error);
}

std::optional<absl::Status> TlsEngine::Handshake() {
  if (!misuse_.empty()) return absl::FailedPreconditionError(misuse_);
  BeginOperation();
  const int result = SSL_do_handshake(ssl_.get());
  const int ssl_error = SSL_get_error(ssl_.get(), result);
  if (ssl_error == SSL_ERROR_WANT_READ) {
    bio_.NoteWant();
    return std::nullopt;
  }
  if (ssl_error == SSL_ERROR_NONE) {
    bio_.NoteInput();  // data may have come with the last of the handshake
    // Not every OpenSSL 3.0 checks that what the server selects was offered.
    if (SSL_is_server(ssl_.get()) != 0 || alpn() == "h2") {
      done_ = true;
      SSL_set_msg_callback(ssl_.get(), OnMessage);
      SSL_set_msg_callback_arg(ssl_.get(), this);
      return absl::OkStatus();
    }
    read_error_ = write_error_ = std::make_error_code(std::errc::protocol_not_supported);
    return absl::UnavailableError("TLS: the server did not select h2 by ALPN");
  }
  read_error_ = write_error_ = Failure(ssl_error);
  std::string why = StrCat("TLS: ", read_error_.message());
  if (const long verified = SSL_get_verify_result(ssl_.get()); verified != X509_V_OK) {
    why = StrCat(why, ": ", X509_verify_cert_error_string(verified));
  }
  return absl::UnavailableError(why);
}

IoResult TlsEngine::Read(std::span<uint8_t> into) {
  if (read_error_) return IoResult::Error(read_error_);
  BeginOperation();
  bio_.NoteInput();
  write_wants_input_ = false;
  size_t total = 0;
  bool ended = false;
  while (total < into.size() && !bio_.dry() && !ended && !read_error_) {
    if (bio_.full()) {
      Flush();
      if (bio_.full()) break;
    }
    ERR_clear_error();
    size_t n = 0;
    const int result = SSL_read_ex(ssl_.get(), into.data() + total, into.size() - total, &n);
    total += n;
    switch (const int ssl_error = SSL_get_error(ssl_.get(), result)) {
      case SSL_ERROR_NONE:
        break;
      case SSL_ERROR_WANT_READ:
        bio_.NoteWant();
        break;
      case SSL_ERROR_ZERO_RETURN:
        ended = true;
        break;
      default:
        read_error_ = Failure(ssl_error);
        break;
    }
    EndOperation();
  }
  if (total > 0) return IoResult::Bytes(total);
  if (read_error_) return IoResult::Error(read_error_);
  return ended ? IoResult::End() : IoResult::WouldBlock();
}

size_t TlsEngine::Encrypt(const void* data, size_t n, int* ssl_error) {
  ERR_clear_error();
  size_t written = 0;
  const int result = SSL_write_ex(ssl_.get(), data, n, &written);
  *ssl_error = SSL_get_error(ssl_.get(), result);
  return *ssl_error == SSL_ERROR_NONE ? written : 0;
}

size_t TlsEngine::Write(std::span<const iovec> pieces) {
  BeginOperation();
  int ssl_error = SSL_ERROR_NONE;
  size_t taken = 0;
  BlockPool::Block block;  // where small pieces become a record
  size_t gathered = 0;
  const auto encrypt_block = [&] {
    if (gathered != 0) taken += Encrypt(block.get(), std::exchange(gathered, 0), &ssl_error);
  };
  for (size_t i = 0; i < pieces.size(); ++i) {
    const auto* data = static_cast<const uint8_t*>(pieces[i].iov_base);
    size_t left = pieces[i].iov_len;
    while (left > 0 && ssl_error == SSL_ERROR_NONE && taken + gathered < TlsBio::kLargestWrite) {
      size_t n = std::min(left, TlsBio::kLargestWrite - taken - gathered);
      if (gathered == 0 && (n >= kRecord || i + 1 == pieces.size())) {
        if (n >= kRecord) n -= n % kRecord;  // the rest goes together with what follows
        taken += Encrypt(data, n, &ssl_error);
      } else {
        if (block == nullptr) block = blocks_.TakeSmall();
        n = std::min(n, kRecord - gathered);
        std::memcpy(block.get() + gathered, data, n);
        gathered += n;
        if (gathered == kRecord) encrypt_block();
      }
      data += n;
      left -= n;
    }
  }
  if (ssl_error == SSL_ERROR_NONE) encrypt_block();
  if (block != nullptr) blocks_.GiveSmall(std::move(block));
  write_wants_input_ = ssl_error == SSL_ERROR_WANT_READ;
  if (ssl_error != SSL_ERROR_NONE && !write_wants_input_) write_error_ = Failure(ssl_error);
  EndOperation();
  return taken;
}

void TlsEngine::Shutdown() {
  if (write_error_ || SSL_is_init_finished(ssl_.get()) == 0) return;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

void TlsEngine::Flush() {
  if (const std::error_code error = bio_.Flush()) write_error_ = error;
}

void TlsEngine::FailOutput(std::error_code error) {
  write_error_ = error;
  bio_.DropOutput();
}

// --- messages of TLS's own ---

void TlsEngine::OnMessage(int sent, int, int content, const void* message, size_t size, ssl_st*, void* self) {
  if (sent != 0 || content != SSL3_RT_HANDSHAKE || size == 0) return;
  static_cast<TlsEngine*>(self)->Count(*static_cast<const uint8_t*>(message));
}

// Each message takes a period, and they may run ahead of the clock by a burst: a token bucket in one number.
void TlsEngine::Count(uint8_t message_type) {
  const Clock::time_point now = Clock::now();
  messages_paid_until_ = std::max(messages_paid_until_, now) + kMessagePeriod;
  if (messages_paid_until_ - now <= kMessageBurst * kMessagePeriod || flooded_) return;
  flooded_ = true;
  base::CountLimit(message_type == SSL3_MT_KEY_UPDATE ? "tls_key_updates" : "tls_messages");
  // To OpenSSL as if the peer had ended: it leaves alone what else it has read.
  SSL_set_shutdown(ssl_.get(), SSL_get_shutdown(ssl_.get()) | SSL_RECEIVED_SHUTDOWN);
}

// --- the end, and who the peer was ---

void TlsEngine::Close() {
  peer_certificate();  // handlers may outlive the connection
  ssl_.reset();
}

std::string_view TlsEngine::alpn() const {
  if (ssl_ == nullptr) return {};
  const unsigned char* selected = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &selected, &size);
  return {reinterpret_cast<const char*>(selected), size};
}

std::string_view TlsEngine::version() const {
  return ssl_ == nullptr ? std::string_view() : SSL_get_version(ssl_.get());
}

std::shared_ptr<const PeerCertificate> TlsEngine::peer_certificate() {
  if (peer_certificate_ == nullptr && done_ && ssl_ != nullptr) peer_certificate_ = ReadPeerCertificate(ssl_.get());
  return peer_certificate_;
}

}  // namespace culvert::io
