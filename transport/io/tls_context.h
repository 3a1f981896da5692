#ifndef CULVERT_TRANSPORT_IO_TLS_CONTEXT_H_
#define CULVERT_TRANSPORT_IO_TLS_CONTEXT_H_

// What the TLS connections of a server or a client have in common: certificates, whom to trust, and the rules
// of RFC 9113 9.2.
//
//   culvert::io::TlsServerOptions options;
//   options.certificate_chain = ReadFile("server.pem");
//   options.private_key = ReadFile("server.key");
//   absl::StatusOr<std::shared_ptr<const culvert::io::TlsContext>> tls =
//   culvert::io::TlsContext::ForServer(options); if (!tls.ok()) ...; server_options.transport.tls = *tls;
//
// TLS 1.2 and 1.3, and of 1.2 only ephemeral elliptic-curve keys with authenticated encryption: nothing that
// RFC 9113 appendix A lists. No compression, no renegotiation, no resumption: every connection is a whole
// handshake, and no ticket is kept.
//
// Immutable; any thread, any number of connections. A new certificate is a new context.

#include <memory>
#include <string>

#include "absl/status/statusor.h"

struct ssl_ctx_st;  // OpenSSL's SSL_CTX

namespace culvert::io {

// All text is PEM.
struct TlsServerOptions {
  // The server's certificate, then the intermediate ones; the root need not be there.
  std::string certificate_chain;
  // Of the first certificate, not encrypted.
  std::string private_key;
  // Mutual TLS: who may vouch for clients. A client that shows a certificate must be vouched for by one of
  // these; whether it must show one, the next field says. Empty: clients are not asked.
  std::string client_roots;
  bool require_client_certificate = false;
};

struct TlsClientOptions {
  // Who may vouch for the server. Empty: whom the system trusts.
  std::string roots;
  // Mutual TLS: what we show when the server asks. Both or neither.
  std::string certificate_chain;
  std::string private_key;
  // The name or IP address that the server's certificate must have, and that the server is told (SNI, names
  // only), when it is not the target's host.
  std::string server_name;
};

class TlsContext final {
 public:
  // InvalidArgument names the option that is wrong, and what is wrong with it.
  //
  // A server agrees by ALPN on h2, or else on http/1.1, and refuses a client that offers neither (RFC
  // 7301 3.2). A client offers h2 alone.
  static absl::StatusOr<std::shared_ptr<const TlsContext>> ForServer(const TlsServerOptions& options);
  static absl::StatusOr<std::shared_ptr<const TlsContext>> ForClient(const TlsClientOptions& options);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  bool is_server() const { return is_server_; }
  // As the options have it.
  const std::string& server_name() const { return server_name_; }
  // For TlsStream.
  ssl_ctx_st* native() const { return native_.get(); }

 private:
  struct Free {
    void operator()(ssl_ctx_st* context) const;
  };
  using Native = std::unique_ptr<ssl_ctx_st, Free>;

  TlsContext(Native native, bool is_server, std::string server_name);

  const Native native_;
  const bool is_server_;
  const std::string server_name_;
};

}  // namespace culvert::io

#endif  // CULVERT_TRANSPORT_IO_TLS_CONTEXT_H_
