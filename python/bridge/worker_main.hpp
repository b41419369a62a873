// A worker process from its attachment to its exit status: the same for the embedding executable and for the fallback host.
#pragma once

#include <string>

#include "worker/context.hpp"

namespace prefork::bridge {

// Exit statuses that the master acts upon, as gunicorn's.
enum ExitStatus : int {
  kExitOk = 0,
  kExitAborted = 1,
  kExitBoot = 3,  // the worker cannot start
  kExitApp = 4,   // the application cannot be found
};

// Ties the process to the master: dies with it, starts with no signal blocked. Before any thread.
void adopt_process(const wire::Settings& settings);
// What ps shows: "prefork: worker [NAME]" in place of the arguments.
void set_title(const wire::Settings& settings, int argc, char** argv);

// An interpreter runs and the GIL is held. Loads the application and serves it; the exit status. `package_parent` is the folder that
// holds the prefork package.
int run_worker(worker::Context& context, const std::string& package_parent);

}  // namespace prefork::bridge
