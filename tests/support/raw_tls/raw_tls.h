#ifndef CULVERT_TESTS_SUPPORT_RAW_TLS_RAW_TLS_H_
#define CULVERT_TESTS_SUPPORT_RAW_TLS_RAW_TLS_H_

// A peer of TLS that is OpenSSL alone, bytes in and bytes out, so that Culvert's side is not tested against
// itself, and may be told what no TlsContext says. The test carries the bytes.
//
//   RawTls client({.alpn = {"h2"}});
//   client.Handshake();
//   Send(client.TakeOutput());
//   client.Receive(bytes);

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/certificates/certificates.h"

struct ssl_st;

namespace culvert::testing_support {

struct RawTlsOptions {
  bool server = false;
  // 12 or 13; 0: either.
  int version = 0;
  // What a client offers, or the one that a server selects; empty: nothing.
  std::vector<std::string> alpn = {};
  // A client's alone; TLS 1.2's, as OpenSSL names them. Empty: OpenSSL's.
  std::string ciphers = {};
  Certificate certificate = {};
  // Asks for the peer's certificate, whatever it is.
  bool ask_certificate = false;
  // A server's, after the handshake of TLS 1.3: tickets, which have the client's certificate in them, cut
  // into records of 512 bytes.
  bool long_tickets = false;
};

class RawTls {
 public:
  explicit RawTls(const RawTlsOptions& options);
  ~RawTls();

  // What the peer has sent; what is to be sent to it.
  void Receive(std::string_view bytes);
  std::string TakeOutput();

  // True once it is done.
  bool Handshake();
  // False when it cannot.
  bool Write(std::string_view text);
  // What has come and was not read yet.
  std::string Read();
  // Read has met close_notify.
  bool ended() const { return ended_; }
  void CloseNotify();
  // TLS 1.3: new keys for what we write, and when `both` for what the peer writes. They go out with
  // TakeOutput.
  bool UpdateKeys(bool both);
  // TLS 1.2: asks for another handshake on the connection. A client's goes on with Handshake() once there is an
  // answer; false until then.
  bool Renegotiate();
  // TLS 1.3, a server's: one more ticket.
  bool SendTicket();

  // OpenSSL's reason of the first failure, such as "tlsv1 alert unknown ca"; empty: none yet.
  const std::string& error() const { return error_; }
  std::string version() const;
  std::string cipher() const;
  std::string alpn() const;
  // What a server was told by SNI.
  std::string server_name() const;

 private:
  // Whether `result` is good; remembers the reason if it is bad.
  bool Note(int result);

  const RawTlsOptions options_;
  std::unique_ptr<ssl_st, void (*)(ssl_st*)> ssl_;
  bool ended_ = false;
  std::string error_;
};

}  // namespace culvert::testing_support

#endif  // CULVERT_TESTS_SUPPORT_RAW_TLS_RAW_TLS_H_
