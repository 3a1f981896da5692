#ifndef CULVERT_TESTS_SUPPORT_CERTIFICATES_CERTIFICATES_H_
#define CULVERT_TESTS_SUPPORT_CERTIFICATES_CERTIFICATES_H_

// Certificates for tests, made in the process that uses them: no key is ever written down. Keys are of P-256.

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

struct x509_st;
struct evp_pkey_st;

namespace culvert::testing_support {

// PEM.
struct Certificate {
  std::string certificate;
  std::string private_key;
};

class CertificateAuthority {
 public:
  // A root that vouches for itself.
  explicit CertificateAuthority(std::string_view name = "root");

  std::string certificate() const;

  // `subject` is its common name, which verifies nothing; `names` are what it is for:
  // "DNS:localhost,IP:127.0.0.1".
  Certificate Issue(std::string_view subject, std::string_view names,
                    std::chrono::hours valid_from = std::chrono::hours(-1),
                    std::chrono::hours valid_to = std::chrono::hours(24)) const;
  // Another authority, for which this one vouches.
  CertificateAuthority IssueAuthority(std::string_view name) const;

 private:
  CertificateAuthority(std::shared_ptr<x509_st> certificate, std::shared_ptr<evp_pkey_st> key)
      : certificate_(std::move(certificate)), key_(std::move(key)) {}

  std::shared_ptr<x509_st> certificate_;
  std::shared_ptr<evp_pkey_st> key_;
};

}  // namespace culvert::testing_support

#endif  // CULVERT_TESTS_SUPPORT_CERTIFICATES_CERTIFICATES_H_
