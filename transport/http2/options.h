#ifndef CULVERT_TRANSPORT_HTTP2_OPTIONS_H_
#define CULVERT_TRANSPORT_HTTP2_OPTIONS_H_

// What one HTTP/2 connection allows and promises. Defaults are meant for servers on open networks.

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "transport/frame/framer.h"

namespace culvert::http2 {

enum class Role { kClient, kServer };

// The longest DATA frame that we send, and that our clients take: a message of 64 KiB lies in one, with what stands before it. So its receiver
// need not gather it.
inline constexpr uint32_t kLargeFrame = 65 * 1024;

struct Options {
  // --- advertised in our SETTINGS ---

  // Streams the peer may have open at once; a stream counts until its handler has ended. Server only.
  uint32_t max_concurrent_streams = 1000;
  // Bytes the peer may send on one stream before the application consumes them; grows up to max_window where that is faster.
  uint32_t initial_window = 256 * 1024;
  uint32_t max_frame_size = frame::kMinMaxFrameSize;
  // Decoded header list in bytes as RFC 9113 6.5.2 counts them. A longer request is answered with 431.
  uint32_t max_header_list_size = 64 * 1024;
  uint32_t max_header_fields = 256;
  // The dynamic table of the peer's encoder, of which our decoder keeps a copy: what a connection may hold for its heads between requests.
  uint32_t header_table_size = frame::kDefaultHeaderTableSize;

  // --- ours alone ---

  // Bytes the peer may send on the connection before it hears from us; grows likewise.
  uint32_t connection_window = 1024 * 1024;
  // Up to where windows grow for an application that keeps up with a fast peer, on a path that is long enough to need it: to 1 MiB on any, to
  // 8 MiB where a round trip takes 2 ms (see bandwidth_probe.h). At most 2^29. No growth below the two above.
  uint32_t max_window = 8 * 1024 * 1024;
  // Bytes that all streams together may have received and not consumed before the connection's window shrinks by what is more. So these and what
  // the peer may still send are never more than parked_budget + connection_window, or than the connection's window where that has grown beyond.
  size_t parked_budget = 2 * 1024 * 1024;
  // Bytes of memory that all streams together may hold for messages that are not whole yet (what came of them is consumed, and not parked):
  // sixteen of the largest that rpc takes by default. A stream that wants more fails, in gRPC with RESOURCE_EXHAUSTED, unless it is the only one
  // that holds any. To be raised where peers send more large messages at once.
  size_t unfinished_budget = 64 * 1024 * 1024;
  // Bytes of header lists, likewise counted, that all requests not yet released may have together, for each of max_concurrent_streams: handlers
  // may keep them. Beyond it new requests are refused. Trailers count while their request is held (send_queue_budget), and cost it its stream.
  size_t header_budget_per_stream = 2 * 1024;
  // Bytes written and not yet taken by the socket. Streams wait beyond it; control frames may pass it up to four times, then reading stops.
  size_t output_budget = 128 * 1024;
  // Bytes of responses that wait for the peer's windows, or for it to read. Beyond it requests are held: a new one is not given to its handler,
  // and one that its handler has not answered is not told its end, until the queue has shrunk to this. As large as one response or less: a
  // client that asks for many has one after the other begun as fast as it takes them, and whose windows are closed makes us keep two.
  size_t send_queue_budget = 1024 * 1024;
  // The dynamic table of our encoder, whatever larger one the peer offers.
  uint32_t encoder_table_size = 4096;

  // From the connection's start until the peer's SETTINGS have come.
  std::chrono::milliseconds handshake_timeout{10000};
  // From a HEADERS frame until the CONTINUATION that ends its block.
  std::chrono::milliseconds header_block_timeout{10000};
  // A server drains a connection that has had no stream for this long (at most half of it longer, and keepalive_timeout where it has just asked by
  // PING); 0: never.
  std::chrono::milliseconds idle_timeout{15 * 60 * 1000};
  // After so long without a byte from the peer a PING goes out, and without a byte within keepalive_timeout from then on the connection is closed. 0: no
  // PINGs; the sockets' own keepalive notices a peer that is gone, but not one that hangs. A client asks only while calls are under way, and
  // servers of gRPC's may refuse who asks more often than every five minutes. A client that a server drains has keepalive_timeout to answer, too.
  // keepalive_timeout has no 0: it means the default.
  std::chrono::milliseconds keepalive_time{0};
  std::chrono::milliseconds keepalive_timeout{20000};
  // How often a client may ask us by PING while it has no stream open; more often costs it the connection: ENHANCE_YOUR_CALM "too_many_pings". 0: as
  // it likes. It is what gRPC servers ask for, so that whoever talks to gRPC keeps to it. A client that asks every 30 s loses only a connection that
  // it does not use, which idle_timeout would end all the same. With a stream open a ping every 5 s is free, and one after each head or
  // DATA that we send (see AbuseGuard::OnPing). Server only: a client asks its server for work, and may be asked in return.
  std::chrono::milliseconds min_ping_interval{300000};
  // Early pings that are let pass: peers measure round trips when they connect, and clocks differ.
  int max_ping_strikes = 2;
  // A peer that takes nothing from a full socket for this long is cut off.
  std::chrono::milliseconds write_timeout{30000};
  // A new request that was held for so long, while the queue has not become shorter, is refused with REFUSED_STREAM, so that its client may
  // try elsewhere. Longer than lost packets or a busy client make a connection stand still; shorter than the deadlines that calls commonly
  // have. A call's own deadline begins when its handler is given its head: the time on hold is not counted.
  std::chrono::milliseconds held_timeout{10000};
  // A response whose handler has ended, and of which the peer's windows let nothing go out for this long (at least half of it, and a 200th of
  // write_stall_timeout), is reset.
  std::chrono::milliseconds stall_timeout{120000};
  // The same for a handler that waits to write, or has written more than the windows let out: after at least this long its stream is reset. As long
  // as idle_timeout, since who watches may honestly stop to read for minutes. 0: never. Server only: a client's calls have deadlines.
  std::chrono::milliseconds write_stall_timeout{15 * 60 * 1000};
};

}  // namespace culvert::http2

#endif  // CULVERT_TRANSPORT_HTTP2_OPTIONS_H_
