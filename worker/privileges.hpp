// A worker gives up what the master may do: --user, --group, --initgroups. Before it reads anything of the application's.
#pragma once

#include "shm/wire/settings.hpp"

namespace prefork::worker {

bool changes_user(const wire::Settings& settings);

// From the settings uid, gid (-1: unchanged), user and initgroups. Throws std::system_error: a worker with too many rights must not run.
void drop_privileges(const wire::Settings& settings);

}  // namespace prefork::worker
