#include "tests/support/raw_tls/raw_tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <cstdlib>

namespace culvert::testing_support {

namespace {

void Must(bool good) {
  if (!good) std::abort();
}

void UseCertificate(SSL* ssl, const Certificate& certificate) {
  BIO* reader =
      BIO_new_mem_buf(certificate.certificate.data(), static_cast<int>(certificate.certificate.size()));
  X509* const x509 = PEM_read_bio_X509(reader, nullptr, nullptr, nullptr);
  BIO_free(reader);
  reader = BIO_new_mem_buf(certificate.private_key.data(), static_cast<int>(certificate.private_key.size()));
  EVP_PKEY* const key = PEM_read_bio_PrivateKey(reader, nullptr, nullptr, nullptr);
  BIO_free(reader);
  Must(SSL_use_certificate(ssl, x509) == 1 && SSL_use_PrivateKey(ssl, key) == 1);
  X509_free(x509);
  EVP_PKEY_free(key);
}

// RFC 7301 3.1
std::string ProtocolList(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += static_cast<char>(name.size()) + name;
  return list;
}

int Select(SSL*, const unsigned char** selected, unsigned char* size, const unsigned char*, unsigned int,
           void* options) {
  const std::string& name = static_cast<const RawTlsOptions*>(options)->alpn.front();
  *selected = reinterpret_cast<const unsigned char*>(name.data());
  *size = static_cast<unsigned char>(name.size());
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

RawTls::RawTls(const RawTlsOptions& options) : options_(options), ssl_(nullptr, SSL_free) {
  SSL_CTX* const context = SSL_CTX_new(options_.server ? TLS_server_method() : TLS_client_method());
  Must(context != nullptr);
  if (!options_.long_tickets) SSL_CTX_set_num_tickets(context, 0);
  if (options_.long_tickets) SSL_CTX_set_max_send_fragment(context, 512);
  if (options_.server && !options_.alpn.empty())
    SSL_CTX_set_alpn_select_cb(context, Select, const_cast<RawTlsOptions*>(&options_));
  ssl_.reset(SSL_new(context));
  SSL_CTX_free(context);
  SSL* const ssl = ssl_.get();
  Must(ssl != nullptr);
  SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  const int version = options_.version == 12 ? TLS1_2_VERSION : options_.version == 13 ? TLS1_3_VERSION : 0;
  Must(SSL_set_min_proto_version(ssl, version) == 1 && SSL_set_max_proto_version(ssl, version) == 1);
  if (!options_.ciphers.empty()) Must(SSL_set_cipher_list(ssl, options_.ciphers.c_str()) == 1);
  if (!options_.certificate.certificate.empty()) UseCertificate(ssl, options_.certificate);
  if (options_.ask_certificate) SSL_set_verify(ssl, SSL_VERIFY_PEER, [](int, X509_STORE_CTX*) { return 1; });
  if (options_.server) {
    SSL_set_accept_state(ssl);
  } else {
    SSL_set_connect_state(ssl);
    const std::string list = ProtocolList(options_.alpn);
    if (!list.empty())
      Must(SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(list.data()),
                               static_cast<unsigned>(list.size())) == 0);
  }
}

RawTls::~RawTls() = default;

void RawTls::Receive(std::string_view bytes) {
  if (!bytes.empty())
    Must(BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size())) ==
         static_cast<int>(bytes.size()));
}

std::string RawTls::TakeOutput() {
  std::string output(BIO_ctrl_pending(SSL_get_wbio(ssl_.get())), '\0');
  if (!output.empty())
    Must(BIO_read(SSL_get_wbio(ssl_.get()), output.data(), static_cast<int>(output.size())) ==
         static_cast<int>(output.size()));
  return output;
}

bool RawTls::Note(int result) {
  const int error = SSL_get_error(ssl_.get(), result);
  if (error == SSL_ERROR_ZERO_RETURN) ended_ = true;
  if (error == SSL_ERROR_SSL && error_.empty()) {
    const char* const reason = ERR_reason_error_string(ERR_peek_error());
    error_ = reason != nullptr ? reason : "unknown";
  }
  ERR_clear_error();
  return error == SSL_ERROR_NONE;
}

bool RawTls::Handshake() {
  ERR_clear_error();
  return Note(SSL_do_handshake(ssl_.get()));
}

bool RawTls::Write(std::string_view text) {
  ERR_clear_error();
  size_t written = 0;
  return Note(SSL_write_ex(ssl_.get(), text.data(), text.size(), &written)) && written == text.size();
}

std::string RawTls::Read() {
  std::string text;
  for (;;) {
    std::array<char, 16384> piece;
    size_t n = 0;
    ERR_clear_error();
    if (!Note(SSL_read_ex(ssl_.get(), piece.data(), piece.size(), &n))) return text;
    text.append(piece.data(), n);
  }
}

void RawTls::CloseNotify() { SSL_shutdown(ssl_.get()); }

bool RawTls::UpdateKeys(bool both) {
  ERR_clear_error();
  return SSL_key_update(ssl_.get(), both ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED) == 1 &&
         Note(SSL_do_handshake(ssl_.get()));
}

bool RawTls::Renegotiate() {
  ERR_clear_error();
  return SSL_renegotiate(ssl_.get()) == 1 && Handshake();
}

bool RawTls::SendTicket() {
  ERR_clear_error();
  return SSL_new_session_ticket(ssl_.get()) == 1 && Handshake();
}

std::string RawTls::version() const { return SSL_get_version(ssl_.get()); }
std::string RawTls::cipher() const { return SSL_get_cipher_name(ssl_.get()); }

std::string RawTls::alpn() const {
  const unsigned char* selected = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &selected, &size);
  return {reinterpret_cast<const char*>(selected), size};
}

std::string RawTls::server_name() const {
  const char* const name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
  return name != nullptr ? name : "";
}

}  // namespace culvert::testing_support
