#include "transport/http1/hijack.h"

#include <utility>

#include "transport/io/prefixed_stream.h"

namespace culvert::http1 {

http::Hijacked HandOver(std::unique_ptr<io::ByteStream> stream, io::ReadBuffer& input,
                        std::unique_ptr<io::WriteBuffer> output) {
  // A wait moves no bytes: ending it loses none, they are in the socket.
  stream->CancelWaits();
  http::Hijacked hijacked;
  hijacked.stream = io::PrefixedStream::Make(input.unread(), std::move(stream));
  hijacked.write_buffer = std::move(output);
  input.Consume(input.unread().size());
  return hijacked;
}

}  // namespace culvert::http1
