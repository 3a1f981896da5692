// The smallest client: client NAME [HOST:PORT]

#include <chrono>
#include <iostream>

#include "examples/hello/hello.culvert.h"

int main(int argc, char** argv) {
  const auto channel = culvert::Channel::Create(argc > 2 ? argv[2] : "127.0.0.1:50051");
  if (!channel.ok()) {
    std::cerr << "client: " << channel.status() << "\n";
    return 1;
  }
  const hello::Greeter::Stub greeter(*channel);

  culvert::ClientContext context;
  context.set_timeout(std::chrono::seconds(10));
  hello::Request request;
  request.set_name(argc > 1 ? argv[1] : "");
  const absl::StatusOr<hello::Reply> reply = greeter.SayHello(context, request, culvert::kBlock);
  if (!reply.ok()) {
    std::cerr << "client: " << reply.status() << "\n";
    return 1;
  }
  std::cout << reply->text() << "\n";
}
