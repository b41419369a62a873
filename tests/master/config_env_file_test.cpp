#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

#include "master/config_sources.hpp"

namespace prefork {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class EnvFile : public testing::Test {
 protected:
  EnvFile() { close(mkstemp(path_)); }
  ~EnvFile() override { std::remove(path_); }

  std::vector<std::string> read(const std::string& text) {
    std::ofstream(path_, std::ios::binary) << text;
    return read_env_file(path_, environment_);
  }

  std::string refusal(const std::string& text) {
    try {
      (void)read(text);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return {};
  }

  char path_[32] = "/tmp/prefork-env-XXXXXX";
  Environment environment_;
};

TEST_F(EnvFile, TakesCommentsAndBlanksAway) {
  EXPECT_THAT(read("# first\n\nA=plain\n B = spaced value \nC=value # comment\nD=a#b\nexport E=yes\nF=\nexported=1\n"),
              ElementsAre("A=plain", "B=spaced value", "C=value", "D=a#b", "E=yes", "F=", "exported=1"));
  EXPECT_THAT(read("A=1\r\nB='2'\r\n"), ElementsAre("A=1", "B=2"));
  EXPECT_THAT(read("A=1"), ElementsAre("A=1"));
  EXPECT_THAT(read(""), ElementsAre());
}

TEST_F(EnvFile, ReadsQuotedValues) {
  EXPECT_THAT(read("A=\"double # quoted\"   # comment\nB='single \\n $A'\nC=\"line\\nnext\\t\\\"q\\\" \\x\"\n"),
              ElementsAre("A=double # quoted", "B=single \\n $A", "C=line\nnext\t\"q\" \\x"));
  EXPECT_THAT(read("A='it\\'s'\nB=\"two\nlines\"\nC=a=b\"c\"\n"), ElementsAre("A=it's", "B=two\nlines", "C=a=b\"c\""));
}

TEST_F(EnvFile, LooksNamesUp) {
  environment_ = {{"HOME", "/home/ada"}};
  EXPECT_THAT(read("A=1\nB=${A}/${HOME}\nC=\"${NONE:-else}${NONE}\"\nD=${A\nE=$A\n"),
              ElementsAre("A=1", "B=1//home/ada", "C=else", "D=${A", "E=$A"));
}

TEST_F(EnvFile, TheLaterLineWinsAndTheEnvironmentStays) {
  environment_ = {{"HAVE", "outside"}};
  EXPECT_THAT(read("A=1\nHAVE=file\nA=2\nNOTHING\n"), ElementsAre("A=2"));
}

TEST_F(EnvFile, RefusesOtherLines) {
  EXPECT_THAT(refusal("A=1\n=2\n"), HasSubstr(":2: '=2' given; allowed: KEY=VALUE"));
  EXPECT_THAT(refusal("A='1' 2\n"), HasSubstr(":1: 'A='1' 2' given"));
  EXPECT_THAT(refusal("A=1\nB C=2\n"), HasSubstr(":2: 'B C=2' given"));
  EXPECT_THAT(refusal("A=\"never closed\n"), HasSubstr(":1: 'A=\"never closed' given"));
}

}  // namespace
}  // namespace prefork
