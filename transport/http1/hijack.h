#ifndef CULVERT_TRANSPORT_HTTP1_HIJACK_H_
#define CULVERT_TRANSPORT_HTTP1_HIJACK_H_

// What is left of a connection once it has been taken over: its stream with what was read too early, and its
// write buffer.

#include <memory>

#include "transport/http/exchange.h"
#include "transport/io/byte_stream.h"
#include "transport/io/read_buffer.h"
#include "transport/io/write_buffer.h"

namespace culvert::http1 {

// Ends the waits of `stream` and puts what `input` has not consumed before it, copied into memory of just
// that size; `input` is then consumed, but spans into it stay readable as after any Consume.
http::Hijacked HandOver(std::unique_ptr<io::ByteStream> stream, io::ReadBuffer& input,
                        std::unique_ptr<io::WriteBuffer> output);

}  // namespace culvert::http1

#endif  // CULVERT_TRANSPORT_HTTP1_HIJACK_H_
