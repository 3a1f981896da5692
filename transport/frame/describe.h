#ifndef CULVERT_TRANSPORT_FRAME_DESCRIBE_H_
#define CULVERT_TRANSPORT_FRAME_DESCRIBE_H_

// One line per frame, for CULVERT_DEBUG=frames and for test failures. Header values of sensitive fields (authorization, cookie, any
// marked sensitive) are shown as their length only; peer bytes are escaped.

#include <span>
#include <string>

#include "transport/frame/frame.h"

namespace culvert::frame {

// "HEADERS stream=1 len=34 END_STREAM END_HEADERS :method=POST :path=/a.B/C"
// "DATA stream=1 len=21 END_STREAM data=\x00\x00\x00\x00\x10..." (first 16 bytes)
// "SETTINGS len=12 INITIAL_WINDOW_SIZE=65535 MAX_FRAME_SIZE=16384", "GOAWAY len=8 last=0 NO_ERROR ..."
std::string Describe(const Frame& frame);

// The frames in `bytes` as we serialized them, header blocks left encoded, one line each, joined by '\n'; a torn end is said so.
std::string DescribeBytes(std::span<const uint8_t> bytes);

}  // namespace culvert::frame

#endif  // CULVERT_TRANSPORT_FRAME_DESCRIBE_H_
