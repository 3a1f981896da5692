#ifndef CULVERT_TRANSPORT_IO_PEER_CERTIFICATE_H_
#define CULVERT_TRANSPORT_IO_PEER_CERTIFICATE_H_

// The certificate that a peer has shown in TLS, and that was verified: who it is.

#include <string>
#include <vector>

namespace culvert::io {

struct PeerCertificate {
  std::string pem;
  // As RFC 4514 writes names, in ASCII: "CN=alice,O=Example".
  std::string subject;
  // The subject's only common name (CN); empty when it has none, or several.
  std::string common_name;
  // Of subjectAltName, in the certificate's order, and as they stand there: they may hold wildcards. Names with a
  // zero byte in them are left out.
  std::vector<std::string> dns_names;
  std::vector<std::string> uris;  // such as SPIFFE's
};

}  // namespace culvert::io

#endif  // CULVERT_TRANSPORT_IO_PEER_CERTIFICATE_H_
