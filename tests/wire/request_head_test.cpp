#include "shm/wire/request_head.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "tests/wire/sample.hpp"

namespace prefork::wire {
namespace {

using testing::ExactCopy;
using testing::sample_request;

// Reads everything a worker could read: what validate() let pass must lie inside.
std::size_t touch(const RequestView& view) {
  std::size_t sum = 0;
  const auto add = [&sum](std::string_view text) {
    for (const char c : text) sum += static_cast<unsigned char>(c);
  };
  const RequestHead& head = view.head();
  for (const Text& text : {head.method_name, head.target, head.raw_path, head.path, head.query, head.host, head.client,
                           head.server, head.request_id, head.script_name}) {
    add(view.text(text));
  }
  for (std::size_t i = 0; i < head.field_count; ++i) {
    const Field field = view.field(i);
    add(view.name(field));
    add(view.value(field));
  }
  add(as_text(view.body()));
  add(view.find(Name::Host));
  add(method_text(static_cast<Method>(head.method)));
  return sum;
}

TEST(RequestHead, ComesBackAsItWasBuilt) {
  const RequestBuilder builder = sample_request();
  RequestView view(builder.payload());
  ASSERT_EQ(view.validate(), nullptr);
  const RequestHead& head = view.head();
  EXPECT_EQ(head.method, static_cast<std::uint8_t>(Method::POST));
  EXPECT_EQ(head.http_version, 11);
  EXPECT_EQ(head.flags, kHasBody | kBodyComplete);
  EXPECT_EQ(head.client_port, 40000);
  EXPECT_EQ(head.content_length, 5u);
  EXPECT_EQ(view.text(head.method_name), "POST");
  EXPECT_EQ(view.text(head.target), "/a%20b?x=1");
  EXPECT_EQ(view.text(head.raw_path), "/a%20b");
  EXPECT_EQ(view.text(head.path), "/a b");
  EXPECT_EQ(view.text(head.query), "x=1");
  EXPECT_EQ(view.text(head.host), "example.org");
  EXPECT_EQ(view.text(head.client), "127.0.0.1");
  EXPECT_EQ(view.text(head.request_id), "");
  ASSERT_EQ(head.field_count, 3);
  EXPECT_EQ(view.name(view.field(0)), "host");
  EXPECT_EQ(view.value(view.field(0)), "example.org");
  EXPECT_EQ(view.name(view.field(2)), "x-tint");
  EXPECT_EQ(view.value(view.field(2)), "blue");
  EXPECT_EQ(view.find(Name::ContentLength), "5");
  EXPECT_EQ(view.find(Name::Cookie), "");
  EXPECT_EQ(as_text(view.body()), "hello");
}

TEST(RequestHead, AnEmptyRequestIsValid) {
  RequestBuilder builder;
  builder.finish();
  RequestView view(builder.payload());
  EXPECT_EQ(view.validate(), nullptr);
  EXPECT_EQ(view.head().field_count, 0);
  EXPECT_TRUE(view.body().empty());
}

TEST(RequestHead, ABuilderIsUsedAgainWithoutATrace) {
  RequestBuilder builder = sample_request();
  builder.reset();
  EXPECT_FALSE(builder.finished());
  builder.head.path = builder.add_text("/second");
  builder.finish();
  RequestView view(builder.payload());
  ASSERT_EQ(view.validate(), nullptr);
  EXPECT_EQ(view.text(view.head().path), "/second");
  EXPECT_EQ(view.head().field_count, 0);
  EXPECT_EQ(as_text(builder.payload()).find("blue"), std::string_view::npos);
  builder.shrink();
  builder.finish();
  RequestView empty(builder.payload());
  EXPECT_EQ(empty.validate(), nullptr);
}

TEST(RequestHead, GrowsByItsBodyOnly) {
  RequestBuilder builder;
  builder.head.path = builder.add_text("/");
  builder.finish();
  std::string expected;
  for (int i = 0; i < 100; ++i) {
    const std::string piece = std::to_string(i) + ',';
    builder.append_body(as_bytes(piece));
    expected += piece;
    RequestView view(builder.payload());
    ASSERT_EQ(view.validate(), nullptr);
    ASSERT_EQ(as_text(view.body()), expected);
    ASSERT_EQ(view.text(view.head().path), "/");
  }
}

TEST(RequestHead, EveryCutIsRefusedOrHarmless) {
  const RequestBuilder builder = sample_request();
  for (std::size_t length = 0; length < builder.payload().size(); ++length) {
    const ExactCopy cut(builder.payload().first(length));
    RequestView view(cut.span());
    EXPECT_NE(view.validate(), nullptr) << length;  // the body is the last thing, so every cut takes something away
  }
}

TEST(RequestHead, EveryMutatedByteIsRefusedOrHarmless) {
  const RequestBuilder builder = sample_request();
  std::size_t refused = 0, passed = 0;
  for (std::size_t at = 0; at < builder.payload().size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      const ExactCopy copy(builder.payload());
      copy.span()[at] = static_cast<std::byte>(byte);
      RequestView view(copy.span());
      if (view.validate() != nullptr) {
        ++refused;
        continue;
      }
      ++passed;
      touch(view);
    }
  }
  EXPECT_GT(refused, 5000u);
  EXPECT_GT(passed, 5000u);
}

TEST(RequestHead, RefusesAMethodASchemeAndANameThatItDoesNotKnow) {
  const auto refuse = [](auto change) {
    const RequestBuilder builder = sample_request();
    const ExactCopy copy(builder.payload());
    RequestHead head;
    std::memcpy(&head, copy.span().data(), sizeof head);
    change(head, copy.span());
    std::memcpy(copy.span().data(), &head, sizeof head);
    RequestView view(copy.span());
    return std::string(view.validate() == nullptr ? "" : view.validate());
  };
  EXPECT_EQ(refuse([](RequestHead&, auto) {}), "");
  EXPECT_EQ(refuse([](RequestHead& head, auto) { head.method = static_cast<std::uint8_t>(Method::kCount); }),
            "request method is unknown");
  EXPECT_EQ(refuse([](RequestHead& head, auto) { head.scheme = static_cast<Scheme>(2); }), "request scheme is unknown");
  EXPECT_EQ(refuse([](RequestHead& head, auto bytes) {
              const auto id = static_cast<std::uint16_t>(Name::kCount);
              std::memcpy(bytes.data() + head.fields_offset, &id, sizeof id);
            }),
            "request field name is unknown");
  EXPECT_EQ(refuse([](RequestHead& head, auto) { head.path = {0xfffffff0u, 0x20}; }), "request text lies outside");
  EXPECT_EQ(refuse([](RequestHead& head, auto) { head.fields_offset = 0xfffffff0u; }),
            "request field table lies outside");
  EXPECT_EQ(refuse([](RequestHead& head, auto) { head.field_count = 0xffff; }), "request field table lies outside");
}

}  // namespace
}  // namespace prefork::wire
