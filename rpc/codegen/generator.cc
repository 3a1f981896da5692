#include "rpc/codegen/generator.h"

#include <google/protobuf/compiler/cpp/names.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/io/printer.h>
#include <google/protobuf/io/zero_copy_stream.h>

#include <map>
#include <memory>
#include <optional>
#include <sstream>

#include "rpc/codegen/names.h"

namespace culvert::codegen {

namespace {

using google::protobuf::FileDescriptor;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;
using google::protobuf::SourceLocation;
using google::protobuf::io::Printer;

using Variables = std::map<std::string, std::string>;

enum class Kind { kUnary, kServerStreaming, kClientStreaming, kBidiStreaming };

Kind KindOf(const MethodDescriptor& method) {
  if (method.client_streaming())
    return method.server_streaming() ? Kind::kBidiStreaming : Kind::kClientStreaming;
  return method.server_streaming() ? Kind::kServerStreaming : Kind::kUnary;
}

// The comment before `descriptor` in the .proto file, or else the one behind it.
template <class D>
void PrintComment(const D& descriptor, Printer& out) {
  SourceLocation location;
  if (!descriptor.GetSourceLocation(&location)) return;
  std::istringstream lines(location.leading_comments.empty() ? location.trailing_comments
                                                             : location.leading_comments);
  for (std::string line; std::getline(lines, line);) {
    line.erase(line.find_last_not_of(" \t\r") + 1);
    // A backslash at the end would draw the next line into the comment.
    if (line.ends_with('\\')) line += " //";
    out.Print(line.empty() || line[0] == ' ' ? "//$line$\n" : "// $line$\n", "line", line);
  }
}

Variables VariablesOf(const FileDescriptor& file) {
  const std::string ns = Namespace(file);
  return {
      {"base", BaseName(file)},
      {"guard", Guard(file)},
      {"open_namespace", ns.empty() ? "" : "namespace " + ns + " {\n\n"},
      {"close_namespace", ns.empty() ? "" : "}  // namespace " + ns + "\n\n"},
      {"proto", file.name()},
  };
}

Variables VariablesOf(const ServiceDescriptor& service) {
  return {
      {"class", ClassName(service)},
      {"deprecated", service.options().deprecated() ? "[[deprecated]] " : ""},
      {"service", service.full_name()},
  };
}

Variables VariablesOf(const MethodDescriptor& method) {
  const std::string request = google::protobuf::compiler::cpp::QualifiedClassName(method.input_type());
  const std::string response = google::protobuf::compiler::cpp::QualifiedClassName(method.output_type());
  Variables variables = {
      {"class", ClassName(*method.service())},
      {"deprecated", method.options().deprecated() ? "[[deprecated]] " : ""},
      {"method", MethodName(method)},
      {"path", Path(method)},
      {"request", request},
      {"response", response},
  };
  // What differs from kind to kind: the types that the two sides return, the handler's parameters with and
  // without names, and the function that starts a call.
  switch (KindOf(method)) {
    case Kind::kUnary:
      variables["returned"] = "::culvert::Unary<" + response + ">";
      variables["parameters"] = "const " + request + "& request";
      variables["parameter_types"] = "const " + request + "&";
      break;
    case Kind::kServerStreaming:
      variables["returned"] = "::culvert::Task<::absl::Status>";
      variables["parameters"] = "const " + request + "& request, ::culvert::Writer<" + response + ">& writer";
      variables["parameter_types"] = "const " + request + "&, ::culvert::Writer<" + response + ">&";
      variables["call"] = "::culvert::ClientReader<" + response + ">";
      variables["start"] = "CallServerStreaming<" + response + ">";
      break;
    case Kind::kClientStreaming:
      variables["returned"] = "::culvert::Task<::absl::StatusOr<" + response + ">>";
      variables["parameters"] = "::culvert::Reader<" + request + ">& reader";
      variables["parameter_types"] = "::culvert::Reader<" + request + ">&";
      variables["call"] = "::culvert::ClientWriter<" + request + ", " + response + ">";
      variables["start"] = "CallClientStreaming<" + request + ", " + response + ">";
      break;
    case Kind::kBidiStreaming:
      variables["returned"] = "::culvert::Task<::absl::Status>";
      variables["parameters"] = "::culvert::Stream<" + request + ", " + response + ">& stream";
      variables["parameter_types"] = "::culvert::Stream<" + request + ", " + response + ">&";
      variables["call"] = "::culvert::ClientStream<" + request + ", " + response + ">";
      variables["start"] = "CallBidiStreaming<" + request + ", " + response + ">";
      break;
  }
  // A client hands over the request of a method that takes one.
  const bool one_request = !method.client_streaming();
  variables["client_parameter"] = one_request ? ", const " + request + "& request" : "";
  variables["client_argument"] = one_request ? ", request" : "";
  return variables;
}

void PrintServiceHeader(const ServiceDescriptor& service, Printer& out) {
  const Variables variables = VariablesOf(service);
  PrintComment(service, out);
  out.Print(variables, R"(class $class$ final {
 public:
  $class$() = delete;

  static constexpr ::std::string_view kName = "$service$";

  // For a server to implement. A method that is not overridden answers UNIMPLEMENTED.
  class Service : public ::culvert::Service {
   public:
)");
  out.Indent();
  out.Indent();
  for (int i = 0; i < service.method_count(); ++i) {
    const MethodDescriptor& method = *service.method(i);
    PrintComment(method, out);
    out.Print(VariablesOf(method), R"(virtual $returned$ $method$(
    ::culvert::ServerContext& call, $parameters$);

)");
  }
  out.Outdent();
  out.Outdent();
  out.Print(variables, R"(    void Register(::culvert::MethodRegistry& methods) final;
    ::std::string_view name() const final { return kName; }
  };

  // For a client to call, from any thread. Cheap to copy.
  class Stub final {
   public:
    $deprecated$explicit Stub(::std::shared_ptr<::culvert::Channel> channel) : channel_(::std::move(channel)) {}

)");
  out.Indent();
  out.Indent();
  for (int i = 0; i < service.method_count(); ++i) {
    const MethodDescriptor& method = *service.method(i);
    PrintComment(method, out);
    if (KindOf(method) == Kind::kUnary) {
      out.Print(VariablesOf(method), R"(template <class CompletionToken = ::culvert::DefaultToken>
$deprecated$auto $method$(
    ::culvert::ClientContext& context$client_parameter$, CompletionToken&& token = {}) const {
  return ::culvert::rpc::CallUnary<$response$>(
      channel_, "$path$", context$client_argument$, ::std::forward<CompletionToken>(token));
}

)");
    } else {
      out.Print(VariablesOf(method), R"($deprecated$$call$ $method$(
    ::culvert::ClientContext& context$client_parameter$) const;

)");
    }
  }
  out.Outdent();
  out.Outdent();
  out.Print(R"(   private:
    ::std::shared_ptr<::culvert::Channel> channel_;
  };
};

)");
}

void PrintHeader(const FileDescriptor& file, Printer& out) {
  const Variables variables = VariablesOf(file);
  out.Print(variables, R"(// Generated from $proto$ by protoc-gen-culvert: changes are lost.

#ifndef $guard$
#define $guard$

)");
  if (file.service_count() == 0) {
    out.Print(variables, "#include \"$base$.pb.h\"\n\n");
  } else {
    out.Print(variables, R"(#include <memory>
#include <string_view>
#include <utility>

#include "culvert/rpc/service.h"
#include "culvert/rpc/stub.h"
)");
    out.Print(variables, "#include \"$base$.pb.h\"\n\n$open_namespace$");
    for (int i = 0; i < file.service_count(); ++i) PrintServiceHeader(*file.service(i), out);
    out.Print(variables, "$close_namespace$");
  }
  out.Print(variables, "#endif  // $guard$\n");
}

void PrintServiceSource(const ServiceDescriptor& service, Printer& out) {
  for (int i = 0; i < service.method_count(); ++i) {
    const MethodDescriptor& method = *service.method(i);
    Variables variables = VariablesOf(method);
    // Only the unary one is a plain function.
    variables["co_return"] = KindOf(method) == Kind::kUnary ? "return" : "co_return";
    out.Print(variables, R"($returned$ $class$::Service::$method$(
    ::culvert::ServerContext&, $parameter_types$) {
  $co_return$ ::absl::UnimplementedError("method $path$ is not implemented");
}

)");
  }
  const Variables variables = VariablesOf(service);
  if (service.method_count() == 0) {  // and the parameter would go unused
    out.Print(variables, "void $class$::Service::Register(::culvert::MethodRegistry&) {}\n\n");
  } else {
    out.Print(variables, "void $class$::Service::Register(::culvert::MethodRegistry& methods) {\n");
    for (int i = 0; i < service.method_count(); ++i) {
      out.Print(VariablesOf(*service.method(i)), "  methods.Add(\"$path$\", *this, &Service::$method$);\n");
    }
    out.Print("}\n\n");
  }
  for (int i = 0; i < service.method_count(); ++i) {
    const MethodDescriptor& method = *service.method(i);
    if (KindOf(method) == Kind::kUnary) continue;
    out.Print(VariablesOf(method), R"($call$ $class$::Stub::$method$(
    ::culvert::ClientContext& context$client_parameter$) const {
  return ::culvert::rpc::$start$(
      channel_, "$path$", context$client_argument$);
}

)");
  }
}

void PrintSource(const FileDescriptor& file, Printer& out) {
  const Variables variables = VariablesOf(file);
  out.Print(variables, R"(// Generated from $proto$ by protoc-gen-culvert: changes are lost.

)");
  out.Print(variables, "#include \"$base$.culvert.h\"\n");
  if (file.service_count() == 0) return;
  out.Print(variables, R"(
#include "absl/status/status.h"
#include "absl/status/statusor.h"

$open_namespace$)");
  for (int i = 0; i < file.service_count(); ++i) PrintServiceSource(*file.service(i), out);
  out.Print(variables, "$close_namespace$");
}

}  // namespace

bool Generator::Generate(const FileDescriptor* file, const std::string& parameter,
                         google::protobuf::compiler::GeneratorContext* context, std::string* error) const {
  if (!parameter.empty()) {
    *error = "unknown parameter '" + parameter + "': protoc-gen-culvert takes none";
    return false;
  }
  if (const std::optional<std::string> conflict = FindConflict(*file)) {
    *error = *conflict;
    return false;
  }
  const auto write = [&](const std::string& suffix, void (*print)(const FileDescriptor&, Printer&)) {
    const std::unique_ptr<google::protobuf::io::ZeroCopyOutputStream> stream(
        context->Open(BaseName(*file) + suffix));
    Printer printer(stream.get(), '$');
    print(*file, printer);
  };
  write(".culvert.h", &PrintHeader);
  write(".culvert.cc", &PrintSource);
  return true;
}

}  // namespace culvert::codegen
