#include "tests/support/certificates/certificates.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdlib>

namespace culvert::testing_support {

namespace {

using SharedCertificate = std::shared_ptr<X509>;
using SharedKey = std::shared_ptr<EVP_PKEY>;

// Nothing here depends on input: what fails is the test's own fault.
void Must(bool good) {
  if (!good) std::abort();
}

SharedKey MakeKey() {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  Must(key != nullptr);
  return {key, EVP_PKEY_free};
}

void AddExtension(X509* certificate, X509* issuer, int id, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str());
  Must(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

// Without an issuer, it is its own.
SharedCertificate MakeCertificate(std::string_view subject, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key,
                                  std::string_view names, std::chrono::seconds valid_from,
                                  std::chrono::seconds valid_to) {
  const SharedCertificate certificate(X509_new(), X509_free);
  Must(certificate != nullptr);
  X509* const made = certificate.get();
  if (issuer == nullptr) issuer = made;
  uint64_t serial = 0;
  Must(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof(serial)) == 1);
  Must(X509_set_version(made, X509_VERSION_3) == 1 &&
       ASN1_INTEGER_set_uint64(X509_get_serialNumber(made), serial >> 1) == 1);
  Must(X509_gmtime_adj(X509_getm_notBefore(made), static_cast<long>(valid_from.count())) != nullptr);
  Must(X509_gmtime_adj(X509_getm_notAfter(made), static_cast<long>(valid_to.count())) != nullptr);
  Must(X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_UTF8,
                                  reinterpret_cast<const unsigned char*>(subject.data()),
                                  static_cast<int>(subject.size()), -1, 0) == 1);
  Must(X509_set_issuer_name(made, X509_get_subject_name(issuer)) == 1 && X509_set_pubkey(made, key) == 1);
  AddExtension(made, issuer, NID_subject_key_identifier, "hash");
  AddExtension(made, issuer, NID_authority_key_identifier, "keyid");
  if (names.empty()) {
    AddExtension(made, issuer, NID_basic_constraints, "critical,CA:TRUE");
    AddExtension(made, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
  } else {
    AddExtension(made, issuer, NID_subject_alt_name, std::string(names));
  }
  Must(X509_sign(made, issuer_key, EVP_sha256()) != 0);
  return certificate;
}

template <class Write>
std::string Pem(Write write) {
  BIO* const memory = BIO_new(BIO_s_mem());
  Must(memory != nullptr && write(memory) == 1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(memory, &text);
  std::string pem(text, static_cast<size_t>(size));
  BIO_free(memory);
  return pem;
}

std::string PemOf(X509* certificate) {
  return Pem([&](BIO* to) { return PEM_write_bio_X509(to, certificate); });
}

std::string PemOf(EVP_PKEY* key) {
  return Pem(
      [&](BIO* to) { return PEM_write_bio_PKCS8PrivateKey(to, key, nullptr, nullptr, 0, nullptr, nullptr); });
}

constexpr std::chrono::hours kHourAgo{-1};
constexpr std::chrono::hours kDay{24};

}  // namespace

CertificateAuthority::CertificateAuthority(std::string_view name) : key_(MakeKey()) {
  certificate_ = MakeCertificate(name, key_.get(), nullptr, key_.get(), {}, kHourAgo, kDay);
}

std::string CertificateAuthority::certificate() const { return PemOf(certificate_.get()); }

Certificate CertificateAuthority::Issue(std::string_view subject, std::string_view names,
                                        std::chrono::hours valid_from, std::chrono::hours valid_to) const {
  const SharedKey key = MakeKey();
  const SharedCertificate certificate =
      MakeCertificate(subject, key.get(), certificate_.get(), key_.get(), names, valid_from, valid_to);
  return {PemOf(certificate.get()), PemOf(key.get())};
}

CertificateAuthority CertificateAuthority::IssueAuthority(std::string_view name) const {
  SharedKey key = MakeKey();
  SharedCertificate certificate =
      MakeCertificate(name, key.get(), certificate_.get(), key_.get(), {}, kHourAgo, kDay);
  return {std::move(certificate), std::move(key)};
}

}  // namespace culvert::testing_support
