// A worker process of this build under a fake master.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "tests/support/fake_master.hpp"

namespace prefork::test {

class BridgeTest : public testing::Test {
 protected:
  static std::string worker() {
    const char* const path = std::getenv("PREFORK_WORKER");
    PREFORK_CHECK(path != nullptr, "PREFORK_WORKER names the executable under test: run by ctest");
    return path;
  }

  // `pairs`: name, value, name, value …
  bool start(std::initializer_list<std::string> pairs) {
    wire::Settings settings;
    settings.set("app", "bridge_apps:app");
    // Another environment's python: the same tests for the fallback host and for each version of Python.
    if (const char* const python = std::getenv("PREFORK_TEST_PYTHON"); python != nullptr)
      settings.set("python", python);
    for (auto at = pairs.begin(); at != pairs.end(); at += 2) settings.set(*at, *(at + 1));
    return master.start(worker(), std::move(settings));
  }
  void start() { ASSERT_TRUE(start({})) << master.log(); }
  static void start_with_threads(FakeMaster& other, const char* threads) {
    wire::Settings settings;
    settings.set("app", "bridge_apps:app");
    settings.set("threads", threads);
    ASSERT_TRUE(other.start(worker(), settings)) << other.log();
  }

  Answer get(std::string target) {
    Ask ask;
    ask.target = std::move(target);
    return master.ask(ask);
  }
  Answer post(std::string target, std::string body) {
    Ask ask;
    ask.method = "POST";
    ask.target = std::move(target);
    ask.body = std::move(body);
    return master.ask(ask);
  }

  FakeMaster master;
};

}  // namespace prefork::test
