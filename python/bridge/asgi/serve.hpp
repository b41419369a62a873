// A worker whose application is called on an event loop: ASGI, the native asynchronous interface or RSGI. GIL held.
#pragma once

#include "python/bridge/interface.hpp"

namespace prefork::bridge {

enum class LoopInterface { Asgi, Native, Rsgi };

// Serves until the worker is told to stop; the process's exit status.
int serve_loop(Startup& startup, LoopInterface interface, PyRef application);

}  // namespace prefork::bridge
