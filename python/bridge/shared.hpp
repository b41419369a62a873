// prefork._shared: the counters and values that all workers see (shm/shared_table.hpp), as Python objects. GIL held.
#pragma once

#include "shm/wire/settings.hpp"

namespace prefork::bridge {

// Maps the memory that the `shared_fd` setting names and makes the module. Without the setting there is no such module. Before the
// application is loaded; false with the Python error set.
[[nodiscard]] bool prepare_shared(const wire::Settings& settings);

}  // namespace prefork::bridge
