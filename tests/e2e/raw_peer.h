#ifndef CULVERT_TESTS_E2E_RAW_PEER_H_
#define CULVERT_TESTS_E2E_RAW_PEER_H_

// Peers that are no library: plain blocking sockets that say exactly the bytes they are told to, and HTTP/2 bytes written out by hand, so that
// what Culvert is shown here does not come from Culvert.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace culvert::e2e {

// One TCP connection. Every wait is bounded; a failure of the system's fails the test.
class RawSocket {
 public:
  explicit RawSocket(int fd) : fd_(fd) {}
  RawSocket(RawSocket&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  ~RawSocket() { Close(); }

  // To "127.0.0.1:port". `receive_buffer`: bytes that the kernel may keep for us unread, 0 for as many as it likes.
  static RawSocket Connect(std::string_view address, int receive_buffer = 0);

  // False when the peer does not take it any more.
  bool Send(std::string_view bytes);
  // As many of the bytes as go without waiting, which may be none; nullopt when the connection is over.
  std::optional<size_t> TrySend(std::string_view bytes);
  // Exactly `n` bytes, or fewer when the peer ends the connection or does not send.
  std::string Receive(size_t n);
  // Whether the peer ends the connection, well or by a reset; what it still sends is dropped.
  bool ReceiveEnd();
  void Close();
  // Closes with a TCP reset.
  void Abort();

 private:
  int fd_;
};

// A listening socket on a free port of 127.0.0.1.
class RawListener {
 public:
  RawListener();
  ~RawListener();
  RawListener(const RawListener&) = delete;

  const std::string& address() const { return address_; }
  RawSocket Accept();

 private:
  int fd_;
  std::string address_;
};

// --- HTTP/2, RFC 9113 ---

inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

enum FrameType : uint8_t {
  kData = 0,
  kHeaders = 1,
  kPriority = 2,
  kRstStream = 3,
  kSettings = 4,
  kPushPromise = 5,
  kPing = 6,
  kGoAway = 7,
  kWindowUpdate = 8,
  kContinuation = 9,
};
inline constexpr uint8_t kEndStream = 1;
inline constexpr uint8_t kAck = 1;
inline constexpr uint8_t kEndHeaders = 4;

std::string Frame(FrameType type, uint8_t flags, uint32_t stream, std::string_view payload);

// A field as HPACK has it at its plainest: a literal, not indexed, not Huffman-coded (RFC 7541 6.2.2).
std::string Field(std::string_view name, std::string_view value);

// The fields of the first header block that a peer has sent on its connection; empty when they are not HPACK. Decoded by nghttp2.
std::map<std::string, std::string> FirstFields(std::string_view block);

// The head of a gRPC request, without END_STREAM.
std::string GrpcHead(uint32_t stream, std::string_view path, std::string_view more_fields = {});

// A message in its envelope, as DATA.
std::string GrpcData(uint32_t stream, std::string_view message, bool end);

struct ReceivedFrame {
  uint8_t type = 0;
  uint8_t flags = 0;
  uint32_t stream = 0;
  std::string payload;
};
// The next frame of that type on that stream; others are dropped, and SETTINGS and PING answered. Nullopt when the connection ends before.
std::optional<ReceivedFrame> ReceiveFrame(RawSocket& socket, FrameType type, uint32_t stream);

// A client's connection, as far as its preface and our SETTINGS.
RawSocket AcceptClient(RawListener& listener);
// The response to its call on that stream: OK, with an empty message.
std::string AnswerOn(uint32_t stream);

}  // namespace culvert::e2e

#endif  // CULVERT_TESTS_E2E_RAW_PEER_H_
