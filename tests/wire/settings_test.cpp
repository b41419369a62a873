#include "shm/wire/settings.hpp"

#include <gtest/gtest.h>

namespace prefork::wire {
namespace {

TEST(Settings, EveryValueComesBack) {
  Settings settings;
  settings.set("app", "module:name = with, every \n sign");
  settings.set("threads", "8");
  settings.set("ratio", "0.5");
  settings.set("reload", "1");
  settings.set("empty", "");
  const Settings back = Settings::decode(settings.encode());
  EXPECT_EQ(back.pairs(), settings.pairs());
  EXPECT_EQ(back.get("app"), "module:name = with, every \n sign");
  EXPECT_EQ(back.number("threads"), 8);
  EXPECT_DOUBLE_EQ(back.real("ratio"), 0.5);
  EXPECT_TRUE(back.flag("reload"));
  EXPECT_TRUE(back.has("empty"));
  EXPECT_EQ(back.number("empty", 3), 3);
  EXPECT_EQ(back.get("absent", "otherwise"), "otherwise");
  EXPECT_EQ(back.number("absent", 7), 7);
  EXPECT_FALSE(back.flag("absent"));
}

TEST(Settings, ATextThatWasCutKeepsWhatIsWhole) {
  const Settings back = Settings::decode(std::string_view("a=1\0b=2\0junk\0c", 14));
  EXPECT_EQ(back.number("a"), 1);
  EXPECT_EQ(back.number("b"), 2);
  EXPECT_FALSE(back.has("junk"));
  EXPECT_FALSE(back.has("c"));
  EXPECT_TRUE(Settings::decode("").pairs().empty());
}

}  // namespace
}  // namespace prefork::wire
