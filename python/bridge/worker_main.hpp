// A worker process from its attachment to its exit status: the same for the embedding executable and for the fallback host.
#pragma once

#include "worker/context.hpp"

namespace prefork::bridge {

// Exit statuses that the master acts upon, as gunicorn's.
enum ExitStatus : int {
  kExitOk = 0,
  kExitAborted = 1,
  kExitBoot = 3,     // the worker cannot start
  kExitApp = 4,      // the application cannot be found
};

// Ties the process to the master: dies with it, keeps quiet about its terminal, is named for ps. Before any thread.
void adopt_process(const worker::Context& context, int argc, char** argv);

// An interpreter runs and the GIL is held. Loads the application and serves it; the exit status.
int run_worker(worker::Context& context);

}  // namespace prefork::bridge
