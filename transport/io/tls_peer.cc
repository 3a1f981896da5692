#include "transport/io/tls_peer.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <string>
#include <utility>

namespace culvert::io {

namespace {

bool IsIpAddress(const std::string& host) {
  ASN1_OCTET_STRING* const address = a2i_IPADDRESS(host.c_str());
  ASN1_OCTET_STRING_free(address);
  return address != nullptr;
}

// "[::1]" is ::1, and a name may end with the root's dot, which certificates never have (RFC 6066 3).
std::string_view Plain(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) return host.substr(1, host.size() - 2);
  if (host.ends_with('.')) host.remove_suffix(1);
  return host;
}

// What `print` writes to a BIO.
template <class Print>
std::string Printed(Print print) {
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> memory(BIO_new(BIO_s_mem()), BIO_free_all);
  if (memory == nullptr || !print(memory.get())) return "";
  char* text = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &text);
  return std::string(text, static_cast<size_t>(size));
}

// A zero byte would end the name for whoever reads it as C does, and make another name of it.
bool HasZero(std::string_view name) { return name.find('\0') != std::string_view::npos; }

std::string CommonName(const X509_NAME* subject) {
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0) return "";
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
  if (size < 0) return "";
  std::string name(reinterpret_cast<const char*>(utf8), static_cast<size_t>(size));
  OPENSSL_free(utf8);
  return HasZero(name) ? "" : name;
}

void AddAltNames(const X509* certificate, PeerCertificate& to) {
  auto* const names =
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {  // -1 without names
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_DNS && name->type != GEN_URI) continue;
    const ASN1_IA5STRING* const text = name->d.ia5;
    std::string value(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                      static_cast<size_t>(ASN1_STRING_length(text)));
    if (!HasZero(value)) (name->type == GEN_DNS ? to.dns_names : to.uris).push_back(std::move(value));
  }
  GENERAL_NAMES_free(names);
}

}  // namespace

// Names in the certificate's subject do not count (RFC 9525 2): only subjectAltName.
bool ExpectHost(ssl_st* ssl, std::string_view host) {
  const std::string plain(Plain(host));
  if (plain.empty() || plain.front() == '.') return false;  // to OpenSSL ".a" is any name below a
  if (IsIpAddress(plain)) return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), plain.c_str()) == 1;
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  return SSL_set1_host(ssl, plain.c_str()) == 1 && SSL_set_tlsext_host_name(ssl, plain.c_str()) == 1;
}

std::shared_ptr<const PeerCertificate> ReadPeerCertificate(const ssl_st* ssl) {
  X509* const certificate = SSL_get0_peer_certificate(ssl);
  if (certificate == nullptr) return nullptr;
  const X509_NAME* const subject = X509_get_subject_name(certificate);
  auto read = std::make_shared<PeerCertificate>();
  read->pem = Printed([&](BIO* to) { return PEM_write_bio_X509(to, certificate) == 1; });
  read->subject = Printed([&](BIO* to) { return X509_NAME_print_ex(to, subject, 0, XN_FLAG_RFC2253) >= 0; });
  read->common_name = CommonName(subject);
  AddAltNames(certificate, *read);
  ERR_clear_error();
  return read;
}

}  // namespace culvert::io
