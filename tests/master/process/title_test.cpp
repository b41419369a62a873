#include "master/process/title.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>

namespace prefork::process {
namespace {

void look_at_the_environment() {
  const char* value = std::getenv("TITLE_TEST");
  ::_exit(value != nullptr && std::strcmp(value, "still there") == 0 ? 0 : 1);
}

TEST(Title, TheEnvironmentOutlivesWhatIsTakenDownAtExit) {
  const auto end_as_a_program = [] {
    ::setenv("TITLE_TEST", "still there", 1);
    std::atexit(look_at_the_environment);  // the first to be registered is the last to run
    std::array<char, 8> name{"prefork"};
    std::array<char*, 2> arguments{name.data(), nullptr};
    prepare_title(1, arguments.data());
    std::exit(2);
  };
  EXPECT_EXIT(end_as_a_program(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace prefork::process
