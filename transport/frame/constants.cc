#include "transport/frame/constants.h"

namespace culvert::frame {

std::string_view FrameTypeName(FrameType type) {
  switch (type) {
    case FrameType::kData:
      return "DATA";
    case FrameType::kHeaders:
      return "HEADERS";
    case FrameType::kPriority:
      return "PRIORITY";
    case FrameType::kRstStream:
      return "RST_STREAM";
    case FrameType::kSettings:
      return "SETTINGS";
    case FrameType::kPushPromise:
      return "PUSH_PROMISE";
    case FrameType::kPing:
      return "PING";
    case FrameType::kGoAway:
      return "GOAWAY";
    case FrameType::kWindowUpdate:
      return "WINDOW_UPDATE";
    case FrameType::kContinuation:
      return "CONTINUATION";
    case FrameType::kPriorityUpdate:
      return "PRIORITY_UPDATE";
  }
  return "UNKNOWN";
}

std::string_view ErrorCodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNoError:
      return "NO_ERROR";
    case ErrorCode::kProtocolError:
      return "PROTOCOL_ERROR";
    case ErrorCode::kInternalError:
      return "INTERNAL_ERROR";
    case ErrorCode::kFlowControlError:
      return "FLOW_CONTROL_ERROR";
    case ErrorCode::kSettingsTimeout:
      return "SETTINGS_TIMEOUT";
    case ErrorCode::kStreamClosed:
      return "STREAM_CLOSED";
    case ErrorCode::kFrameSizeError:
      return "FRAME_SIZE_ERROR";
    case ErrorCode::kRefusedStream:
      return "REFUSED_STREAM";
    case ErrorCode::kCancel:
      return "CANCEL";
    case ErrorCode::kCompressionError:
      return "COMPRESSION_ERROR";
    case ErrorCode::kConnectError:
      return "CONNECT_ERROR";
    case ErrorCode::kEnhanceYourCalm:
      return "ENHANCE_YOUR_CALM";
    case ErrorCode::kInadequateSecurity:
      return "INADEQUATE_SECURITY";
    case ErrorCode::kHttp11Required:
      return "HTTP_1_1_REQUIRED";
  }
  return "UNKNOWN";
}

std::string_view SettingName(SettingId id) {
  switch (id) {
    case SettingId::kHeaderTableSize:
      return "HEADER_TABLE_SIZE";
    case SettingId::kEnablePush:
      return "ENABLE_PUSH";
    case SettingId::kMaxConcurrentStreams:
      return "MAX_CONCURRENT_STREAMS";
    case SettingId::kInitialWindowSize:
      return "INITIAL_WINDOW_SIZE";
    case SettingId::kMaxFrameSize:
      return "MAX_FRAME_SIZE";
    case SettingId::kMaxHeaderListSize:
      return "MAX_HEADER_LIST_SIZE";
    case SettingId::kEnableConnectProtocol:
      return "ENABLE_CONNECT_PROTOCOL";
    case SettingId::kNoRfc7540Priorities:
      return "NO_RFC7540_PRIORITIES";
  }
  return "UNKNOWN";
}

}  // namespace culvert::frame
