// Frame reuse under load, over real sockets: 8 workers make 25 calls each, with headers, bodies and trailers both ways, and every byte is
// looked at where it arrives. Meant for AddressSanitizer and ThreadSanitizer; built twice, with reuse on and with CULVERT_HTTP2_REUSE_FRAMES=0.
//
// What a call sends follows from its number, so that either side knows each byte that the other must have sent: what has bled from one frame
// into another, or was kept past its lease, is of another number.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "rpc/block.h"
#include "rpc/stub.h"
#include "tests/e2e/fixture.h"
#include "transport/base/strings.h"
#include "transport/client/connection.h"
#include "transport/frame/framer.h"
#include "transport/http/exchange.h"

#ifndef CULVERT_EXPECTS_REUSE
#error "the target says whether frames are reused"
#endif

namespace culvert::e2e {
namespace {

constexpr uint32_t kWorkers = 8;
constexpr uint32_t kCalls = 25;

using Entries = std::vector<std::pair<std::string, std::string>>;

// Of each call there are several texts: which one is the `part`.
enum Part : uint32_t { kRequestHead = 1, kRequestBody, kRequestTrailers, kResponseHead, kResponseBody, kResponseTrailers };

// Bytes that are not those of any other call's, or part's, for long.
char ByteAt(uint32_t number, Part part, size_t i) {
  uint32_t mixed = (number * 8 + part) * 2654435761u + static_cast<uint32_t>(i) * 40503u;
  mixed ^= mixed >> 15;
  return static_cast<char>(mixed * 2246822519u >> 24);
}
std::string Bytes(uint32_t number, Part part, size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = ByteAt(number, part, i);
  return bytes;
}
std::string Printable(uint32_t number, Part part, size_t size) {
  std::string text = Bytes(number, part, size);
  for (char& c : text) c = static_cast<char>('!' + static_cast<uint8_t>(c) % 90);
  return text;
}

// The metadata of one head or trailers. Now and then more than fits into one frame, so that CONTINUATION follows.
Entries Fields(uint32_t number, Part part) {
  Entries entries = {{"x-number", std::to_string(number)},
                     {"x-text", Printable(number, part, 1 + number % 200)},
                     {StrCat("x-name-", number % 7), Printable(number, part, 20)}};
  if (number % 5 == part % 5) entries.emplace_back("x-large", Printable(number, part, 20000 + number));
  return entries;
}
// And bytes, for gRPC.
Entries Metadata(uint32_t number, Part part) {
  Entries entries = Fields(number, part);
  entries.emplace_back("x-bytes-bin", Bytes(number, part, number % 300));
  return entries;
}

// Messages are of all sizes from nothing to more than two frames.
size_t SizeOf(uint32_t number, uint32_t message) { return (number * 7919 + message * 104729) % 40000 * (message % 3); }

// --- gRPC ---

Entries Copy(const culvert::Metadata& metadata) {
  Entries entries;
  for (const culvert::Metadata::Entry& entry : metadata) entries.emplace_back(entry.name, entry.value);
  return entries;
}
void AddTo(culvert::Metadata& metadata, const Entries& entries) {
  for (const auto& [key, value] : entries) EXPECT_OK(metadata.Add(key, value));
}

constexpr uint32_t kMessages = 5;

class CheckingService : public interop::TestService {
 public:
  Unary<SimpleResponse> UnaryCall(ServerContext& call, const SimpleRequest& request) override {
    const uint32_t number = Begin(call);
    EXPECT_TRUE(request.payload().body() == Bytes(number, kRequestBody, SizeOf(number, 1)));
    SimpleResponse response;
    response.mutable_payload()->set_body(Bytes(number, kResponseBody, SizeOf(number, 2)));
    return response;
  }

  Task<absl::Status> FullDuplexCall(ServerContext& call, DuplexStream& stream) override {
    const uint32_t number = Begin(call);
    StreamingOutputCallRequest request;
    StreamingOutputCallResponse response;
    uint32_t message = 0;
    while (co_await stream.Read(request)) {
      EXPECT_TRUE(request.payload().body() == Bytes(number + message, kRequestBody, SizeOf(number, message)));
      response.mutable_payload()->set_body(Bytes(number + message, kResponseBody, SizeOf(number, message + 1)));
      if (!co_await stream.Write(response)) break;
      ++message;
    }
    EXPECT_EQ(message, kMessages);
    co_return absl::OkStatus();
  }

 private:
  static uint32_t Begin(ServerContext& call) {
    const uint32_t number = static_cast<uint32_t>(std::stoul(std::string(call.metadata().Find("x-number").value_or("0"))));
    EXPECT_EQ(Copy(call.metadata()), Metadata(number, kRequestHead));
    AddTo(call.initial_metadata(), Metadata(number, kResponseHead));
    AddTo(call.trailing_metadata(), Metadata(number, kResponseTrailers));
    return number;
  }
};

void CallUnary(const Stub& stub, ClientContext& context, uint32_t number) {
  SimpleRequest request;
  request.mutable_payload()->set_body(Bytes(number, kRequestBody, SizeOf(number, 1)));
  const absl::StatusOr<SimpleResponse> response = stub.UnaryCall(context, request, kBlock);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_TRUE(response->payload().body() == Bytes(number, kResponseBody, SizeOf(number, 2)));
}

// `in_turn`: each response is read before the next request is written, so that readers wait. Otherwise responses come while nobody reads.
void CallDuplex(const Stub& stub, ClientContext& context, uint32_t number, bool in_turn) {
  auto stream = stub.FullDuplexCall(context);
  StreamingOutputCallRequest request;
  StreamingOutputCallResponse response;
  const auto write = [&](uint32_t message) {
    request.mutable_payload()->set_body(Bytes(number + message, kRequestBody, SizeOf(number, message)));
    EXPECT_TRUE(stream.Write(request, kBlock));
  };
  const auto read = [&](uint32_t message) {
    EXPECT_TRUE(stream.Read(response, kBlock));
    EXPECT_TRUE(response.payload().body() == Bytes(number + message, kResponseBody, SizeOf(number, message + 1)));
  };
  for (uint32_t message = 0; message < kMessages; ++message) {
    write(message);
    if (in_turn) read(message);
  }
  stream.WritesDone();
  if (!in_turn) {
    for (uint32_t message = 0; message < kMessages; ++message) read(message);
  }
  EXPECT_FALSE(stream.Read(response, kBlock));
  EXPECT_OK(stream.Finish(kBlock));
}

// --- HTTP, where requests have trailers too ---

// Compares the fields where they lie, the names that HTTP itself uses aside.
void ExpectFields(std::span<const http::HeaderField> fields, uint32_t number, Part part) {
  const Entries expected = Fields(number, part);
  size_t i = 0;
  for (const http::HeaderField& field : fields) {
    if (!field.name.starts_with("x-")) continue;
    ASSERT_LT(i, expected.size()) << field.name;
    EXPECT_EQ(field.name, expected[i].first);
    EXPECT_TRUE(field.value == expected[i].second) << field.name << " of call " << number << ", part " << part;
    ++i;
  }
  EXPECT_EQ(i, expected.size()) << "call " << number << ", part " << part;
}

void ExpectBytes(std::span<const uint8_t> bytes, uint32_t number, Part part, size_t offset) {
  size_t wrong = 0;
  for (size_t i = 0; i < bytes.size(); ++i) wrong += static_cast<char>(bytes[i]) != ByteAt(number, part, offset + i);
  EXPECT_EQ(wrong, 0u) << "call " << number << ", part " << part;
}

http::HeaderList ToList(const Entries& entries) {
  http::HeaderList list;
  for (const auto& [name, value] : entries) list.Add(name, value);
  return list;
}

constexpr size_t kBodyPieces = 4;
size_t BodySize(uint32_t number) { return kBodyPieces * (number % 97) * 150; }

// Sends a body in pieces, and trailers.
void SendRest(http::Exchange& exchange, uint32_t number, Part body, Part trailers) {
  const std::string bytes = Bytes(number, body, BodySize(number));
  const size_t piece = bytes.size() / kBodyPieces;
  for (size_t i = 0; i < kBodyPieces && piece != 0; ++i) {
    exchange.SendData(io::SharedBytes::Copy(std::string_view(bytes).substr(i * piece, piece)), false);
  }
  exchange.SendTrailers(ToList(Fields(number, trailers)).fields());
}

// One request on the server. Owns itself until it has released its exchange.
class Answer final : public http::Receiver {
 public:
  Answer(http::Exchange& exchange, const http::RequestHead& head) : exchange_(exchange) {
    exchange.SetReceiver(this);
    number_ = static_cast<uint32_t>(std::stoul(std::string(head.path.substr(1))));
    ExpectFields(head.fields, number_, kRequestHead);
  }

 private:
  void OnHead(const http::ResponseHead&, bool) override {}
  void OnData(std::span<const uint8_t> bytes, bool end) override {
    EXPECT_FALSE(end) << "no trailers";
    ExpectBytes(bytes, number_, kRequestBody, received_);
    received_ += bytes.size();
    if (!bytes.empty()) exchange_.Consumed(bytes.size());
  }
  void OnTrailers(std::span<const http::HeaderField> trailers) override {
    EXPECT_EQ(received_, BodySize(number_));
    ExpectFields(trailers, number_, kRequestTrailers);
    exchange_.SendHead({.status = 200, .fields = ToList(Fields(number_, kResponseHead)).fields()}, false);
    SendRest(exchange_, number_, kResponseBody, kResponseTrailers);
    End();
  }
  void OnWritable() override {}
  void OnClosed(const absl::Status& why, bool) override {
    ADD_FAILURE() << why;
    End();
  }
  void End() {
    exchange_.Release();
    delete this;
  }

  http::Exchange& exchange_;
  uint32_t number_ = 0;
  size_t received_ = 0;
};

class CheckingHandler final : public http::Handler {
 public:
  void OnRequest(http::Exchange& exchange, const http::RequestHead& head, bool end) override {
    EXPECT_FALSE(end);
    new Answer(exchange, head);
  }
};

// One request of a client, on its channel's loop.
class Question final : public http::Receiver, public client::SessionWaiter {
 public:
  Question(Channel& channel, uint32_t number) : channel_(channel), number_(number) {}

  void Ask() {
    channel_.loop().Post([this] { channel_.connection().Request(*this, true); });
    over_.WaitForNotification();  // who is still asking may not go away
  }

 private:
  void OnSession() override {
    const std::string path = StrCat("/", number_);
    const http::HeaderList fields = ToList(Fields(number_, kRequestHead));
    exchange_ = &channel_.connection().Open(
        {.method = "POST", .scheme = "http", .authority = "a", .path = path, .protocol = {}, .fields = fields.fields()}, *this, false);
    SendRest(*exchange_, number_, kRequestBody, kRequestTrailers);
  }
  void OnNoSession(const absl::Status& why) override {
    ADD_FAILURE() << why;
    over_.Notify();
  }
  void OnHead(const http::ResponseHead& head, bool end) override {
    EXPECT_EQ(head.status, 200);
    EXPECT_FALSE(end);
    ExpectFields(head.fields, number_, kResponseHead);
  }
  void OnData(std::span<const uint8_t> bytes, bool end) override {
    EXPECT_FALSE(end) << "no trailers";
    ExpectBytes(bytes, number_, kResponseBody, received_);
    received_ += bytes.size();
    if (!bytes.empty()) exchange_->Consumed(bytes.size());
  }
  void OnTrailers(std::span<const http::HeaderField> trailers) override {
    EXPECT_EQ(received_, BodySize(number_));
    ExpectFields(trailers, number_, kResponseTrailers);
    End();
  }
  void OnWritable() override {}
  void OnClosed(const absl::Status& why, bool) override {
    ADD_FAILURE() << why;
    End();
  }
  void End() {
    exchange_->Release();
    over_.Notify();  // last: the one who asked goes on
  }

  Channel& channel_;
  const uint32_t number_;
  http::Exchange* exchange_ = nullptr;
  size_t received_ = 0;
  absl::Notification over_;
};

// --- the load ---

// A server with two loops, and two channels to it, each of which half of the workers share.
class ReuseStress : public ::testing::Test {
 protected:
  ReuseStress() : loopback_(service_, Options()), channels_{loopback_.channel(), loopback_.NewChannel()} {}

  void SetUp() override { ASSERT_EQ(frame::Framer::ReuseByDefault(), CULVERT_EXPECTS_REUSE != 0) << "CULVERT_HTTP2_REUSE_FRAMES"; }

  // `call` is given a channel and the number of its call.
  template <class Call>
  void Run(Call call) {
    std::vector<std::thread> workers;
    for (uint32_t worker = 0; worker < kWorkers; ++worker) {
      workers.emplace_back([this, worker, &call] {
        for (uint32_t i = 0; i < kCalls && !HasFailure(); ++i) call(channels_[worker % 2], worker * 1000 + i);
      });
    }
    for (std::thread& worker : workers) worker.join();
  }

 private:
  ServerOptions Options() {
    ServerOptions options = OneThread();
    options.threads = 2;
    options.http_handler = &handler_;
    return options;
  }

  CheckingService service_;
  CheckingHandler handler_;
  Loopback loopback_;
  const std::shared_ptr<Channel> channels_[2];
};

TEST_F(ReuseStress, CallsOfGrpc) {
  Run([](const std::shared_ptr<Channel>& channel, uint32_t number) {
    const Stub stub(channel);
    ClientContext context;
    context.set_timeout(absl::ToChronoNanoseconds(kLong));
    AddTo(context.metadata(), Metadata(number, kRequestHead));
    if (number % 3 == 0) {
      CallUnary(stub, context, number);
    } else {
      CallDuplex(stub, context, number, /*in_turn=*/number % 3 == 1);
    }
    EXPECT_EQ(Copy(context.initial_metadata()), Metadata(number, kResponseHead));
    EXPECT_EQ(Copy(context.trailing_metadata()), Metadata(number, kResponseTrailers));
  });
}

TEST_F(ReuseStress, ExchangesOfHttpWithTrailersBothWays) {
  Run([](const std::shared_ptr<Channel>& channel, uint32_t number) { Question(*channel, number).Ask(); });
}

}  // namespace
}  // namespace culvert::e2e
