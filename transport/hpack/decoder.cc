#include "transport/hpack/decoder.h"

#include <nghttp2/nghttp2.h>

#include <string_view>

#include "transport/base/check.h"
#include "transport/base/strings.h"
#include "transport/hpack/table_memory.h"

namespace culvert::hpack {

struct Decoder::Inflater {
  Inflater() {
    CULVERT_CHECK(nghttp2_hd_inflate_new2(&state, memory.mem()) == 0, "out of memory for an HPACK decoder");
  }
  ~Inflater() { nghttp2_hd_inflate_del(state); }

  TableMemory memory;
  nghttp2_hd_inflater* state = nullptr;
};

Decoder::Decoder(uint32_t max_table_size) : inflater_(std::make_unique<Inflater>()) {
  if (max_table_size != NGHTTP2_DEFAULT_HEADER_TABLE_SIZE) SetMaxTableSize(max_table_size);
}

Decoder::~Decoder() = default;

void Decoder::StartBlock(http::HeaderList& out, const Limits& limits) {
  out_ = &out;
  limits_ = limits;
  truncated_ = false;
}

absl::Status Decoder::Decode(std::span<const uint8_t> fragment, bool end) {
  CULVERT_DCHECK(out_ != nullptr, "Decode without StartBlock");
  for (;;) {
    nghttp2_nv field;
    int flags = 0;
    const ssize_t used = nghttp2_hd_inflate_hd2(inflater_->state, &field, &flags, fragment.data(),
                                                fragment.size(), end ? 1 : 0);
    if (used < 0) {
      if (used == NGHTTP2_ERR_NOMEM) return absl::ResourceExhaustedError("out of memory for a header block");
      return absl::InvalidArgumentError(
          StrCat("header block breaks a rule of HPACK (", nghttp2_strerror(static_cast<int>(used)), ")"));
    }
    fragment = fragment.subspan(static_cast<size_t>(used));
    if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
      if (!truncated_) {
        const std::string_view name(reinterpret_cast<const char*>(field.name), field.namelen);
        const std::string_view value(reinterpret_cast<const char*>(field.value), field.valuelen);
        if (out_->size() < limits_.max_fields &&
            out_->list_size() + http::FieldSize(name, value) <= limits_.max_list_size) {
          out_->Add(name, value, (field.flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0);
        } else {
          truncated_ = true;
        }
      }
    } else if (fragment.empty() || used == 0) {
      break;
    }
    if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
  }
  if (end) {
    nghttp2_hd_inflate_end_headers(inflater_->state);
    out_ = nullptr;
  }
  return absl::OkStatus();
}

void Decoder::SetMaxTableSize(uint32_t size) {
  const int result = nghttp2_hd_inflate_change_table_size(inflater_->state, size);
  CULVERT_CHECK(result == 0, "HPACK table size changed within a header block");
}

}  // namespace culvert::hpack
