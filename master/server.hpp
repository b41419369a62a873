// The whole server: loop, listeners, connections, dispatcher, supervisor, signals, put together from what was configured.
#pragma once

#include "master/config_load.hpp"

namespace prefork {

// Serves until told to stop. Returns the process's exit code; throws what prevents a start.
int run_server(CommandLine line);

}  // namespace prefork
