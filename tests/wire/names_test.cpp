#include "shm/wire/names.hpp"

#include <gtest/gtest.h>

#include <cctype>
#include <set>
#include <string>

namespace prefork::wire {
namespace {

constexpr auto kNames = static_cast<std::size_t>(Name::kCount);
constexpr auto kMethods = static_cast<std::size_t>(Method::kCount);

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return result;
}

TEST(Names, EveryNameIsFoundInAnyCase) {
  for (std::size_t id = 1; id < kNames; ++id) {
    const std::string text(kNameTexts[id]);
    EXPECT_EQ(find_name(text), static_cast<Name>(id)) << text;
    EXPECT_EQ(find_name(upper(text)), static_cast<Name>(id)) << text;
    std::string mixed = text;
    for (std::size_t i = 0; i < mixed.size(); i += 2) mixed[i] = static_cast<char>(std::toupper(mixed[i]));
    EXPECT_EQ(find_name(mixed), static_cast<Name>(id)) << mixed;
    EXPECT_EQ(name_text(static_cast<std::uint16_t>(id)), text);
  }
}

TEST(Names, TextsAreLowerCaseTokensAndDifferent) {
  std::set<std::string_view> seen;
  for (std::size_t id = 1; id < kNames; ++id) {
    EXPECT_TRUE(seen.insert(kNameTexts[id]).second) << kNameTexts[id];
    for (const char c : kNameTexts[id]) EXPECT_TRUE((c >= 'a' && c <= 'z') || c == '-') << kNameTexts[id];
  }
}

// Every name with one byte changed, added or missing: never taken for a known one unless it is one.
TEST(Names, NothingElseIsFound) {
  std::set<std::string> known(kNameTexts.begin() + 1, kNameTexts.end());
  const auto check = [&](const std::string& text) {
    std::string lower(text);
    for (char& c : lower) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
    }
    ASSERT_EQ(find_name(text) != Name::Unknown, known.count(lower) != 0) << text;
  };
  for (std::size_t id = 1; id < kNames; ++id) {
    const std::string text(kNameTexts[id]);
    for (std::size_t at = 0; at < text.size(); ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string changed = text;
        changed[at] = static_cast<char>(byte);
        check(changed);
      }
      std::string shorter = text;
      shorter.erase(at, 1);
      check(shorter);
      std::string longer = text;
      longer.insert(at, 1, 'x');
      check(longer);
    }
  }
  // Bytes that differ from a dash or a letter as upper case differs from lower case.
  for (const char* text : {"content\rlength", "CONTENT\rLENGTH", "h/st", "\x08ost", "x\rreal\rip"})
    EXPECT_EQ(find_name(text), Name::Unknown) << text;
  EXPECT_EQ(find_name(""), Name::Unknown);
  EXPECT_EQ(find_name(std::string(70000, 'a')), Name::Unknown);
}

TEST(Names, IdsOutsideTheTableHaveNoText) {
  EXPECT_EQ(name_text(0), "");
  EXPECT_EQ(name_text(static_cast<std::uint16_t>(kNames)), "");
  EXPECT_EQ(name_text(0xffff), "");
}

TEST(Methods, EveryMethodIsFoundInItsExactCaseOnly) {
  for (std::size_t id = 1; id < kMethods; ++id) {
    const std::string text(kMethodTexts[id]);
    EXPECT_EQ(find_method(text), static_cast<Method>(id));
    EXPECT_EQ(method_text(static_cast<Method>(id)), text);
    std::string lower = text;
    lower[0] = static_cast<char>(lower[0] | 0x20);
    EXPECT_EQ(find_method(lower), Method::Unknown);
  }
  EXPECT_EQ(find_method(""), Method::Unknown);
  EXPECT_EQ(find_method("GETS"), Method::Unknown);
  EXPECT_EQ(method_text(static_cast<Method>(200)), "");
}

TEST(Methods, SafetyIsThatOfTheirDefinitions) {
  EXPECT_TRUE(is_safe(Method::GET) && is_safe(Method::HEAD) && is_safe(Method::OPTIONS) && is_safe(Method::QUERY));
  EXPECT_FALSE(is_safe(Method::POST) || is_safe(Method::PUT) || is_safe(Method::DELETE) || is_safe(Method::Unknown));
}

}  // namespace
}  // namespace prefork::wire
