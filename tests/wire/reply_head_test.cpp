#include "shm/wire/reply_head.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "tests/wire/sample.hpp"

namespace prefork::wire {
namespace {

using testing::ExactCopy;
using testing::sample_reply;

std::size_t touch(const ReplyView& view) {
  std::size_t sum = 0;
  const auto add = [&sum](std::string_view text) {
    for (const char c : text) sum += static_cast<unsigned char>(c);
  };
  add(view.reason());
  for (std::size_t i = 0; i < view.head().field_count; ++i) {
    ReplyField field;
    if (!view.field(i, field)) continue;
    add(field.name);
    add(field.value);
    add(name_text(static_cast<std::uint16_t>(field.id)));
  }
  add(as_text(view.body()));
  return sum;
}

TEST(ReplyHead, ComesBackAsItWasWritten) {
  const auto bytes = sample_reply();
  ReplyView view(bytes);
  ASSERT_EQ(view.validate(), nullptr);
  EXPECT_EQ(view.head().status, 201);
  EXPECT_EQ(view.reason(), "Made");
  ASSERT_EQ(view.head().field_count, 2);
  ReplyField field;
  ASSERT_TRUE(view.field(0, field));
  EXPECT_EQ(field.name, "Content-Type");
  EXPECT_EQ(field.value, "text/plain");
  EXPECT_EQ(field.id, Name::ContentType);
  ASSERT_TRUE(view.field(1, field));
  EXPECT_EQ(field.name, "X-Tint");
  EXPECT_EQ(field.id, Name::Unknown);
  EXPECT_EQ(as_text(view.body()), "done");
}

TEST(ReplyHead, TakesTheSpaceThatWasWorkedOut) {
  const auto bytes = sample_reply();
  EXPECT_EQ(bytes.size(), reply_head_space(2, std::string_view("MadeContent-Typetext/plainX-Tintreddone").size()));
}

TEST(ReplyHead, TheBodyMayComeInPieces) {
  std::vector<std::byte> memory(128);
  ReplyWriter writer(memory, 200, 0, 0);
  writer.body(as_bytes("one "));
  writer.body(as_bytes(""));
  writer.body(as_bytes("two"));
  ReplyView view{std::span(memory).first(writer.finish())};
  ASSERT_EQ(view.validate(), nullptr);
  EXPECT_EQ(as_text(view.body()), "one two");
}

TEST(ReplyHead, MemoryThatIsTooSmallIsNotWrittenPast) {
  const auto whole = sample_reply();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const ExactCopy memory{std::span(whole).first(size)};
    ReplyWriter writer(memory.span(), 201, 2, 0);
    writer.reason("Made");
    writer.field("Content-Type", "text/plain", Name::ContentType);
    writer.field("X-Tint", "red", Name::Unknown);
    writer.body(as_bytes("done"));
    EXPECT_EQ(writer.finish(), 0u) << size;
  }
}

TEST(ReplyHead, MoreFieldsThanAnnouncedAreNotWritten) {
  std::vector<std::byte> memory(512);
  ReplyWriter writer(memory, 200, 1, 0);
  writer.field("a", "b", Name::Unknown);
  writer.field("c", "d", Name::Unknown);
  EXPECT_EQ(writer.finish(), 0u);
}

TEST(ReplyHead, FewerFieldsThanAnnouncedAreJustFewer) {
  std::vector<std::byte> memory(512, std::byte{0xff});
  ReplyWriter writer(memory, 200, 5, 0);
  writer.field("a", "b", Name::Unknown);
  ReplyView view{std::span(memory).first(writer.finish())};
  ASSERT_EQ(view.validate(), nullptr);
  EXPECT_EQ(view.head().field_count, 1);
}

TEST(ReplyHead, ANameLongerThanItsLengthCanTellIsNotWritten) {
  std::vector<std::byte> memory(200000);
  ReplyWriter writer(memory, 200, 1, 0);
  writer.field(std::string(65536, 'a'), "b", Name::Unknown);
  EXPECT_EQ(writer.finish(), 0u);
}

TEST(ReplyHead, EveryCutIsRefusedOrHarmless) {
  const auto bytes = sample_reply();
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    const ExactCopy cut{std::span(bytes).first(length)};
    ReplyView view(cut.span());
    EXPECT_NE(view.validate(), nullptr) << length;
  }
}

TEST(ReplyHead, EveryMutatedByteIsRefusedOrHarmless) {
  const auto bytes = sample_reply();
  std::size_t refused = 0, passed = 0;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      const ExactCopy copy(bytes);
      copy.span()[at] = static_cast<std::byte>(byte);
      ReplyView view(copy.span());
      if (view.validate() != nullptr) {
        ++refused;
        continue;
      }
      ++passed;
      touch(view);
    }
  }
  EXPECT_GT(refused, 1000u);
  EXPECT_GT(passed, 5000u);
}

// The worker may write to the payload after it was validated: every field is looked at anew.
TEST(ReplyHead, AFieldChangedAfterValidationIsRefused) {
  const auto bytes = sample_reply();
  const ExactCopy copy(bytes);
  ReplyView view(copy.span());
  ASSERT_EQ(view.validate(), nullptr);
  const Field outside{0, 10, 0xffffff00u, {0, 4}};
  std::memcpy(copy.span().data() + sizeof(ReplyHead), &outside, sizeof outside);
  ReplyField field;
  EXPECT_FALSE(view.field(0, field));
  const Field longer{0, 1, 0, {60, 0xffffffffu}};
  std::memcpy(copy.span().data() + sizeof(ReplyHead) + sizeof(Field), &longer, sizeof longer);
  EXPECT_FALSE(view.field(1, field));
  std::memset(copy.span().data(), 0xff, sizeof(ReplyHead));
  EXPECT_EQ(view.head().status, 201);  // ours is a copy
  EXPECT_EQ(view.body().size(), 4u);
}

TEST(ReplyHead, RefusesAStatusOutOfRange) {
  for (const int status : {0, 99, 1000, 65535}) {
    std::vector<std::byte> memory(64);
    ReplyWriter writer(memory, static_cast<std::uint16_t>(status), 0, 0);
    ReplyView view{std::span(memory).first(writer.finish())};
    EXPECT_STREQ(view.validate(), "reply status is out of range");
  }
}

}  // namespace
}  // namespace prefork::wire
