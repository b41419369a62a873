// `prefork reload|stop|status`: asks a running server over its control socket.
#pragma once

#include "master/config_load.hpp"

namespace prefork::process {

// Prints the answer; the exit status: 0, or 1 with the reason on standard error.
int control(const ControlCommand& command);

}  // namespace prefork::process
