// Any order of what happens to windows: they are what a plain account of the bytes says, and never pass 2^31-1 (RFC 9113 6.9.1).

#include "tests/fuzz/fuzz.h"
#include "transport/http2/bandwidth_probe.h"
#include "transport/http2/flow_control.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace culvert::http2;  // NOLINT
  culvert::fuzz::Input input(data, size);
  const uint32_t first = input.Number() % (1u << 20) + 1;
  SendWindow send(first);
  ReceiveWindow receive(first);
  BandwidthProbe::Time now;
  BandwidthProbe probe(first, input.Number() % (1u << 24));
  int64_t initial = first;    // the peer's INITIAL_WINDOW_SIZE
  int64_t sendable = first;   // what the peer has allowed and we have not used
  int64_t allowed = first;    // what we have allowed and the peer has not used
  int64_t unconsumed = 0;     // what has come and was not paid back
  uint32_t window = first;
  while (!input.empty()) {
    const uint32_t n = input.Number() >> (input.Byte() % 32);
    switch (input.Byte() % 6) {
      case 0:
        if (send.available() > 0 && n <= send.available()) send.Take(n), sendable -= n;
        break;
      case 1: {
        const bool fits = sendable + n <= (int64_t{1} << 31) - 1;
        FUZZ_EXPECT(send.Expand(n) == fits);
        if (fits) sendable += n;
        break;
      }
      case 2: {  // the peer's INITIAL_WINDOW_SIZE changes (RFC 9113 6.9.2)
        const int64_t delta = static_cast<int64_t>(n & 0x7fffffff) - initial;
        const bool fits = sendable + delta <= (int64_t{1} << 31) - 1;
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
        if (probe.OnData(receive.half_used())) probe.OnPing(now);
        break;
      }
      case 4: {
        const int64_t paid = n < unconsumed ? n : unconsumed;
        unconsumed -= paid;
        probe.OnConsumed(static_cast<uint32_t>(paid));
        const uint32_t increment = receive.Consume(static_cast<uint32_t>(paid));
        FUZZ_EXPECT(increment == 0 || increment >= receive.size() / 2);
        allowed += increment;
        break;
      }
      default: {
        now += std::chrono::nanoseconds(n);
        probe.OnAck(now);
        FUZZ_EXPECT(probe.window() >= window);
        window = probe.window();
        const uint32_t size_before = receive.size();
        const uint32_t increment = receive.GrowTo(window);
        FUZZ_EXPECT(increment == (window > size_before ? window - size_before : 0));
        allowed += increment;
      }
    }
    FUZZ_EXPECT(send.available() == sendable && sendable <= (int64_t{1} << 31) - 1);
    FUZZ_EXPECT(allowed + unconsumed <= receive.size());
  }
  return 0;
}
