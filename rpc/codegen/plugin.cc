// protoc-gen-culvert: protoc's plugin for services. `protoc --plugin=protoc-gen-culvert --culvert_out=DIR
// file.proto` writes DIR/file.culvert.h and DIR/file.culvert.cc; the messages are `--cpp_out`'s. Bazel users
// call culvert_cc_library instead.

#include <google/protobuf/compiler/plugin.h>

#include "rpc/codegen/generator.h"

int main(int argc, char** argv) {
  const culvert::codegen::Generator generator;
  return google::protobuf::compiler::PluginMain(argc, argv, &generator);
}
