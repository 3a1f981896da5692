#ifndef CULVERT_TESTS_E2E_SECURE_SOCKET_H_
#define CULVERT_TESTS_E2E_SECURE_SOCKET_H_

// A peer of TLS that is OpenSSL over a blocking socket.

#include <cstddef>
#include <string>
#include <string_view>

#include "tests/e2e/raw_peer.h"
#include "tests/support/raw_tls/raw_tls.h"

namespace culvert::e2e {

class SecureSocket {
 public:
  // Does the handshake; tls().error() says why it failed.
  SecureSocket(RawSocket socket, const testing_support::RawTlsOptions& options);

  void Send(std::string_view text);
  // Up to and including `end`, or up to the end of the connection.
  std::string ReceiveUntil(std::string_view end);
  std::string Receive(size_t n);
  // Whether close_notify came, and nothing else.
  bool ReceiveEnd();
  void CloseNotify();

  testing_support::RawTls& tls() { return tls_; }
  RawSocket& socket() { return socket_; }

 private:
  bool Flush();
  bool ReceiveRecord();
  bool ReceiveMore();
  std::string Take(size_t n);

  RawSocket socket_;
  testing_support::RawTls tls_;
  std::string received_;
};

}  // namespace culvert::e2e

#endif  // CULVERT_TESTS_E2E_SECURE_SOCKET_H_
