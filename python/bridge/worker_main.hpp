// A worker process from its attachment to its exit status: the same for the embedding executable and for the fallback host.
#pragma once

#include <optional>
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
// What ps shows in place of the arguments: "prefork: worker [NAME]", or mold. Remembers where they lie for a worker that is forked.
void set_title(const wire::Settings& settings, const worker::Attachment& attachment, int argc, char** argv);

// An interpreter runs and the GIL is held. Loads the application and serves it, or is a mold that forks workers which do, and then
// goes on as one of them; the exit status. A worker's context is made here, where it outlives the interpreter. `package_parent` is
// the folder that holds the prefork package.
int run_worker(const worker::Attachment& attachment, const wire::Settings& settings,
               std::optional<worker::Context>& context, const std::string& package_parent);

}  // namespace prefork::bridge
