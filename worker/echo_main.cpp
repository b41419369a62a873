// prefork-echo: the worker process of `prefork --app echo`. The transport and the master at their ceiling, without Python.
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <thread>
#include <vector>

#include "worker/echo_app.hpp"
#include "worker/privileges.hpp"
#include "worker/sync_runner.hpp"

namespace {

using namespace prefork;

int run(const char* text) {
  const auto attachment = worker::Attachment::from_text(text);
  worker::drop_privileges(worker::read_settings(attachment));
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::signal(SIGHUP, SIG_IGN);
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGQUIT, [](int) { ::_exit(0); });
  worker::Context context(attachment);
  worker::SyncRunner runner(context);
  worker::EchoApp application;
  const auto threads = static_cast<unsigned>(context.settings().number("threads", 1));
  context.ready(wire::Interface::Echo, threads);
  const auto serve = [&] {
    worker::SleepHooks hooks;
    (void)runner.serve(hooks, application);
  };
  std::vector<std::thread> others;
  for (unsigned i = 1; i < threads; ++i) others.emplace_back(serve);
  serve();
  for (auto& other : others) other.join();
  context.leave();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("prefork-echo is started by prefork\n", stderr);
    return 2;
  }
  try {
    return run(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "prefork-echo: %s\n", error.what());
    return 3;
  }
}
