// One port for everyone: gRPC, plain HTTP/2 and HTTP/1.1.
//
//   server --listen=127.0.0.1:50051     prints "READY 127.0.0.1:50051" and serves until SIGINT or SIGTERM
//
//   GET /        the guest book, a line for each name
//   POST /       signs it with the name in the body
//   POST /echo   sends the body back while it comes, however long it is

#include <signal.h>

#include <array>
#include <chrono>
#include <iostream>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "culvert/rpc/server.h"
#include "culvert/transport/http/service.h"
#include "examples/one_port/one_port.culvert.h"

ABSL_FLAG(std::string, listen, "127.0.0.1:50051", "where to serve: host:port, with port 0 for a free one, or unix:/path");

namespace one_port {
namespace {

namespace http = culvert::http;
using culvert::Task;

// Any thread.
class Book {
 public:
  static constexpr size_t kLongestName = 1000;

  // How many there are now. InvalidArgument: no name, or too long a one. ResourceExhausted: the last page is full.
  absl::StatusOr<int> Sign(std::string name) {
    if (name.empty()) return absl::InvalidArgumentError("a name, please");
    if (name.size() > kLongestName) return absl::InvalidArgumentError(absl::StrCat("a name of at most ", kLongestName, " bytes, please"));
    absl::MutexLock lock(&mutex_);
    if (names_.size() == kMaxNames) return absl::ResourceExhaustedError("the book is full");
    names_.push_back(std::move(name));
    return static_cast<int>(names_.size());
  }
  std::vector<std::string> names() const {
    absl::MutexLock lock(&mutex_);
    return names_;
  }

 private:
  static constexpr size_t kMaxNames = 1000;

  mutable absl::Mutex mutex_;
  std::vector<std::string> names_ ABSL_GUARDED_BY(mutex_);
};

// What gRPC clients see of it.
class GuestBookService final : public GuestBook::Service {
 public:
  explicit GuestBookService(Book& book) : book_(book) {}

  culvert::Unary<Receipt> Sign(culvert::ServerContext& call, const Entry& entry) override {
    const absl::StatusOr<int> number = book_.Sign(entry.name());
    if (!number.ok()) return number.status();
    Receipt receipt;
    receipt.set_number(*number);
    receipt.set_peer(call.peer());
    return receipt;
  }

  Task<absl::Status> Read(culvert::ServerContext&, const ReadRequest&, culvert::Writer<Entry>& writer) override {
    Entry entry;
    for (const std::string& name : book_.names()) {
      entry.set_name(name);
      if (!co_await writer.Write(entry)) break;
    }
    co_return absl::OkStatus();
  }

 private:
  Book& book_;
};

// What everybody else sees, whether by HTTP/1.1 or HTTP/2.
class GuestBookPages final : public http::Service {
 public:
  explicit GuestBookPages(Book& book) : book_(book) {}

  Task<void> Serve(http::Request& request, http::Response& response) override {
    const std::string_view method = request.head().method, path = request.head().path;
    if (path == "/" && (method == "GET" || method == "HEAD")) return Show(request, response);
    if (path == "/" && method == "POST") return Sign(request, response);
    if (path == "/echo" && method == "POST") return Echo(request, response);
    return Answer(response, path == "/" || path == "/echo" ? 405 : 404, "GET / or POST / or POST /echo");
  }

 private:
  Task<void> Show(http::Request& request, http::Response& response) {
    std::string text = absl::StrCat("Hello over HTTP/", request.http_major(), ". Signed so far:\n");
    for (const std::string& name : book_.names()) absl::StrAppend(&text, name, "\n");
    return Answer(response, 200, std::move(text));
  }

  Task<void> Sign(http::Request& request, http::Response& response) {
    const absl::StatusOr<std::string> name = co_await request.ReadAll(Book::kLongestName);
    if (!name.ok()) co_return co_await Answer(response, 413, std::string(name.status().message()));
    const absl::StatusOr<int> number = book_.Sign(*name);
    if (!number.ok()) {
      const int status = absl::IsInvalidArgument(number.status()) ? 400 : 503;
      co_return co_await Answer(response, status, std::string(number.status().message()));
    }
    co_await Answer(response, 200, absl::StrCat("You are number ", *number, "."));
  }

  // Suspends while the client does not read, and then the client cannot send on: neither side's pace needs memory.
  static Task<void> Echo(http::Request& request, http::Response& response) {
    response.SendHead(200);
    std::array<uint8_t, 16384> piece;
    for (;;) {
      const absl::StatusOr<size_t> n = co_await request.Read(piece);
      if (!n.ok() || *n == 0) co_return;
      if (!(co_await response.Write({reinterpret_cast<const char*>(piece.data()), *n})).ok()) co_return;
    }
  }

  static Task<void> Answer(http::Response& response, int status, std::string text) {
    text += "\n";
    const std::string length = std::to_string(text.size());
    http::HeaderList fields;
    fields.Add("content-type", "text/plain; charset=utf-8");
    fields.Add("content-length", length);
    response.SendHead(status, fields);
    co_await response.Write(text);
  }

  Book& book_;
};

int Serve() {
  // Before the server starts its threads, which inherit it: the signals are for sigwait below.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  Book book;
  GuestBookService service(book);
  GuestBookPages pages(book);
  culvert::ServerOptions options;
  options.http_handler = &pages;
  culvert::Server server(std::move(options));
  server.AddService(service);
  const absl::StatusOr<std::string> address = server.Listen(absl::GetFlag(FLAGS_listen));
  if (!address.ok()) {
    std::cerr << "server: " << address.status() << "\n";
    return 1;
  }
  std::cout << "READY " << *address << std::endl;

  int signal = 0;
  sigwait(&signals, &signal);
  std::cout << "shutting down" << std::endl;
  server.Shutdown(std::chrono::seconds(5));
  return 0;
}

}  // namespace
}  // namespace one_port

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("a guest book for gRPC, HTTP/2 and HTTP/1.1 on one port; --listen=HOST:PORT");
  if (absl::ParseCommandLine(argc, argv).size() > 1) {
    std::cerr << "server: there are no arguments besides flags; see --help\n";
    return 1;
  }
  return one_port::Serve();
}
