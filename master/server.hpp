// The whole server: loop, listeners, connections, dispatcher, supervisor, signals, put together from a Config.
#pragma once

#include "master/config.hpp"

namespace prefork {

// Serves until told to stop. Returns the process's exit code; throws what prevents a start.
int serve(const Config& config);

}  // namespace prefork
