// The threads of a worker whose application is called on them, WSGI or native: one serves on the main thread; of several none does, so
// that the main thread is free for signals. GIL held.
#pragma once

#include <memory>

#include "python/bridge/interface.hpp"
#include "worker/application.hpp"

namespace prefork::bridge {

// How many the settings ask for.
unsigned threads_of(const worker::Context& context);

// Serves until the worker is told to stop; the process's exit status.
int serve_threads(Startup& startup, wire::Interface interface, unsigned threads,
                  std::unique_ptr<worker::Application> application);

// Whether some of its threads still serve after that, or end just now: told to QUIT, or robbed of its channel, a worker waits for none.
bool threads_left();

}  // namespace prefork::bridge
