#ifndef CULVERT_RPC_CODEGEN_GENERATOR_H_
#define CULVERT_RPC_CODEGEN_GENERATOR_H_

// Writes the C++ of a .proto file's services: NAME.culvert.h and NAME.culvert.cc beside protobuf's own
// NAME.pb.h.
//
// For each service a class that is never made, with two in it: Service, with a virtual function per method,
// which a server implements; and Stub, with a function per method, which a client calls. What they are built
// from is in rpc/service.h and rpc/stub.h; how names become C++ is in names.h. A file without services gets
// both files too, with nothing in them, since a build rule has to know its outputs before the file is read.
//
// The same input gives the same output, byte by byte. What cannot be written is an error that names the line.

#include <google/protobuf/compiler/code_generator.h>

#include <cstdint>
#include <string>

namespace culvert::codegen {

class Generator final : public google::protobuf::compiler::CodeGenerator {
 public:
  // `parameter` is what stands before the colon in --culvert_out=PARAMETER:DIR; there is none yet.
  bool Generate(const google::protobuf::FileDescriptor* file, const std::string& parameter,
                google::protobuf::compiler::GeneratorContext* context, std::string* error) const override;

  uint64_t GetSupportedFeatures() const override { return FEATURE_PROTO3_OPTIONAL; }
};

}  // namespace culvert::codegen

#endif  // CULVERT_RPC_CODEGEN_GENERATOR_H_
