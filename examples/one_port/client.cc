// Signs the guest book by gRPC and reads it, through a proxy if there is one: client --target=HOST:PORT --name=NAME [--proxy=HOST:PORT]

#include <chrono>
#include <iostream>
#include <string>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "examples/one_port/one_port.culvert.h"

ABSL_FLAG(std::string, target, "127.0.0.1:50051", "the server");
ABSL_FLAG(std::string, proxy, "", "host:port of an HTTP proxy through which to CONNECT");
ABSL_FLAG(std::string, name, "", "who signs");

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("signs the guest book; --target=HOST:PORT --name=NAME [--proxy=HOST:PORT]");
  absl::ParseCommandLine(argc, argv);
  culvert::ChannelOptions options;
  options.transport.proxy = absl::GetFlag(FLAGS_proxy);
  const auto channel = culvert::Channel::Create(absl::GetFlag(FLAGS_target), options);
  if (!channel.ok()) {
    std::cerr << "client: " << channel.status() << "\n";
    return 1;
  }
  const one_port::GuestBook::Stub book(*channel);

  culvert::ClientContext signing;
  signing.set_timeout(std::chrono::seconds(10));
  one_port::Entry entry;
  entry.set_name(absl::GetFlag(FLAGS_name));
  const absl::StatusOr<one_port::Receipt> receipt = book.Sign(signing, entry, culvert::kBlock);
  if (!receipt.ok()) {
    std::cerr << "client: " << receipt.status() << "\n";
    return 1;
  }
  std::cout << "number " << receipt->number() << ", seen from " << receipt->peer() << "\n";

  culvert::ClientContext reading;
  reading.set_timeout(std::chrono::seconds(10));
  auto entries = book.Read(reading, one_port::ReadRequest());
  while (entries.Read(entry, culvert::kBlock)) std::cout << "  " << entry.name() << "\n";
  if (const absl::Status status = entries.Finish(culvert::kBlock); !status.ok()) {
    std::cerr << "client: " << status << "\n";
    return 1;
  }
}
