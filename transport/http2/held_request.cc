#include "transport/http2/held_request.h"

#include <utility>

#include "absl/status/statusor.h"
#include "transport/base/check.h"
#include "transport/http/validate.h"
#include "transport/http2/stream.h"

namespace culvert::http2 {

HeldRequest::HeldRequest(HeldRequests& queue, Stream& stream, const http::HeaderList& head, bool end)
    : queue_(queue), stream_(stream), started_(false), ended_(end), head_(head) {
  stream_.receiver_ = this;
  stream_.request_held_ = true;
  queue_.requests.PushBack(this);
}

HeldRequest::HeldRequest(HeldRequests& queue, Stream& stream)
    : queue_(queue), stream_(stream), receiver_(stream.receiver_), started_(true) {
  stream_.receiver_ = this;
  stream_.request_held_ = true;
  queue_.requests.PushBack(this);
}

HeldRequest::~HeldRequest() {
  queue_.requests.Remove(this);
  if (gone_ != nullptr) *gone_ = true;
}

// What is told lives here until it was: this may be gone first.
void HeldRequest::Start(http::Handler& handler) {
  bool gone = false;
  gone_ = &gone;
  bool told_end = false;
  if (!std::exchange(started_, true)) {
    const http::HeaderList fields = std::move(head_);
    const absl::StatusOr<http::RequestHead> head = http::ReadRequestHead(fields.fields());
    CULVERT_CHECK(head.ok(), "a head that is held was found valid");
    told_end = ended_ && body_.empty() && trailers_ == nullptr;
    handler.OnRequest(stream_, *head, told_end);
    if (gone) return;
  }
  const std::vector<uint8_t> body = std::move(body_);
  const std::unique_ptr<http::HeaderList> trailers = std::move(trailers_);
  const bool ends_with_body = ended_ && !told_end && trailers == nullptr;
  if (receiver_ != nullptr && (!body.empty() || ends_with_body)) {
    receiver_->OnData(body, ends_with_body);
    if (gone) return;
  }
  if (receiver_ != nullptr && trailers != nullptr) {
    receiver_->OnTrailers(trailers->fields());
    if (gone) return;
  }
  GiveWay();
}

void HeldRequest::GiveWay() {
  stream_.receiver_ = receiver_;
  stream_.request_held_ = false;
  delete this;
}

void HeldRequest::Drop() {
  if (!body_.empty()) stream_.Consumed(body_.size());
  GiveWay();
}

void HeldRequest::OnHead(const http::ResponseHead&, bool) {}  // of clients

void HeldRequest::OnData(std::span<const uint8_t> bytes, bool end) {
  body_.insert(body_.end(), bytes.begin(), bytes.end());
  ended_ = end;
}

void HeldRequest::OnTrailers(std::span<const http::HeaderField> trailers) {
  trailers_ = std::make_unique<http::HeaderList>();
  for (const http::HeaderField& field : trailers) trailers_->Add(field.name, field.value, field.sensitive);
  ended_ = true;
}

void HeldRequest::OnWritable() {
  if (receiver_ != nullptr) receiver_->OnWritable();
}

void HeldRequest::OnClosed(const absl::Status& why, bool unprocessed) {
  if (!started_) return stream_.Release();
  http::Receiver* const receiver = receiver_;
  GiveWay();
  if (receiver != nullptr) receiver->OnClosed(why, unprocessed);
}

}  // namespace culvert::http2
