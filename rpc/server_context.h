#ifndef CULVERT_RPC_SERVER_CONTEXT_H_
#define CULVERT_RPC_SERVER_CONTEXT_H_

// What a handler knows of the call it serves, and what it may say beside its messages.
//
// Lives as long as the handler runs. Used from the call's event loop, where handlers run.

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "rpc/metadata.h"
#include "transport/base/recycled.h"
#include "transport/io/peer_certificate.h"

namespace culvert {

class EventLoop;
namespace rpc {
class ServerCall;
}

class ServerContext {
 public:
  using Clock = std::chrono::steady_clock;

  ServerContext(const ServerContext&) = delete;
  ServerContext& operator=(const ServerContext&) = delete;

  // The client's custom metadata.
  const Metadata& metadata() const;

  // Sent before the first message, or with the status when there is none; changes after that are lost.
  Metadata& initial_metadata() { return Made(initial_metadata_); }
  // Sends the initial metadata now rather than with the first message.
  void SendInitialMetadata();
  // Sent with the status.
  Metadata& trailing_metadata() { return Made(trailing_metadata_); }

  // When the client gives up (its grpc-timeout, counted from the request's arrival); Clock::time_point::max() when it never does.
  Clock::time_point deadline() const;

  // The client cancelled, its connection is gone, or the deadline has passed. A coroutine handler is then cancelled: its suspended asio operation
  // ends with operation_aborted, Read and Write answer false, and what it returns is dropped.
  bool cancelled() const { return cancelled_; }

  // "/package.Service/Method".
  std::string_view method() const;
  // "ipv4:127.0.0.1:50051".
  std::string peer() const;
  // Who the client is: the certificate that it has shown in mutual TLS, verified. Null: it has shown none, or it is not TLS. Made when the
  // connection's first call asks for it; good for as long as it is kept.
  std::shared_ptr<const io::PeerCertificate> peer_certificate() const;
  // The loop that the call, its connection and its handler live on.
  EventLoop& loop() const;

 private:
  friend class rpc::ServerCall;
  explicit ServerContext(rpc::ServerCall& call) : call_(call) {}

  static Metadata& Made(std::unique_ptr<Metadata>& metadata) {
    if (metadata == nullptr) metadata = std::make_unique<Metadata>();
    return *metadata;
  }

  struct Received : Metadata, base::Recycled {
    explicit Received(Metadata metadata) : Metadata(std::move(metadata)) {}
  };

  rpc::ServerCall& call_;
  std::unique_ptr<Received> metadata_;  // if there is any; so with the next two: a stream that waits is small
  std::unique_ptr<Metadata> initial_metadata_;
  std::unique_ptr<Metadata> trailing_metadata_;
  bool cancelled_ = false;
};

}  // namespace culvert

#endif  // CULVERT_RPC_SERVER_CONTEXT_H_
