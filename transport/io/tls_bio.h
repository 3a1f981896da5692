#ifndef CULVERT_TRANSPORT_IO_TLS_BIO_H_
#define CULVERT_TRANSPORT_IO_TLS_BIO_H_

// What couples OpenSSL to the inner stream: a BIO.
//
// OpenSSL reads straight from the inner stream, but only so much in one operation. What it writes gathers here,
// and so never blocks it: no operation of OpenSSL's ever has to be repeated with the same bytes. Flush writes it.

#include <cstddef>
#include <system_error>

#include "transport/io/byte_stream.h"
#include "transport/io/write_buffer.h"

struct bio_st;         // OpenSSL's BIO
struct bio_method_st;  // and BIO_METHOD

namespace culvert::io {

class TlsBio final {
 public:
  // Plaintext that is encrypted at once, at most.
  static constexpr size_t kLargestWrite = 64 * 1024;

  // `inner` outlives it.
  explicit TlsBio(ByteStream& inner);
  TlsBio(const TlsBio&) = delete;
  TlsBio& operator=(const TlsBio&) = delete;

  // The BIO, for its SSL to own, which is not used after *this is gone. Null when OpenSSL has no memory.
  bio_st* Make();

  // --- input ---

  // Before each operation of OpenSSL's.
  void BeginOperation();
  // The operation wants more input.
  void NoteWant() { dry_ = !full(); }  // else it was we who gave it nothing to read
  // There may be some.
  void NoteInput() { dry_ = false; }
  // All input that there was is used up: wait for more.
  bool dry() const { return dry_; }
  // Reading from the inner stream met it.
  std::error_code input_error() const { return input_error_; }

  // --- output ---

  bool has_output() const { return !out_.empty(); }
  // So much of it waits that nothing is read: what is read may have to be answered (RFC 8446 4.6.3).
  bool full() const;
  // Writes what there is, until the inner stream takes no more. An error drops the rest.
  std::error_code Flush();
  void DropOutput() { out_.Consume(out_.size()); }

 private:
  static const bio_method_st* Method();
  static int OnRead(bio_st* bio, char* to, int size);
  static int OnWrite(bio_st* bio, const char* from, int size);
  static long OnControl(bio_st* bio, int command, long, void*);

  ByteStream& inner_;
  WriteBuffer out_;  // records
  std::error_code input_error_;
  size_t input_left_ = 0;  // for the operation that is under way
  bool input_ended_ = false;
  bool dry_ = false;
};

}  // namespace culvert::io

#endif  // CULVERT_TRANSPORT_IO_TLS_BIO_H_
