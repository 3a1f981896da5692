#ifndef CULVERT_TRANSPORT_HTTP2_STREAM_STATE_H_
#define CULVERT_TRANSPORT_HTTP2_STREAM_STATE_H_

// The states of a stream (RFC 9113 5.1), without the reserved ones: push is never enabled. Pure.
//
//                    HEADERS                    END_STREAM by us
//           idle  ------------>  open  ------------------------>  half-closed (local)
//                                 |                                     |
//                   END_STREAM by | the peer                            | END_STREAM by the peer, or RST_STREAM
//                                 v            END_STREAM by us         v
//                         half-closed (remote) ------------------->  closed
//
// The functions say what the state becomes; kClosed in answer to an event that is not allowed there would be wrong, so ask
// CanSend and CanReceive first.

#include <cstdint>

namespace culvert::http2 {

enum class StreamState : uint8_t { kIdle, kOpen, kHalfClosedLocal, kHalfClosedRemote, kClosed };

constexpr bool CanSend(StreamState s) { return s == StreamState::kOpen || s == StreamState::kHalfClosedRemote; }
constexpr bool CanReceive(StreamState s) { return s == StreamState::kOpen || s == StreamState::kHalfClosedLocal; }

constexpr StreamState OnSendEnd(StreamState s) {
  switch (s) {
    case StreamState::kIdle:
    case StreamState::kOpen:
      return StreamState::kHalfClosedLocal;
    case StreamState::kHalfClosedLocal:
      return StreamState::kHalfClosedLocal;
    case StreamState::kHalfClosedRemote:
    case StreamState::kClosed:
      return StreamState::kClosed;
  }
  __builtin_unreachable();
}

constexpr StreamState OnReceiveEnd(StreamState s) {
  switch (s) {
    case StreamState::kIdle:
    case StreamState::kOpen:
      return StreamState::kHalfClosedRemote;
    case StreamState::kHalfClosedRemote:
      return StreamState::kHalfClosedRemote;
    case StreamState::kHalfClosedLocal:
    case StreamState::kClosed:
      return StreamState::kClosed;
  }
  __builtin_unreachable();
}

}  // namespace culvert::http2

#endif  // CULVERT_TRANSPORT_HTTP2_STREAM_STATE_H_
