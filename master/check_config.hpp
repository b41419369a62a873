// --check-config: whether the configuration and the application can be loaded, in a process like a worker's.
#pragma once

#include "master/config_load.hpp"

namespace prefork {

// Does not return when all is well so far: becomes the Python that loads the application and exits with 0, or 1 with what is wrong.
// Returns 0 when there is no Python application to load. Throws std::system_error.
int check_config(const CommandLine& line);

}  // namespace prefork
