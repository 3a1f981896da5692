#ifndef CULVERT_TESTS_SUPPORT_FRAME_SCRIPT_FRAME_SCRIPT_H_
#define CULVERT_TESTS_SUPPORT_FRAME_SCRIPT_FRAME_SCRIPT_H_

// What a peer says, written down like a transcript, and what it is told, read back as one.
//
//   FrameScript peer;                          // one per connection: the HPACK table goes on from call to
//   call Send(peer.ClientPreface().Settings({}).Headers(1, {{":method", "GET"}, ...}, kEndStream).Bytes());
//   FrameTranscript heard;
//   EXPECT_EQ(heard.Read(Receive()), "SETTINGS ACK\nHEADERS stream=1 END_STREAM END_HEADERS :status=200\n");
//
// A script breaks any rule that it is told to break. Pure.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "transport/frame/constants.h"
#include "transport/frame/frame.h"
#include "transport/frame/framer.h"
#include "transport/hpack/encoder.h"
#include "transport/http/header_list.h"
#include "transport/io/block_pool.h"
#include "transport/io/write_buffer.h"

namespace culvert::testing_support {

using Fields = std::vector<http::HeaderField>;

inline constexpr uint8_t kEndStream = frame::flags::kEndStream;

class FrameScript {
 public:
  FrameScript& ClientPreface();
  FrameScript& Settings(const std::vector<frame::Setting>& settings);
  FrameScript& SettingsAck();
  // Cut into CONTINUATIONs beyond `most` bytes.
  FrameScript& Headers(frame::StreamId id, const Fields& fields, uint8_t flags = 0,
                       uint32_t most = frame::kMinMaxFrameSize);
  FrameScript& Data(frame::StreamId id, std::string_view data, uint8_t flags = 0);
  // The payload is as long as `data`, `padding` and the octet that says so.
  FrameScript& PaddedData(frame::StreamId id, std::string_view data, uint8_t padding, uint8_t flags = 0);
  FrameScript& Priority(frame::StreamId id, const frame::Priority& priority);
  FrameScript& RstStream(frame::StreamId id, frame::ErrorCode code);
  FrameScript& PushPromise(frame::StreamId id, frame::StreamId promised, const Fields& fields);
  // `opaque`: eight bytes.
  FrameScript& Ping(std::string_view opaque, bool ack = false);
  FrameScript& GoAway(frame::StreamId last, frame::ErrorCode code, std::string_view debug = {});
  FrameScript& WindowUpdate(frame::StreamId id, uint32_t increment);
  // Any frame, malformed ones included.
  FrameScript& Raw(frame::FrameType type, uint8_t flags, frame::StreamId id, std::string_view payload);

  // What was written since the last call.
  std::string Bytes();

 private:
  io::BlockPool pool_;
  hpack::Encoder encoder_;
  io::WriteBuffer out_{pool_};
};

// Reads frames through a framer of its own: one line each as frame::Describe puts it, without the length
// where only the length of an encoding would be told (everywhere but in DATA).
class FrameTranscript {
 public:
  enum class From { kClient, kServer };
  explicit FrameTranscript(From from);

  // The frames that `bytes` complete, each line with its end; an error ends the transcript with "error: ...".
  std::string Read(std::string_view bytes);

  // Of all DATA frames so far: payloads joined.
  const std::string& data(frame::StreamId id) { return data_[id]; }

 private:
  io::BlockPool pool_;
  frame::Framer framer_;
  std::map<frame::StreamId, std::string> data_;
};

}  // namespace culvert::testing_support

#endif  // CULVERT_TESTS_SUPPORT_FRAME_SCRIPT_FRAME_SCRIPT_H_
