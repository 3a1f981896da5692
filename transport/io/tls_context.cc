#include "transport/io/tls_context.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <string_view>
#include <utility>
#include <vector>

#include "transport/base/status_macros.h"
#include "transport/base/strings.h"

namespace culvert::io {

namespace {

template <auto free>
struct FreeBy {
  template <class T>
  void operator()(T* what) const {
    free(what);
  }
};
using BioPtr = std::unique_ptr<BIO, FreeBy<BIO_free_all>>;
using CertificatePtr = std::unique_ptr<X509, FreeBy<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, FreeBy<EVP_PKEY_free>>;

// ECDHE with AEAD. RFC 9113 9.2.2 asks for the second, and appendix A has none of them.
constexpr const char* kCiphersOfTls12 =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-"
    "AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* kCiphersOfTls13 =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
// No finite fields: their exponents make handshakes dear for the server and cheap for the client.
constexpr const char* kGroups = "X25519:P-256:P-384";

// RFC 7301 3.1: each behind its length.
constexpr std::string_view kH2 = "\x02h2";
constexpr std::string_view kH2ThenHttp1 = "\x02h2\x08http/1.1";

// Of what is read from the inner stream at once: two records.
constexpr size_t kReadAhead = 2 * (SSL3_RT_MAX_PLAIN_LENGTH + 256);

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

absl::Status Wrong(std::string_view option, std::string_view what) {
  ERR_clear_error();
  return absl::InvalidArgumentError(StrCat("TLS: ", option, ": ", what));
}

std::string Reason(unsigned long error) {
  const char* const reason = ERR_reason_error_string(error);
  return reason != nullptr ? reason : "not readable";
}

BioPtr Reader(std::string_view text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

absl::StatusOr<std::vector<CertificatePtr>> ReadCertificates(std::string_view option, std::string_view pem) {
  ERR_clear_error();
  std::vector<CertificatePtr> certificates;
  const BioPtr reader = Reader(pem);
  while (CertificatePtr certificate{PEM_read_bio_X509(reader.get(), nullptr, nullptr, nullptr)})
    certificates.push_back(std::move(certificate));
  const unsigned long error = ERR_peek_last_error();
  const bool at_end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  if (!at_end) return Wrong(option, StrCat("certificate ", certificates.size() + 1, ": ", Reason(error)));
  if (certificates.empty()) return Wrong(option, "no certificate in PEM");
  ERR_clear_error();
  return certificates;
}

absl::StatusOr<KeyPtr> ReadKey(std::string_view pem) {
  if (pem.find("PRIVATE KEY-----") == std::string_view::npos)
    return Wrong("private_key", "no private key in PEM");
  ERR_clear_error();
  const BioPtr reader = Reader(pem);
  bool encrypted = false;
  // Without it OpenSSL would ask the terminal.
  const auto no_password = [](char*, int, int, void* asked) {
    *static_cast<bool*>(asked) = true;
    return -1;
  };
  KeyPtr key(PEM_read_bio_PrivateKey(reader.get(), nullptr, no_password, &encrypted));
  if (key != nullptr) return key;
  if (encrypted) return Wrong("private_key", "is encrypted");
  return Wrong("private_key", Reason(ERR_peek_last_error()));
}

absl::Status UseCertificate(SSL_CTX* context, std::string_view chain, std::string_view private_key) {
  CULVERT_ASSIGN_OR_RETURN(const std::vector<CertificatePtr> certificates,
                           ReadCertificates("certificate_chain", chain));
  CULVERT_ASSIGN_OR_RETURN(const KeyPtr key, ReadKey(private_key));
  if (SSL_CTX_use_certificate(context, certificates.front().get()) != 1)
    return Wrong("certificate_chain", Reason(ERR_peek_error()));
  for (size_t i = 1; i < certificates.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context, certificates[i].get()) != 1) {
      return Wrong("certificate_chain", StrCat("certificate ", i + 1, ": ", Reason(ERR_peek_error())));
    }
  }
  if (X509_check_private_key(certificates.front().get(), key.get()) != 1) {
    return Wrong("private_key", "is not that of the first certificate in certificate_chain");
  }
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1) return Wrong("private_key", Reason(ERR_peek_error()));
  return absl::OkStatus();
}

// With the names of those trusted, for a server to send along.
absl::Status Trust(SSL_CTX* context, std::string_view option, std::string_view pem) {
  CULVERT_ASSIGN_OR_RETURN(const std::vector<CertificatePtr> roots, ReadCertificates(option, pem));
  X509_STORE* const store = SSL_CTX_get_cert_store(context);
  for (const CertificatePtr& root : roots) {
    if (X509_STORE_add_cert(store, root.get()) != 1 || SSL_CTX_add_client_CA(context, root.get()) != 1)
      return Wrong(option, Reason(ERR_peek_error()));
  }
  return absl::OkStatus();
}

// What servers and clients have in common. False when OpenSSL cannot.
bool Configure(SSL_CTX* context) {
  // A system that asks for more by its openssl.cnf gets it.
  if (SSL_CTX_get_min_proto_version(context) < TLS1_2_VERSION &&
      SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1)
    return false;
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  // An idle connection holds no buffers; one with much to read does not ask twice for each record.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_read_buffer_len(context, kReadAhead);
  return SSL_CTX_set_cipher_list(context, kCiphersOfTls12) == 1 &&
         SSL_CTX_set_ciphersuites(context, kCiphersOfTls13) == 1 &&
         SSL_CTX_set1_groups_list(context, kGroups) == 1;
}

// The connection's app data is the protocols it serves, when those are not all.
int SelectProtocol(SSL* ssl, const unsigned char** selected, unsigned char* size,
                   const unsigned char* offered, unsigned int offered_size, void*) {
  const auto* const only = static_cast<const std::string_view*>(SSL_get_app_data(ssl));
  const std::string_view served = only != nullptr ? *only : kH2ThenHttp1;
  unsigned char* found = nullptr;
  if (SSL_select_next_proto(&found, size, Bytes(served), static_cast<unsigned>(served.size()), offered,
                            offered_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;  // no_application_protocol
  }
  *selected = found;
  return SSL_TLSEXT_ERR_OK;
}

absl::Status OutOfMemory() {
  const std::string why = Reason(ERR_peek_error());
  ERR_clear_error();
  return absl::InternalError(StrCat("TLS: OpenSSL cannot make a context: ", why));
}

}  // namespace

void TlsContext::Free::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }

TlsContext::TlsContext(Native native, bool is_server, std::string server_name)
    : native_(std::move(native)), is_server_(is_server), server_name_(std::move(server_name)) {}

TlsContext::~TlsContext() = default;

absl::StatusOr<std::shared_ptr<const TlsContext>> TlsContext::ForServer(const TlsServerOptions& options) {
  Native context(SSL_CTX_new(TLS_server_method()));
  if (context == nullptr || !Configure(context.get())) return OutOfMemory();
  SSL_CTX_set_num_tickets(context.get(), 0);
  // Our order, but for a client that puts ChaCha20 first: it has no AES in hardware.
  SSL_CTX_set_options(context.get(), SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_alpn_select_cb(context.get(), SelectProtocol, nullptr);
  CULVERT_RETURN_IF_ERROR(UseCertificate(context.get(), options.certificate_chain, options.private_key));
  if (!options.client_roots.empty()) {
    CULVERT_RETURN_IF_ERROR(Trust(context.get(), "client_roots", options.client_roots));
    const int required = options.require_client_certificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | required, nullptr);
  } else if (options.require_client_certificate) {
    return Wrong("client_roots", "is empty, and a client certificate required");
  }
  return std::shared_ptr<const TlsContext>(new TlsContext(std::move(context), true, ""));
}

absl::StatusOr<std::shared_ptr<const TlsContext>> TlsContext::ForClient(const TlsClientOptions& options) {
  Native context(SSL_CTX_new(TLS_client_method()));
  if (context == nullptr || !Configure(context.get())) return OutOfMemory();
  if (SSL_CTX_set_alpn_protos(context.get(), Bytes(kH2), static_cast<unsigned>(kH2.size())) != 0)
    return OutOfMemory();
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  if (!options.roots.empty()) {
    CULVERT_RETURN_IF_ERROR(Trust(context.get(), "roots", options.roots));
  } else if (SSL_CTX_set_default_verify_paths(context.get()) != 1) {
    return Wrong("roots", StrCat("is empty, and the system's cannot be read: ", Reason(ERR_peek_error())));
  }
  if (!options.certificate_chain.empty() || !options.private_key.empty()) {
    CULVERT_RETURN_IF_ERROR(UseCertificate(context.get(), options.certificate_chain, options.private_key));
  }
  return std::shared_ptr<const TlsContext>(new TlsContext(std::move(context), false, options.server_name));
}

}  // namespace culvert::io
