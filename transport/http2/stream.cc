#include "transport/http2/stream.h"

#include <array>
#include <set>

namespace culvert::http2 {

namespace {

struct Before {
  bool operator()(const Stream* a, const Stream* b) const {
    const uint8_t first = a->priority().urgency, second = b->priority().urgency;
    return first != second ? first < second : a->id() < b->id();
  }
};

}  // namespace

template <base::ListHook<Stream> Stream::*hook>
struct Turns<hook>::Ranked {
  std::array<List, kUrgencies> incremental;  // by urgency, but for kUnsignalled
  std::set<Stream*, Before> sequential;      // all that are not incremental; their hooks are no links, but say that they are here
  bool sequential_is_next = true;
};

template <base::ListHook<Stream> Stream::*hook>
Turns<hook>::Turns() = default;

template <base::ListHook<Stream> Stream::*hook>
Turns<hook>::~Turns() = default;

template <base::ListHook<Stream> Stream::*hook>
auto Turns<hook>::Incremental(uint8_t urgency) const -> const List& {
  return urgency == kUnsignalled.urgency ? unsignalled_ : ranked_->incremental[urgency];
}

template <base::ListHook<Stream> Stream::*hook>
bool Turns<hook>::HasSequential(uint8_t urgency) const {
  const auto first = ranked_->sequential.begin();
  return first != ranked_->sequential.end() && (*first)->priority().urgency == urgency;
}

template <base::ListHook<Stream> Stream::*hook>
uint8_t Turns<hook>::RankedUrgency() const {
  uint8_t urgency = 0;
  while (urgency < kUrgencies && Incremental(urgency).empty() && !HasSequential(urgency)) ++urgency;
  return urgency;
}

template <base::ListHook<Stream> Stream::*hook>
void Turns<hook>::PushRanked(Stream* stream) {
  if (ranked_ == nullptr) ranked_ = std::make_unique<Ranked>();
  if (stream->priority().incremental) return ranked_->incremental[stream->priority().urgency].PushBack(stream);
  (stream->*hook).previous = stream;
  ranked_->sequential.insert(stream);
}

template <base::ListHook<Stream> Stream::*hook>
void Turns<hook>::RemoveRanked(Stream* stream) {
  if (!(stream->*hook).linked()) return;
  if (stream->priority().incremental) return ranked_->incremental[stream->priority().urgency].Remove(stream);
  (stream->*hook).previous = nullptr;
  ranked_->sequential.erase(stream);
}

template <base::ListHook<Stream> Stream::*hook>
Stream* Turns<hook>::PopRanked() {
  const uint8_t urgency = RankedUrgency();
  if (urgency == kUrgencies) return nullptr;
  const List& incremental = Incremental(urgency);
  const bool sequential = HasSequential(urgency) && (ranked_->sequential_is_next || incremental.empty());
  ranked_->sequential_is_next = !sequential;
  Stream* const stream = sequential ? *ranked_->sequential.begin() : incremental.front();
  Remove(stream);
  return stream;
}

template class Turns<&Stream::ready_>;
template class Turns<&Stream::waiting_>;

}  // namespace culvert::http2
