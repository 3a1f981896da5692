#ifndef CULVERT_TRANSPORT_IO_TLS_PEER_H_
#define CULVERT_TRANSPORT_IO_TLS_PEER_H_

// Who the peer of a TLS connection must be, and who it is.

#include <memory>
#include <string_view>

#include "transport/io/peer_certificate.h"

struct ssl_st;  // OpenSSL's SSL

namespace culvert::io {

// The handshake of `ssl` shall fail unless the server's certificate is for `host`, a name or an IP address; a name
// is told to the server (SNI). False when no certificate can be for it.
bool ExpectHost(ssl_st* ssl, std::string_view host);

// Null: it has shown none.
std::shared_ptr<const PeerCertificate> ReadPeerCertificate(const ssl_st* ssl);

}  // namespace culvert::io

#endif  // CULVERT_TRANSPORT_IO_TLS_PEER_H_
