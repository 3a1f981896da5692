// The code generated from everything.proto and its neighbours, compiled, registered and called.

#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "culvert/rpc/server.h"
#include "gtest/gtest.h"
#include "rpc/codegen/moved/stripped.culvert.h"
#include "tests/far/away/prefixed.culvert.h"
#include "tests/rpc/codegen/everything.culvert.h"
#include "tests/rpc/codegen/made.culvert.h"
#include "tests/rpc/codegen/no_package.culvert.h"

namespace culvert::codegen_test::v1 {
namespace {

// What a user may rely on when overriding.
static_assert(
    std::is_same_v<decltype(&Everything::Service::Unary),
                   ::culvert::Unary<Answer> (Everything::Service::*)(ServerContext&, const Question&)>);
static_assert(std::is_same_v<decltype(&Everything::Service::ServerStreaming),
                             Task<absl::Status> (Everything::Service::*)(ServerContext&, const Question&,
                                                                         Writer<Answer>&)>);
static_assert(
    std::is_same_v<decltype(&Everything::Service::ClientStreaming),
                   Task<absl::StatusOr<Answer>> (Everything::Service::*)(ServerContext&, Reader<Question>&)>);
static_assert(
    std::is_same_v<decltype(&Everything::Service::BidiStreaming),
                   Task<absl::Status> (Everything::Service::*)(ServerContext&, Stream<Question, Answer>&)>);
static_assert(!std::is_default_constructible_v<Everything>);
static_assert(std::is_copy_constructible_v<Everything::Stub>);
static_assert(Everything::kName == "culvert.codegen_test.v1.Everything");
static_assert(Unpacked::kName == "Unpacked");

TEST(Generated, ServicesRegisterTheirMethods) {
  MethodRegistry methods;
  Everything::Service everything;
  everything.Register(methods);
  Names::Service names;
  names.Register(methods);
  Unpacked::Service unpacked;
  unpacked.Register(methods);
  WithoutMethods::Service without_methods;
  without_methods.Register(methods);

  EXPECT_EQ(everything.name(), "culvert.codegen_test.v1.Everything");
  for (const std::string_view path :
       {"/culvert.codegen_test.v1.Everything/Unary", "/culvert.codegen_test.v1.Everything/BidiStreaming",
        "/culvert.codegen_test.v1.Names/delete", "/culvert.codegen_test.v1.Names/Register",
        "/Unpacked/Fetch"}) {
    ASSERT_NE(methods.Find(path), nullptr) << path;
    EXPECT_EQ(methods.Find(path)->path(), path);
  }
  EXPECT_EQ(methods.Find("/culvert.codegen_test.v1.Names/delete_"), nullptr);
}

// Answers some of the methods.
class Answers final : public Types::Service {
  ::culvert::Unary<::acme::culvert::absl::Outer_Middle_Inner> Nested(ServerContext&,
                                                                     const Question_Origin& origin) override {
    ::acme::culvert::absl::Outer_Middle_Inner inner;
    inner.set_content("from " + origin.town());
    return inner;
  }
  Task<absl::StatusOr<::Bare_Bone>> NoPackage(ServerContext&, Reader<::Bare>& reader) override {
    ::Bare bare;
    ::Bare_Bone sum;
    while (co_await reader.Read(bare)) sum.set_length(sum.length() + bare.bone().length());
    co_return sum;
  }
};

// Over the wire: a server on a loopback port.
class GeneratedCalls : public ::testing::Test {
 protected:
  void SetUp() override {
    server_.AddService(everything_);
    server_.AddService(answers_);
    server_.AddService(shelf_);
    server_.AddService(post_);
    const absl::StatusOr<std::string> address = server_.Listen("127.0.0.1:0");
    ASSERT_TRUE(address.ok()) << address.status();
    absl::StatusOr<std::shared_ptr<Channel>> channel = Channel::Create(*address);
    ASSERT_TRUE(channel.ok()) << channel.status();
    channel_ = *std::move(channel);
  }

  Everything::Service everything_;
  Answers answers_;
  stripped::Shelf::Service shelf_;
  prefixed::Post::Service post_;
  Server server_;
  std::shared_ptr<Channel> channel_;
};

TEST_F(GeneratedCalls, MethodsThatAreNotOverriddenAreUnimplemented) {
  const Everything::Stub stub(channel_);
  const auto refusal = [](std::string_view method) {
    return absl::UnimplementedError("method /culvert.codegen_test.v1.Everything/" + std::string(method) +
                                    " is not implemented");
  };
  Question question;
  Answer answer;
  ClientContext unary_context;
  EXPECT_EQ(stub.Unary(unary_context, question, kBlock).status(), refusal("Unary"));

  ClientContext server_context;
  auto reader = stub.ServerStreaming(server_context, question);
  EXPECT_FALSE(reader.Read(answer, kBlock));
  EXPECT_EQ(reader.Finish(kBlock), refusal("ServerStreaming"));

  ClientContext client_context;
  auto writer = stub.ClientStreaming(client_context);
  EXPECT_EQ(writer.Finish(kBlock).status(), refusal("ClientStreaming"));

  ClientContext bidi_context;
  auto stream = stub.BidiStreaming(bidi_context);
  EXPECT_FALSE(stream.Read(answer, kBlock));
  EXPECT_EQ(stream.Finish(kBlock), refusal("BidiStreaming"));
}

TEST_F(GeneratedCalls, MessagesOfOtherFilesTravel) {
  const Types::Stub stub(channel_);
  ClientContext context;
  Question::Origin origin;
  origin.set_town("Linz");
  const auto inner = stub.Nested(context, origin, kBlock);
  ASSERT_TRUE(inner.ok()) << inner.status();
  EXPECT_EQ(inner->content(), "from Linz");

  ClientContext streaming_context;
  auto writer = stub.NoPackage(streaming_context);
  ::Bare bare;
  for (int i = 1; i <= 3; ++i) {
    bare.mutable_bone()->set_length(i);
    ASSERT_TRUE(writer.Write(bare, kBlock));
  }
  const auto sum = writer.Finish(kBlock);
  ASSERT_TRUE(sum.ok()) << sum.status();
  EXPECT_EQ(sum->length(), 6);
}

TEST_F(GeneratedCalls, ServicesOfMovedFilesAreServed) {
  ClientContext context;
  EXPECT_EQ(prefixed::Post::Stub(channel_).Deliver(context, stripped::Parcel(), kBlock).status(),
            absl::UnimplementedError("method /prefixed.Post/Deliver is not implemented"));
  ClientContext unknown_context;
  EXPECT_TRUE(
      absl::IsUnimplemented(made::Shelf::Stub(channel_).Store(unknown_context).Finish(kBlock).status()));
}

}  // namespace
}  // namespace culvert::codegen_test::v1
