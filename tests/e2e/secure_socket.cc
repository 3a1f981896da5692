#include "tests/e2e/secure_socket.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "gtest/gtest.h"

namespace culvert::e2e {

SecureSocket::SecureSocket(RawSocket socket, const testing_support::RawTlsOptions& options)
    : socket_(std::move(socket)), tls_(options) {
  for (bool done = tls_.Handshake(); Flush() && !done && tls_.error().empty(); done = tls_.Handshake()) {
    if (!ReceiveRecord()) break;
  }
}

void SecureSocket::Send(std::string_view text) {
  EXPECT_TRUE(tls_.Write(text)) << tls_.error();
  Flush();
}

std::string SecureSocket::ReceiveUntil(std::string_view end) {
  for (size_t at = received_.find(end); at == std::string::npos; at = received_.find(end)) {
    if (!ReceiveMore()) return std::exchange(received_, "");
  }
  const size_t n = received_.find(end) + end.size();
  return Take(n);
}

std::string SecureSocket::Receive(size_t n) {
  while (received_.size() < n) {
    if (!ReceiveMore()) break;
  }
  return Take(std::min(n, received_.size()));
}

bool SecureSocket::ReceiveEnd() {
  while (!tls_.ended()) {
    if (!ReceiveMore()) break;
  }
  return tls_.ended() && received_.empty();
}

void SecureSocket::CloseNotify() {
  tls_.CloseNotify();
  Flush();
}

bool SecureSocket::Flush() {
  const std::string out = tls_.TakeOutput();
  return out.empty() || socket_.Send(out);
}

bool SecureSocket::ReceiveRecord() {
  const std::string header = socket_.Receive(5);
  if (header.size() < 5) return false;
  tls_.Receive(header + socket_.Receive(static_cast<size_t>(static_cast<uint8_t>(header[3])) << 8 |
                                        static_cast<uint8_t>(header[4])));
  return true;
}

bool SecureSocket::ReceiveMore() {
  if (tls_.ended() || !tls_.error().empty() || !ReceiveRecord()) return false;
  received_ += tls_.Read();
  return true;
}

std::string SecureSocket::Take(size_t n) {
  std::string out = received_.substr(0, n);
  received_.erase(0, n);
  return out;
}

}  // namespace culvert::e2e
