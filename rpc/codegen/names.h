#ifndef CULVERT_RPC_CODEGEN_NAMES_H_
#define CULVERT_RPC_CODEGEN_NAMES_H_

// What the things of a .proto file are called in the C++ that is generated for them.
//
// A name that C++ or the generated classes have taken gets an underscore behind it, as protobuf does it with
// fields: the method `delete` is delete_, the method `Register` is Register_. On the wire every name stays as
// it is.

#include <google/protobuf/descriptor.h>

#include <optional>
#include <string>
#include <string_view>

namespace culvert::codegen {

// "routeguide.RouteGuide" -> RouteGuide
std::string ClassName(const google::protobuf::ServiceDescriptor& service);
std::string MethodName(const google::protobuf::MethodDescriptor& method);
// "/routeguide.RouteGuide/GetFeature"
std::string Path(const google::protobuf::MethodDescriptor& method);
// "a.b" -> "a::b"; empty for a file without a package.
std::string Namespace(const google::protobuf::FileDescriptor& file);
// "a/b.proto" -> "a/b"
std::string BaseName(const google::protobuf::FileDescriptor& file);
// An include guard that no other file's is equal to.
std::string Guard(const google::protobuf::FileDescriptor& file);

// Why the names of this file cannot all be C++ at once, as "line 7: reason", or nullopt.
std::optional<std::string> FindConflict(const google::protobuf::FileDescriptor& file);

}  // namespace culvert::codegen

#endif  // CULVERT_RPC_CODEGEN_NAMES_H_
