// A client over TLS: client --target=localhost:50051 --secret=TEXT [--roots=root.pem]
// [--certificate=client.pem --key=client.key]

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/statusor.h"
#include "culvert/transport/io/tls_context.h"
#include "examples/tls/whisper.culvert.h"

ABSL_FLAG(std::string, target, "localhost:50051",
          "the server, by the name or address that its certificate is for");
ABSL_FLAG(std::string, secret, "", "what to tell it");
ABSL_FLAG(std::string, roots, "", "PEM file: who vouches for the server; none: whom the system trusts");
ABSL_FLAG(std::string, certificate, "",
          "PEM file: the client's own certificate, for a server that asks for one");
ABSL_FLAG(std::string, key, "", "PEM file: the private key of the certificate");

namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (text.empty()) {  // no roots would mean the system's
    std::cerr << "client: nothing to read in '" << path << "'\n";
    std::exit(1);
  }
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("tells a secret; --target=HOST:PORT --secret=TEXT");
  absl::ParseCommandLine(argc, argv);

  culvert::io::TlsClientOptions tls;
  if (!absl::GetFlag(FLAGS_roots).empty()) tls.roots = ReadFile(absl::GetFlag(FLAGS_roots));
  if (!absl::GetFlag(FLAGS_certificate).empty()) {
    tls.certificate_chain = ReadFile(absl::GetFlag(FLAGS_certificate));
    tls.private_key = ReadFile(absl::GetFlag(FLAGS_key));
  }
  const auto context = culvert::io::TlsContext::ForClient(tls);
  if (!context.ok()) {
    std::cerr << "client: " << context.status() << "\n";
    return 1;
  }

  culvert::ChannelOptions options;
  options.transport.tls = *context;
  const auto channel = culvert::Channel::Create(absl::GetFlag(FLAGS_target), options);
  if (!channel.ok()) {
    std::cerr << "client: " << channel.status() << "\n";
    return 1;
  }
  const whisper::Whisper::Stub stub(*channel);
  culvert::ClientContext call;
  call.set_timeout(std::chrono::seconds(10));
  whisper::Secret secret;
  secret.set_text(absl::GetFlag(FLAGS_secret));
  const absl::StatusOr<whisper::Promise> promise = stub.Tell(call, secret, culvert::kBlock);
  if (!promise.ok()) {
    std::cerr << "client: " << promise.status() << "\n";
    return 1;
  }
  std::cout << promise->text() << "\n";
}
