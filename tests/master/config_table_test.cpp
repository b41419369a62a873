#include "master/config_table.hpp"

#include <gtest/gtest.h>

#include <set>

namespace prefork {
namespace {

template <class Visit>
void for_each_setting(Visit visit) {
  for (const SettingSection& section : setting_sections())
    for (const Setting& setting : section.settings) visit(setting);
}

TEST(ConfigTable, NamesAndFlagsAreUnique) {
  std::set<std::string> seen;
  for_each_setting([&](const Setting& setting) {
    EXPECT_TRUE(seen.insert(setting.name).second) << setting.name;
    for (const std::string& name : split_words(setting.other_names, ',')) EXPECT_TRUE(seen.insert(name).second) << name;
    for (const char* flags : {setting.flags, setting.also})
      for (const std::string& flag : split_words(flags, ',')) EXPECT_TRUE(seen.insert(flag).second) << flag;
  });
}

TEST(ConfigTable, ASettingIsStoredOrItsFateIsTold) {
  for_each_setting([](const Setting& setting) {
    const bool stored = !std::holds_alternative<std::monostate>(setting.field);
    EXPECT_NE(stored, setting.fate != Fate::Works || setting.shape == Shape::Callable) << setting.name;
    EXPECT_EQ(setting.fate == Fate::Works, setting.advice[0] == '\0') << setting.name;
    EXPECT_NE(setting.help[0], '\0') << setting.name;
  });
}

TEST(ConfigTable, WhatIsCheckedSaysWhatIsAllowed) {
  for_each_setting([](const Setting& setting) {
    EXPECT_TRUE(setting.check == nullptr || setting.allowed[0] != '\0') << setting.name;
  });
}

TEST(ConfigTable, CountsGunicornsSettings) {
  int must = 0, should = 0, skip = 0;
  for_each_setting([&](const Setting& setting) {
    must += setting.compat == Compat::Must;
    should += setting.compat == Compat::Should;
    skip += setting.compat == Compat::Skip;
  });
  EXPECT_EQ(must, 56);
  EXPECT_EQ(should, 44);
  EXPECT_EQ(skip, 20);
}

TEST(ConfigTable, FindsByOtherNames) {
  EXPECT_EQ(find_setting("app"), find_setting("wsgi_app"));
  EXPECT_EQ(find_setting("loop"), find_setting("asgi_loop"));
  EXPECT_EQ(find_setting("nothing"), nullptr);
}

TEST(ConfigTable, NearestNameIsATypingErrorAway) {
  const std::vector<std::string> names = {"timeout", "threads", "workers", "bind"};
  EXPECT_EQ(nearest_name("timout", names), "timeout");
  EXPECT_EQ(nearest_name("wrokers", names), "workers");
  EXPECT_EQ(nearest_name("bnid", names), "bind");
  EXPECT_EQ(nearest_name("cores", names), "");
  EXPECT_EQ(nearest_name("x", names), "");
}

TEST(ConfigTable, SplitsWords) {
  EXPECT_EQ(split_words("-w, --workers", ','), (std::vector<std::string>{"-w", "--workers"}));
  EXPECT_EQ(split_words("|text", '|'), (std::vector<std::string>{"", "text"}));
  EXPECT_TRUE(split_words("", '|').empty());
}

}  // namespace
}  // namespace prefork
