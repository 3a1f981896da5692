// The smallest server: server [HOST:PORT]

#include <iostream>
#include <string>

#include "culvert/rpc/server.h"
#include "examples/hello/hello.culvert.h"

class Greeter final : public hello::Greeter::Service {
  culvert::Unary<hello::Reply> SayHello(culvert::ServerContext&, const hello::Request& request) override {
    if (request.name().empty()) return absl::InvalidArgumentError("whom shall I greet?");
    hello::Reply reply;
    reply.set_text("Hello, " + request.name() + "!");
    return reply;
  }
};

int main(int argc, char** argv) {
  Greeter greeter;
  culvert::Server server;
  server.AddService(greeter);
  const absl::StatusOr<std::string> address = server.Listen(argc > 1 ? argv[1] : "127.0.0.1:50051");
  if (!address.ok()) {
    std::cerr << "server: " << address.status() << "\n";
    return 1;
  }
  std::cout << "READY " << *address << std::endl;
  server.Wait();
}
