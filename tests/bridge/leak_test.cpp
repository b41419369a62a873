// Requests of every kind, many times over: the worker's memory and, where the interpreter counts them, its references stay as they were.
#include <gtest/gtest.h>

#include <fstream>

#include "tests/bridge/bridge_fixture.hpp"

namespace prefork::test {
namespace {

struct Kind {
  const char* name;
  Ask ask;
};

Ask request(std::string method, std::string target, std::string body = {}) {
  Ask ask;
  ask.method = std::move(method);
  ask.target = std::move(target);
  ask.body = std::move(body);
  ask.fields = {{"Host", "kit.example"}, {"User-Agent", "leak test"}, {"Accept", "*/*"}, {"X-Unknown", "1"}};
  ask.request_id = "id";
  return ask;
}

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = {
      {"list", request("GET", "/bare")},
      {"joined list", request("GET", "/list/3/10")},
      {"generator", request("GET", "/blocks/3/10")},
      {"head", request("HEAD", "/bare")},
      {"body", request("POST", "/echo", "some body")},
      {"lines", request("POST", "/lines", "one\ntwo\n")},
      {"partly read", request("POST", "/read/3", "some body")},
      {"cut", request("GET", "/length/4/abc/def")},
      {"early hints", request("GET", "/hints")},
      {"file in memory", request("GET", "/memory_file")},
      {"changed environ", request("GET", "/spoil")},
      {"error stream", request("GET", "/errors")},
  };
  return all;
}

class Leaks : public BridgeTest {
 protected:
  void repeat(const Ask& ask, int times) {
    const auto payload = build(ask);
    const auto until_ended = master.ended() + static_cast<std::uint64_t>(times);
    std::uint64_t sent = master.ended();
    while (master.ended() < until_ended) {
      for (; sent < until_ended && sent - master.ended() < 32; ++sent) (void)master.send(payload);
      ASSERT_TRUE(master.until([&] { return sent - master.ended() < 32; })) << master.log();
      if (sent < until_ended) continue;
      ASSERT_TRUE(master.until([&] { return master.ended() == until_ended; })) << master.log();
    }
  }
  long anonymous_kilobytes() {
    std::ifstream file("/proc/" + std::to_string(master.pid()) + "/smaps_rollup");
    for (std::string word; file >> word;) {
      long kilobytes = 0;
      if (word == "Pss_Anon:" && file >> kilobytes) return kilobytes;
    }
    return -1;
  }
  long references() { return std::stol(get("/total").body); }
};

TEST_F(Leaks, MemoryStaysFlat) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer keeps what is freed";
#endif
  start();
  for (const auto& kind : kinds()) repeat(kind.ask, 3000);
  const auto before = anonymous_kilobytes();
  for (const auto& kind : kinds()) {
    repeat(kind.ask, 20000);
    EXPECT_LT(anonymous_kilobytes() - before, 1024) << kind.name;
  }
}

TEST_F(Leaks, ReferencesStayFlat) {
  start();
  if (references() < 0) GTEST_SKIP() << "this interpreter does not count references; python3-dbg does";
  for (const auto& kind : kinds()) {
    repeat(kind.ask, 300);
    (void)references();
    const auto before = references();
    repeat(kind.ask, 3000);
    EXPECT_LT(references() - before, 100) << kind.name;
  }
}

}  // namespace
}  // namespace prefork::test
