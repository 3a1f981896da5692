// A program of another workspace: serves Weather on a free port of this machine, calls itself, prints what it learns.

#include <asio/co_spawn.hpp>
#include <asio/use_future.hpp>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "culvert/rpc/server.h"
#include "culvert/rpc/stub.h"
#include "weather.culvert.h"

namespace consumer {
namespace {

constexpr std::chrono::seconds kTimeout(10);

class Stations final : public Weather::Service {
  culvert::Unary<Report> Now(culvert::ServerContext&, const Town& town) override { return Measure(town); }

  culvert::Task<absl::Status> Follow(culvert::ServerContext&, culvert::Stream<Town, Report>& stream) override {
    Town town;
    while (co_await stream.Read(town)) {
      const absl::StatusOr<Report> report = Measure(town);
      if (!report.ok()) co_return report.status();
      if (!co_await stream.Write(*report)) break;
    }
    co_return absl::OkStatus();
  }

  absl::StatusOr<Report> Measure(const Town& town) const {
    const auto station = celsius_.find(town.name());
    if (station == celsius_.end()) return absl::NotFoundError("no station in " + town.name());
    Report report;
    report.set_town(station->first);
    report.set_celsius(station->second);
    return report;
  }

  const std::map<std::string, double> celsius_ = {{"Linz", 11.5}, {"Krems", 13}, {"Tulln", 12.5}};
};

culvert::Task<absl::Status> Follow(const Weather::Stub& weather) {
  culvert::ClientContext context;
  context.set_timeout(kTimeout);
  auto stream = weather.Follow(context);
  for (const char* name : {"Linz", "Krems", "Tulln"}) {
    Town town;
    town.set_name(name);
    Report report;
    if (!co_await stream.Write(town) || !co_await stream.Read(report)) break;
    std::cout << report.town() << ": " << report.celsius() << " C\n";
  }
  stream.WritesDone();
  co_return co_await stream.Finish();
}

int Run() {
  Stations stations;
  culvert::Server server;
  server.AddService(stations);
  const absl::StatusOr<std::string> address = server.Listen("127.0.0.1:0");
  if (!address.ok()) {
    std::cerr << address.status() << "\n";
    return EXIT_FAILURE;
  }
  const absl::StatusOr<std::shared_ptr<culvert::Channel>> channel = culvert::Channel::Create(*address);
  if (!channel.ok()) {
    std::cerr << channel.status() << "\n";
    return EXIT_FAILURE;
  }
  const Weather::Stub weather(*channel);

  // Blocking, from this thread ...
  culvert::ClientContext context;
  context.set_timeout(kTimeout);
  Town nowhere;
  nowhere.set_name("Atlantis");
  const absl::StatusOr<Report> report = weather.Now(context, nowhere, culvert::kBlock);
  std::cout << "Atlantis: " << report.status() << "\n";
  if (!absl::IsNotFound(report.status())) return EXIT_FAILURE;

  // ... and as a coroutine on the channel's loop.
  const absl::Status status = asio::co_spawn((*channel)->loop().executor(), Follow(weather), asio::use_future).get();
  if (!status.ok()) {
    std::cerr << status << "\n";
    return EXIT_FAILURE;
  }
  std::cout << "The consumer's calls went well.\n";
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace consumer

int main() { return consumer::Run(); }
