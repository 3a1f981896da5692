#include "rpc/metadata.h"

#include <cstddef>
#include <cstdlib>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "transport/http/header_list.h"

namespace {
size_t allocations = 0;
}  // namespace

// Not inlined: g++ would see free() of what operator new gave, and warn.
[[gnu::noinline]] void* operator new(size_t n) {
  ++allocations;
  if (void* at = std::malloc(n == 0 ? 1 : n)) return at;
  std::abort();
}
[[gnu::noinline]] void operator delete(void* at) noexcept { std::free(at); }
[[gnu::noinline]] void operator delete(void* at, size_t) noexcept { std::free(at); }

namespace culvert {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using http::HeaderField;
using http::HeaderList;

template <class List>
std::vector<HeaderField> Entries(const List& list) {
  return {list.begin(), list.end()};
}

TEST(Metadata, OwnsWhatIsAddedInOrder) {
  Metadata metadata;
  {
    std::string key = "x-a", value = "1";
    ASSERT_TRUE(metadata.Add(key, value).ok());
    key = "x-b", value = "2";
    ASSERT_TRUE(metadata.Add(key, value).ok());
  }
  ASSERT_TRUE(metadata.Add("x-a", "3").ok());
  EXPECT_EQ(metadata.size(), 3u);
  EXPECT_THAT(Entries(metadata),
              ElementsAre(HeaderField{"x-a", "1"}, HeaderField{"x-b", "2"}, HeaderField{"x-a", "3"}));
}

TEST(Metadata, FindsTheFirstValueAndAllOfThemInAnyCase) {
  Metadata metadata;
  ASSERT_TRUE(metadata.Add("x-a", "1").ok());
  ASSERT_TRUE(metadata.Add("x-b", "2").ok());
  ASSERT_TRUE(metadata.Add("x-a", "3").ok());
  EXPECT_EQ(metadata.Find("x-a"), "1");
  EXPECT_EQ(metadata.Find("X-B"), "2");
  EXPECT_EQ(metadata.Find("x"), std::nullopt);
  EXPECT_THAT(metadata.FindAll("X-A"), ElementsAre("1", "3"));
  EXPECT_THAT(metadata.FindAll("x-c"), IsEmpty());
}

TEST(Metadata, LowersKeys) {
  Metadata metadata;
  ASSERT_TRUE(metadata.Add("X-Request_ID.9", "v").ok());
  EXPECT_EQ(metadata.begin()->name, "x-request_id.9");
}

TEST(Metadata, RefusesMalformedKeys) {
  for (const std::string_view bad :
       {"", ":path", ":", "a b", "a:b", "a/b", "a\n", "caf\xc3\xa9", "a+b", "a~", "a,b", "\x7f"}) {
    Metadata metadata;
    EXPECT_EQ(metadata.Add(bad, "v").code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_TRUE(metadata.empty());
  }
  EXPECT_FALSE(Metadata().Add(std::string_view("a\0", 2), "v").ok());
}

TEST(Metadata, RefusesReservedKeysInAnyCase) {
  for (const std::string_view reserved :
       {"grpc-status", "grpc-timeout", "grpc-anything", "GRPC-Trace-Bin", "content-type", "Content-Type",
        "content-length", "te", "trailer", "user-agent", "host", "connection", "keep-alive",
        "proxy-connection", "transfer-encoding", "upgrade"}) {
    Metadata metadata;
    EXPECT_EQ(metadata.Add(reserved, "v").code(), absl::StatusCode::kInvalidArgument) << reserved;
    EXPECT_TRUE(metadata.empty());
  }
  for (const std::string_view free : {"grpc", "grpcs-x", "authorization", "date", "tea", "x-te"}) {
    EXPECT_TRUE(Metadata().Add(free, "v").ok()) << free;
  }
}

TEST(Metadata, TakesPrintableAsciiUnderPlainKeys) {
  Metadata metadata;
  EXPECT_TRUE(metadata.Add("x", "a ~").ok());
  EXPECT_TRUE(metadata.Add("x", "").ok());
  for (const std::string_view bad : {"a\tb", "a\n", "\r", "\x7f", "\x1f", "caf\xc3\xa9"}) {
    EXPECT_EQ(metadata.Add("x", bad).code(), absl::StatusCode::kInvalidArgument) << bad;
  }
  EXPECT_EQ(metadata.Add("x", std::string_view("\0", 1)).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(metadata.FindAll("x"), ElementsAre("a ~", ""));
}

TEST(Metadata, DropsBlanksAroundPrintableValuesOnly) {
  Metadata metadata;
  ASSERT_TRUE(metadata.Add("x", "  a b ").ok());
  ASSERT_TRUE(metadata.Add("x-bin", "  a b ").ok());
  EXPECT_EQ(metadata.Find("x"), "a b");
  EXPECT_EQ(metadata.Find("x-bin"), "  a b ");
}

TEST(Metadata, DoesNotTellValuesInErrors) {
  EXPECT_EQ(Metadata().Add("x", "secret\n").message().find("secret"), std::string_view::npos);
}

TEST(Metadata, SendsBinaryValuesAsBase64WithoutPadding) {
  Metadata metadata;
  ASSERT_TRUE(metadata.Add("x-bin", std::string_view("\0\xff\n", 3)).ok());
  ASSERT_TRUE(metadata.Add("y-bin", "f").ok());
  ASSERT_TRUE(metadata.Add("z-bin", "").ok());
  ASSERT_TRUE(metadata.Add("x", "f").ok());
  HeaderList fields{{":status", "200"}};
  metadata.AppendTo(fields);
  EXPECT_THAT(Entries(fields),
              ElementsAre(HeaderField{":status", "200"}, HeaderField{"x-bin", "AP8K"},
                          HeaderField{"y-bin", "Zg"}, HeaderField{"z-bin", ""}, HeaderField{"x", "f"}));
}

TEST(Metadata, KeepsOnlyCustomFieldsOfAHeaderBlock) {
  const HeaderList fields{
      {":method", "POST"},
      {":path", "/s/m"},
      {"content-type", "application/grpc"},
      {"te", "trailers"},
      {"user-agent", "x/1"},
      {"grpc-timeout", "1S"},
      {"grpc-accept-encoding", "gzip"},
      {"connection", "close"},
      {"content-length", "5"},
      {"x-a", " 1\t"},
      {"x!y", "not a key of gRPC"},
      {"X-Upper", "no"},
      {"", "no"},
      {"x-c", "a\r\nb: c"},
      {"authorization", "t", true},
  };
  Metadata metadata;
  ASSERT_TRUE(metadata.AssignFromFields(fields.fields()).ok());
  EXPECT_THAT(Entries(metadata),
              ElementsAre(HeaderField{"x-a", "1"}, HeaderField{"authorization", "t", true}));
}

TEST(Metadata, KeepsReceivedValuesThatHttpAllows) {
  const HeaderList fields{{"x", "a\tb"}, {"x", "caf\xc3\xa9"}};
  Metadata metadata;
  ASSERT_TRUE(metadata.AssignFromFields(fields.fields()).ok());
  HeaderList echoed;
  metadata.AppendTo(echoed);
  EXPECT_THAT(Entries(echoed), ElementsAre(HeaderField{"x", "a\tb"}, HeaderField{"x", "caf\xc3\xa9"}));
}

TEST(Metadata, DecodesBinaryValuesPaddedOrNot) {
  const HeaderList fields{{"x-bin", "Zg"}, {"x-bin", "Zg=="}, {"x-bin", "Zm9v"}, {"x-bin", ""}};
  Metadata metadata;
  ASSERT_TRUE(metadata.AssignFromFields(fields.fields()).ok());
  EXPECT_THAT(metadata.FindAll("x-bin"), ElementsAre("f", "f", "foo", ""));
}

TEST(Metadata, SplitsBinaryValuesJoinedByCommas) {
  const HeaderList fields{{"x-bin", "Zg==,Zm8, Zm9v,"}, {"x", "a,b"}};
  Metadata metadata;
  ASSERT_TRUE(metadata.AssignFromFields(fields.fields()).ok());
  EXPECT_THAT(metadata.FindAll("x-bin"), ElementsAre("f", "fo", "foo", ""));
  EXPECT_THAT(metadata.FindAll("x"), ElementsAre("a,b"));
}

TEST(Metadata, IsInternalAndEmptyWhenABinaryValueIsNotBase64) {
  const HeaderList fields{{"x", "1"}, {"x-bin", "Zm9v,Z"}, {"y", "2"}};
  Metadata metadata;
  ASSERT_TRUE(metadata.Add("old", "1").ok());
  const absl::Status status = metadata.AssignFromFields(fields.fields());
  EXPECT_EQ(status, absl::InternalError("metadata value of \"x-bin\" is not base64"));
  EXPECT_TRUE(metadata.empty());
}

TEST(Metadata, ReplacesItsContentByTheFields) {
  const HeaderList fields{{"x", "new"}};
  Metadata metadata;
  ASSERT_TRUE(metadata.Add("x", "old").ok());
  ASSERT_TRUE(metadata.AssignFromFields(fields.fields()).ok());
  EXPECT_THAT(Entries(metadata), ElementsAre(HeaderField{"x", "new"}));
}

TEST(Metadata, ReadsBackWhatItSends) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  Metadata sent;
  ASSERT_TRUE(sent.Add("all-bin", all, /*sensitive=*/true).ok());
  ASSERT_TRUE(sent.Add("x", "a, b").ok());
  ASSERT_TRUE(sent.Add("all-bin", "second").ok());
  HeaderList fields;
  sent.AppendTo(fields);
  Metadata received;
  ASSERT_TRUE(received.AssignFromFields(fields.fields()).ok());
  EXPECT_THAT(Entries(received), ElementsAre(HeaderField{"all-bin", all, true}, HeaderField{"x", "a, b"},
                                             HeaderField{"all-bin", "second"}));
}

TEST(Metadata, CopiesAreIndependentAndMovesLeaveItEmpty) {
  Metadata a;
  ASSERT_TRUE(a.Add("x", "1").ok());
  Metadata b = a;
  a.Clear();
  EXPECT_TRUE(a.empty());
  EXPECT_EQ(b.Find("x"), "1");
  const Metadata c = std::move(b);
  EXPECT_EQ(c.Find("x"), "1");
}

TEST(Metadata, AllocatesNothingWhileEmpty) {
  const HeaderList fields{
      {":path", "/s/m"}, {"content-type", "application/grpc"}, {"te", "trailers"}, {"user-agent", "x/1"}};
  HeaderList out;
  const size_t before = allocations;
  Metadata metadata;
  const absl::Status status = metadata.AssignFromFields(fields.fields());
  metadata.AppendTo(out);
  const Metadata copy = metadata;
  const auto found = copy.Find("x");
  EXPECT_EQ(allocations, before);
  EXPECT_TRUE(status.ok());
  EXPECT_FALSE(found.has_value());
}

TEST(Metadata, AllocatesNothingWhenFilledAgain) {
  const HeaderList fields{{":path", "/s/m"}, {"x-a", "1"}, {"x-b", "2"}};
  Metadata metadata;
  ASSERT_TRUE(metadata.AssignFromFields(fields.fields()).ok());
  const size_t before = allocations;
  const absl::Status status = metadata.AssignFromFields(fields.fields());
  EXPECT_EQ(allocations, before);
  EXPECT_TRUE(status.ok());
}

}  // namespace
}  // namespace culvert
