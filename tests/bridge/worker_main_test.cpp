// A worker process from its start to its exit status: finding the application, its environment, signals.
#include <gmock/gmock.h>

#include <csignal>
#include <filesystem>

#include "tests/bridge/bridge_fixture.hpp"

namespace prefork::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class WorkerMain : public BridgeTest {
 protected:
  std::string body_of(const std::string& app) {
    if (!start({"app", app})) return "did not start: " + master.log();
    return get("/").body;
  }
  // The exit status of a worker whose application is not found.
  int refused(const std::string& app) { return start({"app", app}) ? -1 : master.wait_exit(); }
};

TEST_F(WorkerMain, CallsAFactoryWithItsArguments) { EXPECT_EQ(body_of("bridge_apps:make('ab', times=3)"), "ababab"); }
TEST_F(WorkerMain, FindsAnAttributeOfAnObject) { EXPECT_EQ(body_of("bridge_apps:namespace.application"), "attribute"); }
TEST_F(WorkerMain, ServesThePageOfItsOwnWhenNothingIsNamed) {
  EXPECT_THAT(body_of(""), HasSubstr("demonstration page"));
}

TEST_F(WorkerMain, CallsTheApplicationOnceForAFactory) {
  ASSERT_FALSE(start({"app", "bridge_apps:make", "factory", "1"}));  // make() lacks its argument
  EXPECT_EQ(master.wait_exit(), 4);
  EXPECT_THAT(master.log(), HasSubstr("missing 1 required positional argument"));
}

TEST_F(WorkerMain, AMissingAttributeGetsAHintAndStatus4) {
  EXPECT_EQ(refused("bridge_apps:absent"), 4);
  EXPECT_THAT(master.log(),
              HasSubstr("Failed to find attribute 'absent' in 'bridge_apps'. Did you mean 'bridge_apps:app'?"));
  EXPECT_THAT(master.log(), Not(HasSubstr("Traceback")));
}

TEST_F(WorkerMain, AMissingModuleIsATracebackAndStatus3) {
  EXPECT_EQ(refused("no_such_module:app"), 3);
  EXPECT_THAT(master.log(), HasSubstr("No module named 'no_such_module'"));
}

TEST_F(WorkerMain, WhatIsNoApplicationGetsStatus4) {
  EXPECT_EQ(refused("bridge_apps:PLAIN"), 4);
  EXPECT_THAT(master.log(), HasSubstr("must be callable"));
}

TEST_F(WorkerMain, WhatIsNoExpressionGetsStatus4) {
  EXPECT_EQ(refused("bridge_apps:make(open('x'))"), 4);
  EXPECT_THAT(master.log(), HasSubstr("literal"));
}

TEST_F(WorkerMain, IsThePythonOfTheEnvironmentToProgramsThatItStarts) {
  start();
  const auto shown = get("/main").body;
  EXPECT_THAT(shown, HasSubstr("\"number\": 7")) << master.log();
  const auto prefix = shown.substr(shown.find("\"prefix\": ") + 10);
  EXPECT_THAT(shown, HasSubstr("\"child\": " + prefix.substr(0, prefix.find('"', 1) + 1)));
}

TEST_F(WorkerMain, PutsItsFolderFirstOnThePath) {
  const auto folder = std::filesystem::temp_directory_path().string();
  ASSERT_TRUE(start({"chdir", folder})) << master.log();
  EXPECT_THAT(get("/main").body, HasSubstr("\"path0\": \"" + folder + "\""));
}

TEST_F(WorkerMain, PutsTheLastFolderOfPythonpathBeforeItsOwn) {
  const auto folder = std::filesystem::temp_directory_path().string();
  ASSERT_TRUE(start({"chdir", folder, "pythonpath", "/first,/second"})) << master.log();
  EXPECT_THAT(get("/main").body, HasSubstr("\"path0\": \"/second\""));
}

TEST_F(WorkerMain, TermFinishesTheRequestAndExitsWith0) {
  start();
  Ask ask;
  ask.target = "/steps";
  ask.body_follows = true;
  const auto slot = master.send(ask);
  ASSERT_TRUE(master.until([&] { return master.answer(slot).body == "first"; }));
  ::kill(master.pid(), SIGTERM);
  master.body(slot, "second", true);
  EXPECT_EQ(master.finish(slot).body, "firstsecond");
  EXPECT_EQ(master.wait_exit(), 0);
}

TEST_F(WorkerMain, DrainAndTermEndAnIdleWorkerWith0) {
  for (const bool by_signal : {true, false}) {
    for (const char* threads : {"1", "3"}) {
      FakeMaster other;
      start_with_threads(other, threads);
      if (by_signal) {
        ::kill(other.pid(), SIGTERM);
      } else {
        other.drain();
      }
      EXPECT_EQ(other.wait_exit(), 0) << other.log();
    }
  }
}

TEST_F(WorkerMain, QuitEndsItInTheMiddleOfARequest) {
  for (const char* threads : {"1", "3"}) {
    FakeMaster other;
    start_with_threads(other, threads);
    Ask ask;
    ask.target = "/sleep/600";
    (void)other.send(ask);
    ASSERT_TRUE(other.until([&] { return other.end().counters.get(shm::Counter::Taken) == 1; }));
    ::kill(other.pid(), SIGQUIT);
    EXPECT_EQ(other.wait_exit(), 0) << other.log();
    EXPECT_EQ(other.end().phase.phase(), shm::Phase::Stopped);
  }
}

TEST_F(WorkerMain, AbortShowsTheStackAndExitsWith1) {
  start();
  Ask ask;
  ask.target = "/sleep/600";
  (void)master.send(ask);
  ASSERT_TRUE(master.until([&] { return master.end().counters.get(shm::Counter::Taken) == 1; }));
  ::kill(master.pid(), SIGABRT);
  EXPECT_EQ(master.wait_exit(), 1) << master.log();
  EXPECT_THAT(master.log(), HasSubstr("do_sleep"));
}

TEST_F(WorkerMain, SignalsForTheMasterDoNothing) {
  start();
  for (const int number : {SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH}) ::kill(master.pid(), number);
  EXPECT_EQ(get("/pid").body, std::to_string(master.pid())) << master.log();
}

TEST_F(WorkerMain, SaysThatItServesWsgi) {
  start();
  EXPECT_EQ(master.ready()->interface, wire::Interface::Wsgi);
  EXPECT_EQ(master.ready()->pid, static_cast<std::uint32_t>(master.pid()));
}

}  // namespace
}  // namespace prefork::test
