#include "tests/e2e/raw_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "gtest/gtest.h"

namespace culvert::e2e {

namespace {

sockaddr_in LoopbackAddress(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void SetOptions(int fd) {
  // Who waits that long waits in vain.
  const timeval patience{.tv_sec = 30, .tv_usec = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

int NewSocket() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_GE(fd, 0);
  SetOptions(fd);
  return fd;
}

void AppendBigEndian(std::string& out, uint32_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift & 0xff));
}

uint32_t BigEndian(std::string_view bytes) {
  uint32_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<uint8_t>(c);
  return value;
}

}  // namespace

RawSocket RawSocket::Connect(std::string_view address, int receive_buffer) {
  const size_t colon = address.rfind(':');
  const sockaddr_in to = LoopbackAddress(static_cast<uint16_t>(std::atoi(std::string(address.substr(colon + 1)).c_str())));
  const int fd = NewSocket();
  if (receive_buffer != 0) ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
  EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)), 0) << address << ": errno " << errno;
  return RawSocket(fd);
}

bool RawSocket::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

std::optional<size_t> RawSocket::TrySend(std::string_view bytes) {
  const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n >= 0) return static_cast<size_t>(n);
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return 0;
  return std::nullopt;
}

std::string RawSocket::Receive(size_t n) {
  std::string bytes(n, '\0');
  size_t have = 0;
  while (have < n) {
    const ssize_t got = ::recv(fd_, bytes.data() + have, n - have, 0);
    if (got <= 0) break;
    have += static_cast<size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

bool RawSocket::ReceiveEnd() {
  char dropped[4096];
  ssize_t n;
  do {
    n = ::recv(fd_, dropped, sizeof(dropped), 0);
  } while (n > 0);
  return n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

void RawSocket::Close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void RawSocket::Abort() {
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  Close();
}

RawListener::RawListener() : fd_(NewSocket()) {
  sockaddr_in at = LoopbackAddress(0);
  socklen_t size = sizeof(at);
  EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&at), sizeof(at)), 0);
  EXPECT_EQ(::listen(fd_, 16), 0);
  ::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size);
  address_ = "127.0.0.1:" + std::to_string(ntohs(at.sin_port));
}

RawListener::~RawListener() { ::close(fd_); }

RawSocket RawListener::Accept() {
  const int fd = ::accept(fd_, nullptr, nullptr);
  EXPECT_GE(fd, 0) << "nobody connected";
  SetOptions(fd);
  return RawSocket(fd);
}

std::string Frame(FrameType type, uint8_t flags, uint32_t stream, std::string_view payload) {
  std::string frame;
  AppendBigEndian(frame, static_cast<uint32_t>(payload.size()), 3);
  AppendBigEndian(frame, type, 1);
  AppendBigEndian(frame, flags, 1);
  AppendBigEndian(frame, stream, 4);
  return frame.append(payload);
}

std::string Field(std::string_view name, std::string_view value) {
  std::string field(1, '\0');
  for (const std::string_view text : {name, value}) {
    EXPECT_LT(text.size(), 127u) << "longer than one byte of length can say";
    field.push_back(static_cast<char>(text.size()));
    field.append(text);
  }
  return field;
}

std::map<std::string, std::string> FirstFields(std::string_view block) {
  std::map<std::string, std::string> fields;
  nghttp2_hd_inflater* inflater = nullptr;
  nghttp2_hd_inflate_new(&inflater);
  const auto* in = reinterpret_cast<const uint8_t*>(block.data());
  size_t left = block.size();
  for (;;) {
    nghttp2_nv field;
    int flags = 0;
    const ssize_t taken = nghttp2_hd_inflate_hd2(inflater, &field, &flags, in, left, 1);
    if (taken < 0) {
      fields.clear();
      break;
    }
    in += taken;
    left -= static_cast<size_t>(taken);
    if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
      fields.emplace(std::string(reinterpret_cast<char*>(field.name), field.namelen),
                     std::string(reinterpret_cast<char*>(field.value), field.valuelen));
    }
    if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0 || (taken == 0 && (flags & NGHTTP2_HD_INFLATE_EMIT) == 0)) break;
  }
  nghttp2_hd_inflate_del(inflater);
  return fields;
}

std::string GrpcHead(uint32_t stream, std::string_view path, std::string_view more_fields) {
  std::string block = Field(":method", "POST") + Field(":scheme", "http") + Field(":path", path) + Field(":authority", "localhost") +
                      Field("content-type", "application/grpc") + Field("te", "trailers");
  block.append(more_fields);
  return Frame(kHeaders, kEndHeaders, stream, block);
}

std::string GrpcData(uint32_t stream, std::string_view message, bool end) {
  std::string envelope(1, '\0');
  AppendBigEndian(envelope, static_cast<uint32_t>(message.size()), 4);
  return Frame(kData, end ? kEndStream : 0, stream, envelope.append(message));
}

std::optional<ReceivedFrame> ReceiveFrame(RawSocket& socket, FrameType type, uint32_t stream) {
  for (;;) {
    const std::string head = socket.Receive(9);
    if (head.size() < 9) return std::nullopt;
    const std::string_view bytes = head;
    ReceivedFrame frame{.type = static_cast<uint8_t>(head[3]),
                        .flags = static_cast<uint8_t>(head[4]),
                        .stream = BigEndian(bytes.substr(5)) & 0x7fffffff,
                        .payload = socket.Receive(BigEndian(bytes.substr(0, 3)))};
    if (frame.type == kSettings && (frame.flags & kAck) == 0) socket.Send(Frame(kSettings, kAck, 0, {}));
    if (frame.type == kPing && (frame.flags & kAck) == 0) socket.Send(Frame(kPing, kAck, 0, frame.payload));
    if (frame.type == type && frame.stream == stream) return frame;
  }
}

RawSocket AcceptClient(RawListener& listener) {
  RawSocket socket = listener.Accept();
  socket.Receive(kPreface.size());
  socket.Send(Frame(kSettings, 0, 0, {}));
  return socket;
}

std::string AnswerOn(uint32_t stream) {
  return Frame(kHeaders, kEndHeaders, stream, Field(":status", "200") + Field("content-type", "application/grpc")) +
         GrpcData(stream, "", false) + Frame(kHeaders, kEndHeaders | kEndStream, stream, Field("grpc-status", "0"));
}

}  // namespace culvert::e2e
