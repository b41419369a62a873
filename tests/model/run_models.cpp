#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <string_view>

#include "tests/model/explore.hpp"

namespace prefork::model {
namespace {

bool expect_caught = false;

// A broken promise or a crash inside the code under test is a violation like any other.
void on_fatal_signal(int number) {
  std::printf("violation: signal %d %s", number, where_it_stands().c_str());
  std::fflush(stdout);
  ::_exit(expect_caught ? 0 : 1);
}

// On a stack of its own: a thread's may be what is broken.
void catch_fatal_signals() {
  static std::byte stack[64 * 1024];
  const stack_t alternative{stack, 0, sizeof stack};
  ::sigaltstack(&alternative, nullptr);
  for (const int number : {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE}) {
    struct sigaction action {};
    action.sa_handler = on_fatal_signal;
    action.sa_flags = SA_ONSTACK;
    ::sigaction(number, &action, nullptr);
  }
}

bool holds(const Model& model) {
  const auto start = std::chrono::steady_clock::now();
  const Report report = model.explore();
  const auto ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count();
  std::printf("%-28s %9llu states %10llu transitions %6llu ends  depth %4zu  %6lld ms  %s\n", model.name,
              static_cast<unsigned long long>(report.states), static_cast<unsigned long long>(report.transitions),
              static_cast<unsigned long long>(report.ends), report.depth, static_cast<long long>(ms),
              report.ok() ? "holds" : "VIOLATED");
  if (!report.ok()) std::printf("violation: %s", report.violation.c_str());
  std::fflush(stdout);
  return report.ok();
}

}  // namespace

int run_models(int argc, char** argv, const Model* models, std::size_t count) {
  expect_caught = argc > 1 && std::string_view(argv[1]) == "--caught";
  const int first = expect_caught ? 2 : 1;
  catch_fatal_signals();
  bool all_hold = true;
  for (std::size_t i = 0; i < count && all_hold; ++i) {
    bool wanted = argc <= first;
    for (int k = first; k < argc; ++k) wanted |= std::string_view(argv[k]) == models[i].name;
    if (wanted) all_hold = holds(models[i]);
  }
  return all_hold != expect_caught ? 0 : 1;
}

}  // namespace prefork::model
