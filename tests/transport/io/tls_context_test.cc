#include "transport/io/tls_context.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <set>
#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "tests/support/certificates/certificates.h"
#include "transport/base/strings.h"

namespace culvert::io {
namespace {

using testing_support::Certificate;
using testing_support::CertificateAuthority;

const CertificateAuthority& Root() {
  static const CertificateAuthority root;
  return root;
}
const Certificate& Localhost() {
  static const Certificate certificate = Root().Issue("server", "DNS:localhost");
  return certificate;
}

TlsServerOptions Server() {
  TlsServerOptions options;
  options.certificate_chain = Localhost().certificate;
  options.private_key = Localhost().private_key;
  return options;
}

std::string WhyNot(const absl::Status& status) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  return std::string(ToStd(status.message()));
}
std::string WhyNot(const TlsServerOptions& options) {
  return WhyNot(TlsContext::ForServer(options).status());
}
std::string WhyNot(const TlsClientOptions& options) {
  return WhyNot(TlsContext::ForClient(options).status());
}

std::string Encrypted(const std::string& key) {
  BIO* const reader = BIO_new_mem_buf(key.data(), static_cast<int>(key.size()));
  EVP_PKEY* const parsed = PEM_read_bio_PrivateKey(reader, nullptr, nullptr, nullptr);
  BIO* const writer = BIO_new(BIO_s_mem());
  char password[] = "secret";
  EXPECT_EQ(PEM_write_bio_PKCS8PrivateKey(writer, parsed, EVP_aes_128_cbc(), password, 6, nullptr, nullptr),
            1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(writer, &text);
  std::string pem(text, static_cast<size_t>(size));
  EVP_PKEY_free(parsed);
  BIO_free(reader);
  BIO_free(writer);
  return pem;
}

// The middle line of a PEM text, made into something that is no base64.
std::string Damaged(std::string pem) {
  const size_t line = pem.find('\n', pem.size() / 2) + 1;
  pem[line] = '*';
  return pem;
}

TEST(TlsContext, OfGoodOptionsIsMade) {
  TlsServerOptions server = Server();
  ASSERT_TRUE(TlsContext::ForServer(server).ok()) << TlsContext::ForServer(server).status();
  EXPECT_TRUE((*TlsContext::ForServer(server))->is_server());
  server.client_roots = Root().certificate() + CertificateAuthority("another").certificate();
  EXPECT_TRUE(TlsContext::ForServer(server).ok());
  server.require_client_certificate = true;
  EXPECT_TRUE(TlsContext::ForServer(server).ok());

  TlsClientOptions client;
  EXPECT_TRUE(TlsContext::ForClient(client).ok());
  client.roots = Root().certificate();
  client.certificate_chain = Localhost().certificate;
  client.private_key = Localhost().private_key;
  client.server_name = "example.com";
  const auto context = TlsContext::ForClient(client);
  ASSERT_TRUE(context.ok()) << context.status();
  EXPECT_FALSE((*context)->is_server());
  EXPECT_EQ((*context)->server_name(), "example.com");
}

TEST(TlsContext, TextAroundAndBetweenThePemIsPassedOver) {
  TlsServerOptions options = Server();
  options.certificate_chain = "subject=server\n" + Localhost().private_key + options.certificate_chain +
                              "issuer=root\n" + Root().certificate() + "\n\n";
  options.private_key = Localhost().certificate + options.private_key;
  EXPECT_TRUE(TlsContext::ForServer(options).ok()) << TlsContext::ForServer(options).status();
}

TEST(TlsContext, ABadCertificateChainIsNamed) {
  TlsServerOptions options = Server();
  for (const std::string_view nothing : {"", "no PEM"}) {
    options.certificate_chain = std::string(nothing);
    EXPECT_EQ(WhyNot(options), "TLS: certificate_chain: no certificate in PEM");
  }
  options.certificate_chain = Localhost().private_key;
  EXPECT_EQ(WhyNot(options), "TLS: certificate_chain: no certificate in PEM");
  options.certificate_chain = Damaged(Localhost().certificate);
  EXPECT_TRUE(WhyNot(options).starts_with("TLS: certificate_chain: certificate 1: ")) << WhyNot(options);
  options.certificate_chain = Localhost().certificate + Damaged(Root().certificate());
  EXPECT_TRUE(WhyNot(options).starts_with("TLS: certificate_chain: certificate 2: ")) << WhyNot(options);
}

TEST(TlsContext, ABadPrivateKeyIsNamed) {
  TlsServerOptions options = Server();
  for (const std::string& nothing : {std::string(), std::string("no PEM"), Localhost().certificate}) {
    options.private_key = nothing;
    EXPECT_EQ(WhyNot(options), "TLS: private_key: no private key in PEM");
  }
  options.private_key = Encrypted(Localhost().private_key);
  EXPECT_EQ(WhyNot(options), "TLS: private_key: is encrypted");
  options.private_key = Damaged(Localhost().private_key);
  EXPECT_TRUE(WhyNot(options).starts_with("TLS: private_key: ")) << WhyNot(options);
  options.private_key = Root().Issue("other", "DNS:other").private_key;
  EXPECT_EQ(WhyNot(options), "TLS: private_key: is not that of the first certificate in certificate_chain");
}

TEST(TlsContext, BadRootsAreNamed) {
  TlsServerOptions server = Server();
  server.require_client_certificate = true;
  EXPECT_EQ(WhyNot(server), "TLS: client_roots: is empty, and a client certificate required");
  server.client_roots = "no PEM";
  EXPECT_EQ(WhyNot(server), "TLS: client_roots: no certificate in PEM");
  TlsClientOptions client;
  client.roots = "no PEM";
  EXPECT_EQ(WhyNot(client), "TLS: roots: no certificate in PEM");
  client.roots = Root().certificate() + Damaged(Root().certificate());
  EXPECT_TRUE(WhyNot(client).starts_with("TLS: roots: certificate 2: ")) << WhyNot(client);
}

TEST(TlsContext, AClientShowsACertificateAndItsKeyOrNeither) {
  TlsClientOptions client;
  client.certificate_chain = Localhost().certificate;
  EXPECT_EQ(WhyNot(client), "TLS: private_key: no private key in PEM");
  client.certificate_chain.clear();
  client.private_key = Localhost().private_key;
  EXPECT_EQ(WhyNot(client), "TLS: certificate_chain: no certificate in PEM");
}

// RFC 9113 9.2: what may be agreed on, whatever the peer offers.
TEST(TlsContext, KeepsTheRulesOfHttp2) {
  const auto server = TlsContext::ForServer(Server());
  const auto client = TlsContext::ForClient({});
  ASSERT_TRUE(server.ok() && client.ok());
  for (const auto& context : {*server, *client}) {
    SSL_CTX* const native = context->native();
    EXPECT_GE(SSL_CTX_get_min_proto_version(native), TLS1_2_VERSION);
    EXPECT_NE(SSL_CTX_get_options(native) & SSL_OP_NO_COMPRESSION, 0u);
    EXPECT_NE(SSL_CTX_get_options(native) & SSL_OP_NO_RENEGOTIATION, 0u);
    std::set<std::string> names;
    const STACK_OF(SSL_CIPHER)* const ciphers = SSL_CTX_get_ciphers(native);
    for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); ++i) {
      const SSL_CIPHER* const cipher = sk_SSL_CIPHER_value(ciphers, i);
      const std::string name = SSL_CIPHER_standard_name(cipher);
      names.insert(name);
      // Appendix A lists what is neither ephemeral nor AEAD.
      EXPECT_EQ(SSL_CIPHER_is_aead(cipher), 1) << name;
      const int exchange = SSL_CIPHER_get_kx_nid(cipher);
      EXPECT_TRUE(exchange == NID_kx_ecdhe || exchange == NID_kx_any) << name;
    }
    EXPECT_EQ(names.count("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"), 1u);  // 9.2.2: deployments must have it
    EXPECT_EQ(names.count("TLS_AES_128_GCM_SHA256"), 1u);
  }
}

}  // namespace
}  // namespace culvert::io
