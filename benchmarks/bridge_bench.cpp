// prefork-bridge-bench WORKER APP [SECONDS] [IN-FLIGHT] [SETTING=VALUE …]: requests a second and CPU a request of one worker process under a
// master that does nothing but push the same browser's request and count the replies. What the bridge costs without HTTP and sockets.
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "tests/support/fake_master.hpp"

namespace {

using namespace prefork;

test::Ask browser_request() {
  test::Ask ask;
  ask.target = "/?q=1";
  ask.fields = {{"Host", "127.0.0.1:8000"},
                {"User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"},
                {"Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
                {"Accept-Language", "en-US,en;q=0.5"},
                {"Accept-Encoding", "gzip, deflate, br"},
                {"Cookie", "session=0123456789abcdef0123456789abcdef; theme=dark"},
                {"Referer", "http://127.0.0.1:8000/"},
                {"Connection", "keep-alive"}};
  return ask;
}

// User and system time of another process, in seconds.
double cpu_seconds(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/schedstat");
  double nanoseconds = 0;
  file >> nanoseconds;
  return nanoseconds * 1e-9;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fputs("prefork-bridge-bench WORKER APP [SECONDS] [IN-FLIGHT] [SETTING=VALUE ...]\n", stderr);
    return 2;
  }
  const double seconds = argc > 3 ? std::atof(argv[3]) : 3;
  const unsigned in_flight = argc > 4 ? static_cast<unsigned>(std::atoi(argv[4])) : 32;
  wire::Settings settings;
  settings.set("app", argv[2]);
  for (int i = 5; i < argc; ++i) {
    const std::string pair = argv[i];
    settings.set(pair.substr(0, pair.find('=')), pair.substr(pair.find('=') + 1));
  }
  test::FakeMaster master;
  if (!master.start(argv[1], settings)) {
    std::fputs(master.log().c_str(), stderr);
    return 1;
  }
  const auto request = test::build(browser_request());
  for (unsigned i = 0; i < in_flight; ++i) master.send(request);
  using Clock = std::chrono::steady_clock;
  const auto warm = Clock::now() + std::chrono::milliseconds(300);
  Clock::time_point start{};
  double cpu = 0;
  std::uint64_t sent = in_flight, counted = 0;
  for (;;) {
    (void)master.until([&] { return sent - master.ended() < in_flight; });
    while (sent - master.ended() < in_flight) {
      master.send(request);
      ++sent;
    }
    const auto now = Clock::now();
    if (start == Clock::time_point{} && now > warm) {
      start = now;
      counted = master.ended();
      cpu = cpu_seconds(master.pid());
    }
    if (start != Clock::time_point{} && now > start + std::chrono::duration<double>(seconds)) break;
  }
  const double wall = std::chrono::duration<double>(Clock::now() - start).count();
  const auto requests = static_cast<double>(master.ended() - counted);
  std::printf("%.0f requests/s, %.3f us of worker CPU a request\n", requests / wall,
              (cpu_seconds(master.pid()) - cpu) / requests * 1e6);
  return 0;
}
