// A worker gives up what the master may do: --user, --group, --initgroups. First thing in its process, before it reads anything of the
// application's.
#pragma once

#include "shm/wire/settings.hpp"

namespace prefork::worker {

// From the settings uid, gid (-1: unchanged), user and initgroups. Throws std::system_error: a worker with too many rights must not run.
void drop_privileges(const wire::Settings& settings);

}  // namespace prefork::worker
