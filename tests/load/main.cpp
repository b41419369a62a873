// prefork-load: sends load to a server, checks every answer, and counts what went wrong by kind.
// Exit status: 0 when nothing failed, 1 when something did, 2 for a wrong command line.
#include <csignal>
#include <cstdio>

#include "report.hpp"
#include "runner.hpp"

int main(int argc, char** argv) {
  using namespace prefork::load;
  const auto options = parse_options(argc, argv);
  std::signal(SIGPIPE, SIG_IGN);
  Runner runner(options);
  const auto seconds = runner.run();
  const auto report = options.json ? json_report(options, runner.mix(), runner.tally(), seconds)
                                   : text_report(options, runner.mix(), runner.tally(), seconds);
  std::fputs(report.c_str(), stdout);
  return runner.tally().failed() == 0 ? 0 : 1;
}
