// Any order of what happens to windows: they are what a plain account of the bytes says, in which no credit is lost, and never pass 2^31-1
// (RFC 9113 6.9.1); and they grow to what a plain account of the round trips says.
//
// Four bytes each for the windows' size and for what they may grow to, of which the first says what the peer may take the window for, in
// KiB; then steps: five bytes that make a number, and one for what happens (% 6) and how much of the credit is withheld.

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "tests/fuzz/fuzz.h"
#include "transport/frame/constants.h"
#include "transport/http2/bandwidth_probe.h"
#include "transport/http2/flow_control.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace culvert::http2;  // NOLINT
  constexpr int64_t kMost = (int64_t{1} << 31) - 1;
  culvert::fuzz::Input input(data, size);
  const uint32_t first = input.Number() % (1u << 20) + 1;
  const uint32_t growth = input.Number();
  const uint32_t believed = (growth >> 24) * 1024;
  const uint32_t most = std::max(first, growth % (1u << 24));
  SendWindow send(first);
  ReceiveWindow receive(first, believed);
  int64_t initial = first;                      // the peer's INITIAL_WINDOW_SIZE
  int64_t sendable = first;                     // what the peer has allowed and we have not used
  int64_t allowed = std::max(first, believed);  // what we have allowed and the peer has not used
  int64_t unconsumed = 0;                       // what has come and was not consumed
  int64_t withheld = 0;                         // consumed or grown, and not to be given yet
  int64_t batch = 0;                            // to be given, and not announced yet
  const int64_t surplus = allowed - first;

  BandwidthProbe::Time now;
  BandwidthProbe probe(first, most);
  bool probing = false;
  BandwidthProbe::Time sent;
  int64_t shortest = int64_t{1} << 32;  // of the round trips, in nanoseconds
  int64_t within = 0;                   // consumed within this one
  int64_t window = first;
  while (!input.empty()) {
    const uint32_t n = input.Number() >> (input.Byte() % 32);
    const uint8_t step = input.Byte();
    switch (step % 6) {
      case 0:
        if (send.available() > 0 && n <= send.available()) send.Take(n), sendable -= n;
        break;
      case 1: {
        const bool fits = sendable + n <= kMost;
        FUZZ_EXPECT(send.Expand(n) == fits);
        if (fits) sendable += n;
        break;
      }
      case 2: {  // the peer's INITIAL_WINDOW_SIZE changes (RFC 9113 6.9.2)
        const int64_t delta = static_cast<int64_t>(n & 0x7fffffff) - initial;
        const bool fits = sendable + delta <= kMost;
        FUZZ_EXPECT(send.Adjust(delta) == fits);
        if (fits) sendable += delta, initial += delta;
        break;
      }
      case 3: {
        const bool fits = n <= allowed;
        FUZZ_EXPECT(receive.Receive(n) == fits);
        if (!fits) break;
        allowed -= n;
        unconsumed += n;
        FUZZ_EXPECT(receive.half_used() == (allowed <= receive.size() / 2));
        if (!probe.OnData(receive.half_used())) break;
        FUZZ_EXPECT(receive.half_used() && !probing && window < most);
        probe.OnPing(now);
        probing = true;
        sent = now;
        within = 0;
        break;
      }
      case 4: {
        const int64_t paid = std::min<int64_t>(n, unconsumed);
        unconsumed -= paid;
        if (probing) within += paid;
        probe.OnConsumed(static_cast<uint32_t>(paid));
        const int64_t credit = withheld + paid;
        withheld = credit * (step / 6) / 64;
        batch += credit - withheld;
        const uint32_t increment = receive.Consume(static_cast<uint32_t>(credit - withheld), static_cast<uint32_t>(withheld));
        FUZZ_EXPECT(increment == 0 || increment == batch);
        batch -= increment;
        allowed += increment;
        // By half of the window, without what is withheld of it, but no crumbs.
        const int64_t half = std::max<int64_t>((receive.size() - withheld) / 2, culvert::frame::kMinMaxFrameSize);
        FUZZ_EXPECT(batch == 0 || (batch < half && batch < receive.size() / 2));
        FUZZ_EXPECT(increment == 0 || increment >= half || increment >= receive.size() / 2);
        break;
      }
      default: {
        now += std::chrono::nanoseconds(n);
        probe.OnAck(now);
        if (probing) {
          probing = false;
          shortest = std::min<int64_t>(shortest, (now - sent) / std::chrono::nanoseconds(1));
          window = std::max(window, std::min({4 * within, std::max<int64_t>(4 * shortest, 1 << 20), int64_t{most}}));
        }
        FUZZ_EXPECT(probe.window() == window);
        const int64_t more = window - receive.size();
        if (step < 128) {
          FUZZ_EXPECT(receive.GrowTo(probe.window()) == more);
          allowed += more;
        } else {
          FUZZ_EXPECT(receive.GrowWithheld(probe.window()) == more);
          withheld += more;
        }
      }
    }
    FUZZ_EXPECT(send.available() == sendable && sendable <= kMost);
    FUZZ_EXPECT(allowed + unconsumed + withheld + batch == receive.size() + surplus);
  }
  return 0;
}
