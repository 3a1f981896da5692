// The route guide's server: all four kinds of methods.
//
//   server --listen=127.0.0.1:50051     prints "READY 127.0.0.1:50051" and serves until SIGINT or SIGTERM

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <deque>
#include <iostream>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "culvert/rpc/server.h"
#include "examples/route_guide/features.h"
#include "examples/route_guide/route_guide.culvert.h"

ABSL_FLAG(std::string, listen, "127.0.0.1:50051",
          "where to serve: host:port, with port 0 for a free one, or unix:/path");

namespace routeguide {
namespace {

constexpr int64_t kE7 = 10'000'000;

bool OnEarth(const Point& point) {
  return std::abs(int64_t{point.latitude()}) <= 90 * kE7 && std::abs(int64_t{point.longitude()}) <= 180 * kE7;
}

bool Equal(const Point& a, const Point& b) {
  return a.latitude() == b.latitude() && a.longitude() == b.longitude();
}

Feature ToFeature(const Place& place) {
  Feature feature;
  feature.set_name(std::string(place.name));
  feature.mutable_location()->set_latitude(place.latitude);
  feature.mutable_location()->set_longitude(place.longitude);
  return feature;
}

const Place* FindPlace(const Point& point) {
  for (const Place& place : Places()) {
    if (place.latitude == point.latitude() && place.longitude == point.longitude()) return &place;
  }
  return nullptr;
}

// Along the surface, by the haversine formula.
double Metres(const Point& a, const Point& b) {
  constexpr double kEarthRadius = 6'371'000;
  const auto radians = [](int32_t e7) { return static_cast<double>(e7) / kE7 * std::numbers::pi / 180; };
  const double sin_latitude = std::sin((radians(b.latitude()) - radians(a.latitude())) / 2);
  const double sin_longitude = std::sin((radians(b.longitude()) - radians(a.longitude())) / 2);
  const double h = sin_latitude * sin_latitude + std::cos(radians(a.latitude())) *
                                                     std::cos(radians(b.latitude())) * sin_longitude *
                                                     sin_longitude;
  return 2 * kEarthRadius * std::asin(std::sqrt(std::min(1.0, h)));
}

// Calls run on several threads at once, so what they share has a mutex; it is never held across a co_await.
class Guide final : public RouteGuide::Service {
 public:
  // There is nothing to wait for, so this is a plain function and no coroutine.
  culvert::Unary<Feature> GetFeature(culvert::ServerContext&, const Point& point) override {
    if (!OnEarth(point)) return absl::InvalidArgumentError("the point is not on Earth");
    if (const Place* place = FindPlace(point)) return ToFeature(*place);
    Feature nothing;
    *nothing.mutable_location() = point;
    return nothing;
  }

  culvert::Task<absl::Status> ListFeatures(culvert::ServerContext&, const Rectangle& area,
                                           culvert::Writer<Feature>& writer) override {
    const auto [south, north] = std::minmax({area.lo().latitude(), area.hi().latitude()});
    const auto [west, east] = std::minmax({area.lo().longitude(), area.hi().longitude()});
    for (const Place& place : Places()) {
      if (place.latitude < south || place.latitude > north) continue;
      if (place.longitude < west || place.longitude > east) continue;
      if (!co_await writer.Write(ToFeature(place))) break;  // the client is gone
    }
    co_return absl::OkStatus();
  }

  culvert::Task<absl::StatusOr<RouteSummary>> RecordRoute(culvert::ServerContext&,
                                                          culvert::Reader<Point>& reader) override {
    using Clock = std::chrono::steady_clock;
    int points = 0, features = 0;
    double metres = 0;
    Clock::time_point began;
    Point point, before;
    while (co_await reader.Read(point)) {
      if (points == 0) {
        began = Clock::now();
      } else {
        metres += Metres(before, point);
      }
      ++points;
      if (FindPlace(point) != nullptr) ++features;
      before = point;
    }
    RouteSummary summary;
    summary.set_point_count(points);
    summary.set_feature_count(features);
    summary.set_distance(static_cast<int32_t>(std::lround(std::min(metres, 2e9))));
    if (points > 0) {
      const auto took = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - began);
      summary.set_elapsed_time(static_cast<int32_t>(took.count()));
    }
    co_return summary;
  }

  culvert::Task<absl::Status> RouteChat(culvert::ServerContext&,
                                        culvert::Stream<RouteNote, RouteNote>& stream) override {
    RouteNote note;
    while (co_await stream.Read(note)) {
      if (note.ByteSizeLong() > kLongestNote) co_return absl::InvalidArgumentError("the note is too long");
      for (const RouteNote& earlier : LeaveNote(note)) {
        if (!co_await stream.Write(earlier)) co_return absl::OkStatus();
      }
    }
    co_return absl::OkStatus();
  }

 private:
  // What strangers leave here is bounded: the oldest note makes room for the newest.
  static constexpr size_t kMaxNotes = 1000;
  static constexpr size_t kLongestNote = 1000;  // bytes

  // Keeps `note`; returns the earlier ones of its place.
  std::vector<RouteNote> LeaveNote(const RouteNote& note) {
    std::vector<RouteNote> earlier;
    absl::MutexLock lock(&mutex_);
    for (const RouteNote& other : notes_) {
      if (Equal(other.location(), note.location())) earlier.push_back(other);
    }
    if (notes_.size() == kMaxNotes) notes_.pop_front();
    notes_.push_back(note);
    return earlier;
  }

  absl::Mutex mutex_;
  std::deque<RouteNote> notes_ ABSL_GUARDED_BY(mutex_);
};

int Serve() {
  // Before the server starts its threads, which inherit it: the signals are for sigwait below.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  Guide guide;
  culvert::Server server;
  server.AddService(guide);
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
}  // namespace routeguide

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("serves routeguide.RouteGuide; --listen=HOST:PORT");
  if (absl::ParseCommandLine(argc, argv).size() > 1) {
    std::cerr << "server: there are no arguments besides flags; see --help\n";
    return 1;
  }
  return routeguide::Serve();
}
