// The route guide's client: one call of each kind, and what came of it.
//
//   client --target=127.0.0.1:50051     exits with 0 if all calls went well

#include <asio/co_spawn.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <iomanip>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "culvert/rpc/channel.h"
#include "culvert/rpc/client_context.h"
#include "examples/route_guide/features.h"
#include "examples/route_guide/route_guide.culvert.h"

ABSL_FLAG(std::string, target, "127.0.0.1:50051", "the server: host:port, dns:///host:port, unix:/path, ...");

namespace routeguide {
namespace {

constexpr std::chrono::seconds kTimeout(10);

Point ToPoint(const Place& place) {
  Point point;
  point.set_latitude(place.latitude);
  point.set_longitude(place.longitude);
  return point;
}

std::ostream& operator<<(std::ostream& out, const Point& point) {
  return out << std::fixed << std::setprecision(4) << point.latitude() / 1e7 << ", "
             << point.longitude() / 1e7;
}

// `status` with the name of the call before its message.
absl::Status Annotate(std::string_view call, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(std::string(call), ": ", status.message()));
}

// Unary.
culvert::Task<absl::Status> GetFeatures(const RouteGuide::Stub& stub) {
  Point nowhere;
  nowhere.set_latitude(480000001);
  nowhere.set_longitude(140000001);
  Point off_earth;
  off_earth.set_latitude(1000000000);
  std::cout << "GetFeature: one point, one answer\n";
  for (const Point& point : {ToPoint(Places()[17]), nowhere}) {
    culvert::ClientContext context;
    context.set_timeout(kTimeout);
    const absl::StatusOr<Feature> feature = co_await stub.GetFeature(context, point);
    if (!feature.ok()) co_return Annotate("GetFeature", feature.status());
    std::cout << "  at " << feature->location() << ": "
              << (feature->name().empty() ? std::string("nothing") : feature->name()) << "\n";
  }
  culvert::ClientContext context;
  context.set_timeout(kTimeout);
  const absl::StatusOr<Feature> feature = co_await stub.GetFeature(context, off_earth);
  if (!absl::IsInvalidArgument(feature.status())) {
    co_return Annotate("GetFeature of a point off Earth",
                       feature.ok() ? absl::InternalError("succeeded") : feature.status());
  }
  std::cout << "  at " << off_earth << ": " << feature.status() << "\n";
  co_return absl::OkStatus();
}

// Server streaming.
culvert::Task<absl::Status> ListFeatures(const RouteGuide::Stub& stub) {
  Rectangle area;
  area.mutable_lo()->set_latitude(481000000);
  area.mutable_lo()->set_longitude(150000000);
  area.mutable_hi()->set_latitude(483000000);
  area.mutable_hi()->set_longitude(160000000);
  std::cout << "ListFeatures: one rectangle, many features\n";
  culvert::ClientContext context;
  context.set_timeout(kTimeout);
  culvert::ClientReader<Feature> features = stub.ListFeatures(context, area);
  int count = 0;
  Feature feature;
  while (co_await features.Read(feature)) {
    std::cout << "  " << feature.name() << " at " << feature.location() << "\n";
    ++count;
  }
  const absl::Status status = co_await features.Finish();
  if (!status.ok()) co_return Annotate("ListFeatures", status);
  std::cout << "  " << count << " features between " << area.lo() << " and " << area.hi() << "\n";
  co_return absl::OkStatus();
}

// Client streaming.
culvert::Task<absl::Status> RecordRoute(const RouteGuide::Stub& stub) {
  std::cout << "RecordRoute: many points, one summary\n";
  culvert::ClientContext context;
  context.set_timeout(kTimeout);
  culvert::ClientWriter<Point, RouteSummary> route = stub.RecordRoute(context);
  for (size_t i = 0; i < Places().size(); i += 11) {
    std::cout << "  passing " << Places()[i].name << "\n";
    if (!co_await route.Write(ToPoint(Places()[i]))) break;  // the call is over; Finish says why
  }
  const absl::StatusOr<RouteSummary> summary = co_await route.Finish();
  if (!summary.ok()) co_return Annotate("RecordRoute", summary.status());
  std::cout << "  " << summary->point_count() << " points, " << summary->feature_count() << " features, "
            << summary->distance() / 1000 << " km in " << summary->elapsed_time() << " s\n";
  co_return absl::OkStatus();
}

culvert::Task<void> SendNotes(culvert::ClientStream<RouteNote, RouteNote>& chat) {
  const Place& lock = Places()[0];
  const Place& mill = Places()[7];
  const std::pair<const Place&, std::string_view> notes[] = {{lock, "Passed here at dawn."},
                                                             {mill, "The wheel turns."},
                                                             {lock, "The gate sticks."},
                                                             {lock, "Mended."}};
  for (const auto& [place, message] : notes) {
    RouteNote note;
    *note.mutable_location() = ToPoint(place);
    note.set_message(std::string(message));
    std::cout << "  we, at " << place.name << ": " << message << "\n";
    if (!co_await chat.Write(note)) break;
  }
  chat.WritesDone();
}

culvert::Task<int> ReadNotes(culvert::ClientStream<RouteNote, RouteNote>& chat) {
  int count = 0;
  RouteNote note;
  while (co_await chat.Read(note)) {
    std::cout << "  before us, at " << note.location() << ": " << note.message() << "\n";
    ++count;
  }
  co_return count;
}

// Both ways: notes are sent and read at the same time.
culvert::Task<absl::Status> RouteChat(const RouteGuide::Stub& stub) {
  using asio::experimental::awaitable_operators::operator&&;
  std::cout << "RouteChat: many notes, many notes back\n";
  culvert::ClientContext context;
  context.set_timeout(kTimeout);
  culvert::ClientStream<RouteNote, RouteNote> chat = stub.RouteChat(context);
  const int count = co_await (SendNotes(chat) && ReadNotes(chat));
  const absl::Status status = co_await chat.Finish();
  if (!status.ok()) co_return Annotate("RouteChat", status);
  std::cout << "  " << count << " notes from before\n";
  co_return absl::OkStatus();
}

culvert::Task<absl::Status> CallAll(const RouteGuide::Stub& stub) {
  for (const auto call : {&GetFeatures, &ListFeatures, &RecordRoute, &RouteChat}) {
    const absl::Status status = co_await call(stub);
    if (!status.ok()) co_return status;
  }
  co_return absl::OkStatus();
}

int Run() {
  // One thread for everything: the coroutines above and the connection below them run on this loop.
  asio::io_context loop(1);
  const absl::StatusOr<std::shared_ptr<culvert::Channel>> channel =
      culvert::Channel::Create(culvert::EventLoop::Of(loop), absl::GetFlag(FLAGS_target));
  if (!channel.ok()) {
    std::cerr << "client: --target: " << channel.status() << "\n";
    return 1;
  }
  const RouteGuide::Stub stub(*channel);
  absl::Status result = absl::UnknownError("the calls did not end");
  asio::co_spawn(loop, CallAll(stub), [&](std::exception_ptr thrown, absl::Status status) {
    if (thrown != nullptr) std::rethrow_exception(thrown);  // the status would be OK
    result = std::move(status);
    loop.stop();
  });
  loop.run();
  if (!result.ok()) {
    std::cerr << "client: " << result << "\n";
    return 1;
  }
  std::cout << "All four kinds of calls went well.\n";
  return 0;
}

}  // namespace
}  // namespace routeguide

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("calls routeguide.RouteGuide; --target=HOST:PORT");
  if (absl::ParseCommandLine(argc, argv).size() > 1) {
    std::cerr << "client: there are no arguments besides flags; see --help\n";
    return 1;
  }
  return routeguide::Run();
}
