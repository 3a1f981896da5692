#include "rpc/codegen/names.h"

#include <google/protobuf/compiler/cpp/names.h>
#include <google/protobuf/descriptor.pb.h>

#include <map>
#include <utility>

namespace culvert::codegen {

namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;
using google::protobuf::SourceLocation;

// Words between blanks. C++20's keywords, its other spellings of operators, and two macros that C and C++
// headers bring along.
constexpr std::string_view kKeywords =
    " NULL alignas alignof and and_eq asm assert auto bitand bitor bool break case catch char char16_t"
    " char32_t char8_t class co_await co_return co_yield compl concept const const_cast consteval"
    " constexpr constinit continue decltype default delete do double dynamic_cast else enum explicit"
    " export extern false float for friend goto if inline int long mutable namespace new noexcept not"
    " not_eq nullptr operator or or_eq private protected public register reinterpret_cast requires return"
    " short signed sizeof static static_assert static_cast struct switch template this thread_local throw"
    " true try typedef typeid typename union unsigned using virtual void volatile wchar_t while xor xor_eq ";
// What a generated class may not be called, for what is in it; and a function in it.
constexpr std::string_view kNoClass = " Service Stub kName ";
constexpr std::string_view kNoFunction = " CompletionToken Register Service Stub channel_ kName name ";

bool Contains(std::string_view words, const std::string& word) {
  return words.find(" " + word + " ") != std::string_view::npos;
}

std::string Escape(const std::string& name, std::string_view taken) {
  return Contains(kKeywords, name) || Contains(taken, name) ? name + "_" : name;
}

// "line 7: " of a service or method, if it is known. protoc puts the file's name before it.
template <class D>
std::string Where(const D& descriptor) {
  SourceLocation location;
  if (!descriptor.GetSourceLocation(&location)) return "";
  return "line " + std::to_string(location.start_line + 1) + ": ";
}

// C++ name -> what has it.
using Taken = std::map<std::string, std::string>;

void TakeEnum(const EnumDescriptor& type, Taken& taken) {
  taken.emplace(google::protobuf::compiler::cpp::ClassName(&type), "enum " + type.full_name());
}

void TakeMessage(const Descriptor& type, Taken& taken) {
  taken.emplace(google::protobuf::compiler::cpp::ClassName(&type), "message " + type.full_name());
  for (int i = 0; i < type.nested_type_count(); ++i) TakeMessage(*type.nested_type(i), taken);
  for (int i = 0; i < type.enum_type_count(); ++i) TakeEnum(*type.enum_type(i), taken);
}

template <class D>
std::optional<std::string> Take(const D& descriptor, const std::string& cpp_name, const std::string& kind,
                                Taken& taken) {
  const auto [other, is_new] = taken.emplace(cpp_name, kind + " " + descriptor.full_name());
  if (is_new) return std::nullopt;
  return Where(descriptor) + kind + " " + descriptor.full_name() + " would be '" + cpp_name +
         "' in C++, as is " + other->second + ": rename one of them";
}

}  // namespace

std::string ClassName(const ServiceDescriptor& service) { return Escape(service.name(), kNoClass); }

std::string MethodName(const MethodDescriptor& method) { return Escape(method.name(), kNoFunction); }

std::string Path(const MethodDescriptor& method) {
  return "/" + method.service()->full_name() + "/" + method.name();
}

std::string Namespace(const FileDescriptor& file) {
  std::string result;
  for (const char c : file.package()) {
    if (c == '.') {
      result += "::";
    } else {
      result += c;
    }
  }
  return result;
}

std::string BaseName(const FileDescriptor& file) {
  return google::protobuf::compiler::cpp::StripProto(file.name());
}

std::string Guard(const FileDescriptor& file) {
  // Letters and digits stand for themselves and all else for its number, as in protobuf's own guards.
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string guard = "CULVERT_GENERATED_";
  for (const char c : file.name()) {
    const auto byte = static_cast<unsigned char>(c);
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) {
      guard += c;
    } else {
      guard += "_";
      guard += kHex[byte >> 4];
      guard += kHex[byte & 15];
    }
  }
  return guard + "_H_";
}

std::optional<std::string> FindConflict(const FileDescriptor& file) {
  if (file.service_count() == 0) return std::nullopt;
  if (file.options().cc_generic_services()) {
    return "with `option cc_generic_services = true` protobuf declares classes of the services' names "
           "itself: drop the option";
  }
  Taken classes;
  for (int i = 0; i < file.message_type_count(); ++i) TakeMessage(*file.message_type(i), classes);
  for (int i = 0; i < file.enum_type_count(); ++i) TakeEnum(*file.enum_type(i), classes);
  for (int i = 0; i < file.service_count(); ++i) {
    const ServiceDescriptor& service = *file.service(i);
    if (auto conflict = Take(service, ClassName(service), "service", classes)) return conflict;
    Taken methods;
    for (int k = 0; k < service.method_count(); ++k) {
      const MethodDescriptor& method = *service.method(k);
      if (auto conflict = Take(method, MethodName(method), "method", methods)) return conflict;
    }
  }
  return std::nullopt;
}

}  // namespace culvert::codegen
