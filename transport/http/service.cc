#include "transport/http/service.h"

#include <algorithm>
#include <asio/cancellation_signal.hpp>
#include <asio/this_coro.hpp>
#include <cstring>
#include <exception>
#include <utility>
#include <vector>

#include "transport/base/log.h"
#include "transport/base/spawn.h"
#include "transport/base/status_macros.h"
#include "transport/base/strings.h"
#include "transport/base/waiter.h"
#include "transport/http/validate.h"
#include "transport/io/event_loop.h"

namespace culvert::http {

namespace {

// The fields as they may be sent by any version: names in lower case, and none that is about a connection, or is no field at all (RFC 9113
// 8.2). But a 101 names what the connection becomes (RFC 9110 15.2.2).
HeaderList AsSent(std::span<const HeaderField> fields, bool upgrades = false) {
  HeaderList sent;
  for (const HeaderField& field : fields) {
    std::string name(field.name);
    for (char& c : name) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    const bool allowed = !IsConnectionSpecific(name) || (upgrades && name == "upgrade");
    if (allowed && IsFieldName(name) && IsFieldValue(field.value)) sent.Add(name, field.value, field.sensitive);
  }
  return sent;
}

}  // namespace

// One request being served. Owns itself: gone when Serve has returned. What the client sends and nobody waits for is kept in `body_`, which
// the exchange's window bounds.
class Conversation final : public Receiver {
 public:
  Conversation(Exchange& exchange, const RequestHead& head, bool end)
      : exchange_(exchange), request_(*this, head), response_(*this), ended_(end) {
    exchange_.SetReceiver(this);
  }
  ~Conversation() {
    if (destroyed_ != nullptr) *destroyed_ = true;
  }

  void Start(Service& service) {
    base::Spawn(exchange_.loop().executor(), Run(service), [this](std::exception_ptr) { Done(); }, cancel_.slot());
  }

  Exchange& exchange() { return exchange_; }

  Task<absl::StatusOr<size_t>> Read(std::span<uint8_t> into) {
    if (into.empty()) co_return absl::InvalidArgumentError("read into an empty span: 0 would look like the end of the body");
    while (body_.empty()) {
      if (!failed_.ok()) co_return failed_;
      if (ended_ || hijacked_) co_return size_t{0};
      if (!!(co_await asio::this_coro::cancellation_state).cancelled()) co_await base::Checkpoint();
      co_await readable_.Wait();
    }
    const size_t n = std::min(into.size(), body_.size() - begin_);
    std::memcpy(into.data(), body_.data() + begin_, n);
    begin_ += n;
    if (begin_ > body_.size() / 2) {  // the rest moves, and takes no more memory than it needs, but not at every read
      body_ = std::vector<uint8_t>(body_.begin() + static_cast<ptrdiff_t>(begin_), body_.end());
      begin_ = 0;
    }
    if (failed_.ok()) exchange_.Consumed(n);
    co_return n;
  }

  Task<absl::Status> Write(std::string_view bytes) {
    SendHead(200, {});
    CULVERT_CO_RETURN_IF_ERROR(Sendable());
    if (bytes.empty()) co_return absl::OkStatus();
    if (uint8_t* out = exchange_.TrySendInPlace(bytes.size(), false)) {
      std::memcpy(out, bytes.data(), bytes.size());
      co_return absl::OkStatus();
    }
    exchange_.SendData(io::SharedBytes::Copy(bytes), false);
    // OnWritable comes only to those who have met no room: not to who has just filled the last of it.
    while (failed_.ok() && !exchange_.writable()) {
      if (!!(co_await asio::this_coro::cancellation_state).cancelled()) co_await base::Checkpoint();
      co_await writable_.Wait();
    }
    co_return failed_;
  }

  void SendHead(int status, std::span<const HeaderField> fields) {
    if (head_sent_ || !Sendable().ok()) return;
    if (status == 101 && exchange_.http_major() != 1) return;  // RFC 9113 8.6
    const HeaderList sent = AsSent(fields, status == 101);
    if (status / 100 == 1 && status != 101) return exchange_.SendHead({.status = status, .fields = sent.fields()}, false);
    head_sent_ = true;
    bodiless_ = request_.head().method == "HEAD" || status == 204 || status == 304;  // RFC 9110 6.4.1
    exchange_.SendHead({.status = status, .fields = sent.fields()}, bodiless_);
  }

  void Finish(std::span<const HeaderField> trailers) {
    SendHead(200, {});
    if (!Sendable().ok()) return;
    finished_ = true;
    if (trailers.empty()) {
      exchange_.SendData({}, true);
    } else {
      exchange_.SendTrailers(AsSent(trailers).fields());
    }
  }

  absl::StatusOr<Hijacked> Hijack() {
    CULVERT_RETURN_IF_ERROR(Sendable());
    CULVERT_ASSIGN_OR_RETURN(Hijacked hijacked, exchange_.Hijack());
    hijacked_ = true;
    return hijacked;
  }

 private:
  Task<void> Run(Service& service) {
    try {
      co_await service.Serve(request_, response_);
    } catch (const std::exception& error) {
      OnThrown(error.what());
    } catch (...) {
      OnThrown("something that is no std::exception");
    }
  }

  void OnThrown(std::string_view what) {
    threw_ = true;
    // Who is cancelled because the client is gone may well throw.
    if (failed_.ok()) base::LogLine(StrCat("an HTTP handler threw: ", what));
  }

  absl::Status Sendable() const {
    if (hijacked_) return absl::FailedPreconditionError("the connection was hijacked");
    if (bodiless_) return absl::FailedPreconditionError("the response has no body");
    if (finished_) return absl::FailedPreconditionError("the response is finished");
    return failed_;
  }

  void Done() {
    if (Sendable().ok()) {
      if (!head_sent_) {
        exchange_.SendHead({.status = 500, .fields = {}}, true);
      } else if (!threw_) {
        Finish({});
      }
    }
    exchange_.Release();  // without an end: the client sees that it is not the whole response
    delete this;
  }

  void OnHead(const ResponseHead&, bool) override {}  // of clients
  void OnData(std::span<const uint8_t> bytes, bool end) override {
    body_.insert(body_.end(), bytes.begin(), bytes.end());
    ended_ = ended_ || end;
    readable_.Wake();  // may destroy the conversation
  }
  void OnTrailers(std::span<const HeaderField>) override {
    ended_ = true;
    readable_.Wake();
  }
  void OnWritable() override { writable_.Wake(); }
  void OnClosed(const absl::Status& why, bool) override {
    failed_ = why;
    bool destroyed = false;
    destroyed_ = &destroyed;
    cancel_.emit(asio::cancellation_type::terminal);  // resumes whoever waits, from the loop
    // But for those whom no cancellation reaches: a coroutine that Serve has spawned without its slot, or one that has switched it off.
    if (!destroyed) readable_.Wake();
    if (!destroyed) writable_.Wake();
    if (!destroyed) destroyed_ = nullptr;
  }

  Exchange& exchange_;
  Request request_;
  Response response_;
  base::Waiter readable_;
  base::Waiter writable_;
  asio::cancellation_signal cancel_;
  std::vector<uint8_t> body_;
  size_t begin_ = 0;  // of what is unread in body_
  absl::Status failed_;
  bool ended_;
  bool head_sent_ = false;
  bool bodiless_ = false;  // and thus finished with its head
  bool finished_ = false;
  bool hijacked_ = false;
  bool threw_ = false;
  bool* destroyed_ = nullptr;  // to be told of the destruction; see OnClosed
};

namespace {

// Copies `text` into `storage` and answers where it lies there.
std::string_view Keep(HeaderList& storage, std::string_view text) {
  storage.Add("", text);
  return storage[storage.size() - 1].value;
}

}  // namespace

Request::Request(Conversation& conversation, const RequestHead& head) : conversation_(conversation) {
  // Over HTTP/2 cookies may come in crumbs; a handler is given one (RFC 9113 8.2.3).
  std::string cookie;
  for (const HeaderField& field : head.fields) {
    if (field.name != "cookie") {
      storage_.Add(field.name, field.value, field.sensitive);
    } else {
      if (!cookie.empty()) cookie += "; ";
      cookie += field.value;
    }
  }
  if (!cookie.empty()) storage_.Add("cookie", cookie, true);
  const size_t count = storage_.size();
  head_.method = Keep(storage_, head.method);
  head_.scheme = Keep(storage_, head.scheme);
  head_.authority = Keep(storage_, head.authority);
  head_.path = Keep(storage_, head.path);
  head_.protocol = Keep(storage_, head.protocol);
  head_.fields = storage_.fields().first(count);
}

std::string Request::peer() const { return conversation_.exchange().peer(); }
std::shared_ptr<const io::PeerCertificate> Request::peer_certificate() const {
  return conversation_.exchange().peer_certificate();
}
int Request::http_major() const { return conversation_.exchange().http_major(); }
EventLoop& Request::loop() const { return conversation_.exchange().loop(); }

Task<absl::StatusOr<size_t>> Request::Read(std::span<uint8_t> into) { return conversation_.Read(into); }

Task<absl::StatusOr<std::string>> Request::ReadAll(size_t limit) {
  std::string all;
  uint8_t piece[4096];
  for (;;) {
    CULVERT_CO_ASSIGN_OR_RETURN(const size_t n, co_await Read(piece));
    if (n == 0) co_return all;
    if (all.size() + n > limit) co_return absl::ResourceExhaustedError(StrCat("request body exceeds ", limit, " bytes"));
    all.append(reinterpret_cast<const char*>(piece), n);
  }
}

void Response::SendHead(int status, const HeaderList& fields) { conversation_.SendHead(status, fields.fields()); }
Task<absl::Status> Response::Write(std::string_view bytes) { return conversation_.Write(bytes); }
void Response::Finish() { conversation_.Finish({}); }
void Response::Finish(const HeaderList& trailers) { conversation_.Finish(trailers.fields()); }
absl::StatusOr<Hijacked> Response::Hijack() { return conversation_.Hijack(); }

void Service::OnRequest(Exchange& exchange, const RequestHead& head, bool end) { (new Conversation(exchange, head, end))->Start(*this); }

}  // namespace culvert::http
