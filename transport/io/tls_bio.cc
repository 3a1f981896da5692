#include "transport/io/tls_bio.h"

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "transport/base/check.h"
#include "transport/io/block_pool.h"
#include "transport/io/event_loop.h"

namespace culvert::io {

namespace {

constexpr size_t kRecord = SSL3_RT_MAX_PLAIN_LENGTH;
constexpr size_t kMostUnwritten = TlsBio::kLargestWrite + kRecord;
// Of input used by one operation: what fills a read block. Messages of TLS's own are nothing to who reads, and a
// peer that sends nothing else as fast as we can take it must not keep the loop from its other connections.
constexpr size_t kMostInput = BlockPool::kReadBlock + kRecord;
constexpr size_t kPiecesPerWrite = 16;

TlsBio& Of(BIO* bio) { return *static_cast<TlsBio*>(BIO_get_data(bio)); }

}  // namespace

TlsBio::TlsBio(ByteStream& inner) : inner_(inner), out_(inner.loop().blocks()) {}

bio_st* TlsBio::Make() {
  BIO* const bio = BIO_new(Method());
  if (bio == nullptr) return nullptr;
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  return bio;
}

void TlsBio::BeginOperation() { input_left_ = kMostInput; }

bool TlsBio::full() const { return out_.size() > kMostUnwritten; }

const BIO_METHOD* TlsBio::Method() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* const made =
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "culvert::io::ByteStream");
    CULVERT_CHECK(made != nullptr && BIO_meth_set_read(made, OnRead) == 1 &&
                      BIO_meth_set_write(made, OnWrite) == 1 && BIO_meth_set_ctrl(made, OnControl) == 1,
                  "OpenSSL takes a BIO method");
    return made;
  }();
  return method;
}

int TlsBio::OnRead(BIO* bio, char* to, int size) {
  TlsBio& self = Of(bio);
  BIO_clear_retry_flags(bio);
  if (size <= 0) return 0;
  const size_t most = std::min(static_cast<size_t>(size), self.input_left_);
  IoResult result;  // would block
  if (most > 0 && !self.full()) result = self.inner_.TryRead({reinterpret_cast<uint8_t*>(to), most});
  switch (result.kind) {
    case IoResult::Kind::kBytes:
      self.input_left_ -= result.bytes;
      self.dry_ = false;
      return static_cast<int>(result.bytes);
    case IoResult::Kind::kWouldBlock:
      BIO_set_retry_read(bio);
      return -1;
    case IoResult::Kind::kEnd:
      self.input_ended_ = true;
      return 0;
    case IoResult::Kind::kError:
      self.input_error_ = result.error;
      return -1;
  }
  __builtin_unreachable();
}

int TlsBio::OnWrite(BIO* bio, const char* from, int size) {
  BIO_clear_retry_flags(bio);
  if (size > 0) Of(bio).out_.Append(std::string_view(from, static_cast<size_t>(size)));
  return size;
}

long TlsBio::OnControl(BIO* bio, int command, long, void*) {
  switch (command) {
    case BIO_CTRL_FLUSH:
      return 1;
    case BIO_CTRL_EOF:
      return Of(bio).input_ended_ ? 1 : 0;
    default:
      return 0;
  }
}

std::error_code TlsBio::Flush() {
  while (!out_.empty()) {
    iovec pieces[kPiecesPerWrite];
    const IoResult result = inner_.TryWrite({pieces, out_.Gather(pieces)});
    if (result.kind == IoResult::Kind::kWouldBlock) break;
    if (result.kind != IoResult::Kind::kBytes) {
      DropOutput();
      return result.error;
    }
    out_.Consume(result.bytes);
  }
  return {};
}

}  // namespace culvert::io
