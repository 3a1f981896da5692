// gRPC, HTTP/2 and HTTP/1.1 over TLS, on one port.
//
//   server --listen=127.0.0.1:50051 --certificate=server.pem --key=server.key [--client_roots=root.pem]
//
// Prints "READY 127.0.0.1:50051" and serves until it is killed. GET / says how it was asked.

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "culvert/rpc/server.h"
#include "culvert/transport/http/service.h"
#include "culvert/transport/io/tls_context.h"
#include "examples/tls/whisper.culvert.h"

ABSL_FLAG(std::string, listen, "127.0.0.1:50051",
          "where to serve: host:port, with port 0 for a free one, or unix:/path");
ABSL_FLAG(std::string, certificate, "",
          "PEM file: the server's certificate, and those between it and a root");
ABSL_FLAG(std::string, key, "", "PEM file: the private key of the certificate");
ABSL_FLAG(std::string, client_roots, "",
          "PEM file: who vouches for clients; each must then show a certificate");
ABSL_FLAG(bool, plaintext_too, false, "serve clients without TLS as well");

namespace {

class WhisperService final : public whisper::Whisper::Service {
  culvert::Unary<whisper::Promise> Tell(culvert::ServerContext& call, const whisper::Secret& secret) override {
    if (secret.text().empty()) return absl::InvalidArgumentError("I cannot keep what I was not told");
    whisper::Promise promise;
    const auto certificate = call.peer_certificate();
    const std::string whose = certificate != nullptr ? absl::StrCat(", ", certificate->common_name) : "";
    promise.set_text(absl::StrCat("I keep it", whose, ": ", secret.text().size(), " bytes"));
    return promise;
  }
};

class Page final : public culvert::http::Service {
  culvert::Task<void> Serve(culvert::http::Request& request, culvert::http::Response& response) override {
    const std::string scheme(request.head().scheme);
    const std::string text = absl::StrCat(scheme, " over HTTP/", request.http_major(), "\n");
    const std::string length = std::to_string(text.size());
    culvert::http::HeaderList fields;
    fields.Add("content-length", length);
    response.SendHead(200, fields);
    co_await response.Write(text);
  }
};

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (text.empty()) {
    std::cerr << "server: nothing to read in '" << path << "'\n";
    std::exit(1);
  }
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("keeps secrets; --listen=HOST:PORT --certificate=FILE --key=FILE");
  absl::ParseCommandLine(argc, argv);

  culvert::io::TlsServerOptions tls;
  tls.certificate_chain = ReadFile(absl::GetFlag(FLAGS_certificate));
  tls.private_key = ReadFile(absl::GetFlag(FLAGS_key));
  if (!absl::GetFlag(FLAGS_client_roots).empty()) {
    tls.client_roots = ReadFile(absl::GetFlag(FLAGS_client_roots));
    tls.require_client_certificate = true;
  }
  const auto context = culvert::io::TlsContext::ForServer(tls);
  if (!context.ok()) {
    std::cerr << "server: " << context.status() << "\n";
    return 1;
  }

  WhisperService service;
  Page page;
  culvert::ServerOptions options;
  options.transport.tls = *context;
  options.transport.plaintext_too = absl::GetFlag(FLAGS_plaintext_too);
  options.http_handler = &page;
  culvert::Server server(std::move(options));
  server.AddService(service);
  const absl::StatusOr<std::string> address = server.Listen(absl::GetFlag(FLAGS_listen));
  if (!address.ok()) {
    std::cerr << "server: " << address.status() << "\n";
    return 1;
  }
  std::cout << "READY " << *address << std::endl;
  server.Wait();
}
