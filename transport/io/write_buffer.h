#ifndef CULVERT_TRANSPORT_IO_WRITE_BUFFER_H_
#define CULVERT_TRANSPORT_IO_WRITE_BUFFER_H_

// Bytes waiting to be written to a peer, gathered for one writev: small pieces are copied side by side into borrowed blocks, large
// payloads are held by reference. Pure.
//
//   uint8_t* at = out.Grow(9 + n);               // contiguous; fill it now
//   out.Shrink(unused);                          // give back the end of the last Grow
//   out.AppendShared({message, data, size});     // no copy; `message` is released once written
//   size_t count = out.Gather(iov);  ...writev...  out.Consume(written);
//
// Empty means that no block and no list of pieces is held. Not thread-safe.

#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/optimization.h"
#include "transport/base/check.h"
#include "transport/io/block_pool.h"
#include "transport/io/large_blocks.h"

namespace culvert::io {

// A slice of immutable bytes and what keeps them alive.
struct SharedBytes {
  std::shared_ptr<const void> owner;
  const uint8_t* data = nullptr;
  size_t size = 0;

  // n bytes that fill(uint8_t*) writes, in one allocation.
  template <class F>
  static SharedBytes Make(size_t n, F&& fill) {
    std::shared_ptr<uint8_t[]> bytes = std::allocate_shared_for_overwrite<uint8_t[]>(LargeBlockAllocator<uint8_t>(), n);
    fill(bytes.get());
    const uint8_t* const data = bytes.get();
    return {std::move(bytes), data, n};
  }
  static SharedBytes Copy(std::string_view bytes) {
    return Make(bytes.size(), [&](uint8_t* to) { std::copy(bytes.begin(), bytes.end(), to); });
  }
  SharedBytes Slice(size_t offset, size_t length) const { return {owner, data + offset, length}; }
};

class WriteBuffer {
 public:
  // A payload of at least this many bytes is worth a reference of its own; smaller ones are copied.
  static constexpr size_t kShareFrom = 4096;

  explicit WriteBuffer(BlockPool& pool) : pool_(&pool) {}
  ~WriteBuffer();
  WriteBuffer(const WriteBuffer&) = delete;
  WriteBuffer& operator=(const WriteBuffer&) = delete;

  // Adds n bytes at the end, contiguous and unspecified, and returns where to write them; valid until the next call.
  uint8_t* Grow(size_t n) {
    if (ABSL_PREDICT_TRUE(pieces_ != nullptr)) {
      Segment& last = pieces_->segments.back();
      if (ABSL_PREDICT_TRUE(n <= last.capacity_left)) return last.Extend(n, size_);
    }
    return GrowElsewhere(n);
  }
  // Takes back the last `n` bytes of the last Grow.
  void Shrink(size_t n);

  void Append(std::span<const uint8_t> bytes);
  void Append(std::string_view bytes) { Append({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}); }
  void AppendShared(SharedBytes bytes);

  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }

  // Fills `out` with the first pieces; returns how many. Pieces stay valid until Consume.
  size_t Gather(std::span<iovec> out) const;
  void Consume(size_t n);

 private:
  static constexpr size_t kNone = static_cast<size_t>(-1);

  // Pieces of one block may be apart, with shared ones between them: the last of them owns the block.
  struct Segment {
    BlockPool::Block block;             // of the pool
    std::shared_ptr<const void> owner;  // of a shared payload, or of a Grow larger than a block of the pool
    uint8_t* data = nullptr;            // first byte not yet written; a shared payload's are never changed
    size_t size = 0;
    size_t capacity_left = 0;           // room behind data + size
    bool shared = false;                // a payload held by reference

    uint8_t* Extend(size_t n, size_t& total) {
      uint8_t* const at = data + size;
      size += n;
      capacity_left -= n;
      total += n;
      return at;
    }
  };

  struct Pieces {
    std::vector<Segment> segments;  // [head, end), at least one: a vector so that steady state allocates nothing
    size_t head = 0;
    size_t filling = kNone;         // the segment that owns the block being filled
  };

  uint8_t* GrowElsewhere(size_t n);
  Segment& Push(Segment segment);
  void PopFront();
  void Compact();

  BlockPool* pool_;
  std::unique_ptr<Pieces> pieces_;  // null when empty
  size_t size_ = 0;
};

}  // namespace culvert::io

#endif  // CULVERT_TRANSPORT_IO_WRITE_BUFFER_H_
