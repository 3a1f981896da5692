// protoc-gen-culvert in this process: what it refuses and with which words, and what the golden files do not
// show.

#include "rpc/codegen/generator.h"

#include <google/protobuf/compiler/parser.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <map>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace culvert::codegen {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::Not;
using ::testing::StartsWith;

// The generated files, kept in memory.
class Output final : public google::protobuf::compiler::GeneratorContext {
 public:
  google::protobuf::io::ZeroCopyOutputStream* Open(const std::string& name) override {
    return new google::protobuf::io::StringOutputStream(&files[name]);
  }
  std::map<std::string, std::string> files;
};

struct Result {
  std::string error;  // empty when it went well
  std::map<std::string, std::string> files;
};

Result Generate(const std::string& text, const std::string& name = "dir/a.proto",
                const std::string& parameter = "") {
  google::protobuf::io::ArrayInputStream input(text.data(), static_cast<int>(text.size()));
  google::protobuf::io::Tokenizer tokenizer(&input, nullptr);
  google::protobuf::FileDescriptorProto proto;
  google::protobuf::compiler::Parser parser;
  EXPECT_TRUE(parser.Parse(&tokenizer, &proto)) << text;
  proto.set_name(name);
  google::protobuf::DescriptorPool pool;
  const google::protobuf::FileDescriptor* file = pool.BuildFile(proto);
  EXPECT_NE(file, nullptr) << text;

  Output output;
  Result result;
  const bool ok = Generator().Generate(file, parameter, &output, &result.error);
  EXPECT_EQ(ok, result.error.empty());
  result.files = std::move(output.files);
  return result;
}

TEST(Generator, NamesItsFilesAfterTheProto) {
  EXPECT_THAT(Generate("syntax = 'proto3';").files,
              ElementsAre(Key("dir/a.culvert.cc"), Key("dir/a.culvert.h")));
}

TEST(Generator, FileWithoutServicesNeedsNothingOfCulvert) {
  const Result result = Generate("syntax = 'proto3'; message M {}");
  EXPECT_EQ(result.error, "");
  EXPECT_THAT(result.files.at("dir/a.culvert.h"), HasSubstr("#include \"dir/a.pb.h\""));
  EXPECT_THAT(result.files.at("dir/a.culvert.h"), Not(HasSubstr("culvert/rpc")));
}

TEST(Generator, SameFileIsWrittenTheSame) {
  const std::string text =
      "syntax = 'proto3'; package p; message M {} service S { rpc A(M) returns (M); rpc B(M) returns (M); }";
  EXPECT_EQ(Generate(text).files, Generate(text).files);
}

TEST(Generator, GuardsOfDifferentFilesDiffer) {
  const auto guard = [](const std::string& name) {
    const std::string header = Generate("syntax = 'proto3';", name).files.rbegin()->second;
    const size_t begin = header.find("#ifndef ");
    return header.substr(begin, header.find('\n', begin) - begin);
  };
  EXPECT_NE(guard("a/b.proto"), guard("a_b.proto"));
  EXPECT_NE(guard("a-b.proto"), guard("a_b.proto"));
  EXPECT_NE(guard("a/2db.proto"), guard("a-b.proto"));
}

TEST(Generator, WireNamesAreNotEscaped) {
  const Result result =
      Generate("syntax = 'proto3'; package p; message M {} service class { rpc delete(M) returns (M); }");
  EXPECT_THAT(result.files.at("dir/a.culvert.h"), HasSubstr("class class_ final"));
  EXPECT_THAT(result.files.at("dir/a.culvert.h"), HasSubstr("kName = \"p.class\""));
  EXPECT_THAT(result.files.at("dir/a.culvert.cc"),
              HasSubstr("methods.Add(\"/p.class/delete\", *this, &Service::delete_)"));
}

TEST(Generator, CommentThatEndsInABackslashKeepsToItsLine) {
  const Result result = Generate(
      "syntax = 'proto3'; message M {}\n"
      "service S {\n"
      "  // C:\\ \n"
      "  rpc A(M) returns (M);\n"
      "}");
  EXPECT_THAT(result.files.at("dir/a.culvert.h"), HasSubstr("// C:\\ //\n    virtual"));
}

TEST(Generator, MethodsThatEscapingMakesEqualAreRefused) {
  const Result result = Generate(
      "syntax = 'proto3'; package p; message M {}\n"
      "service S {\n"
      "  rpc delete(M) returns (M);\n"
      "  rpc delete_(M) returns (M);\n"
      "}");
  EXPECT_EQ(result.error,
            "line 4: method p.S.delete_ would be 'delete_' in C++, as is method p.S.delete: rename "
            "one of them");
  EXPECT_TRUE(result.files.empty());
}

TEST(Generator, ServicesThatEscapingMakesEqualAreRefused) {
  const Result result =
      Generate("syntax = 'proto3'; package p; message M {}\nservice Stub {}\nservice Stub_ {}");
  EXPECT_EQ(result.error,
            "line 3: service p.Stub_ would be 'Stub_' in C++, as is service p.Stub: rename one of them");
}

TEST(Generator, ServiceCalledAsANestedMessageIsInCppIsRefused) {
  const Result result =
      Generate("syntax = 'proto3'; package p; message Outer { message Inner {} }\nservice Outer_Inner {}");
  EXPECT_EQ(result.error,
            "line 2: service p.Outer_Inner would be 'Outer_Inner' in C++, as is message "
            "p.Outer.Inner: rename one of them");
}

TEST(Generator, ServicesOfProtobufsOwnAreRefused) {
  const std::string text = "syntax = 'proto3'; option cc_generic_services = true; message M {}";
  EXPECT_EQ(Generate(text).error, "");
  EXPECT_THAT(Generate(text + "service S {}").error, StartsWith("with `option cc_generic_services = true`"));
}

TEST(Generator, ParametersAreRefused) {
  EXPECT_EQ(Generate("syntax = 'proto3';", "a.proto", "fast").error,
            "unknown parameter 'fast': protoc-gen-culvert takes none");
}

}  // namespace
}  // namespace culvert::codegen
