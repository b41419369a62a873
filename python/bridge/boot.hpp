// What is easier said in Python lies in the package's _boot.py: finding the application, telling its interface, helpful hints.
// This finds that package beside the executable and calls it. GIL held.
#pragma once

#include <string>

#include "python/bridge/ref.hpp"
#include "shm/wire/settings.hpp"

namespace prefork::bridge {

// Imports prefork._boot of this installation, whichever prefork the application's environment may have. Throws std::runtime_error.
void load_boot(const std::string& package_parent);

// prefork._boot.NAME(…), arguments as for Py_BuildValue.
PyRef call_boot(const char* function, const char* format, ...);

// The error that is set is a sentence for the user (_boot.AppImportError), not a fault to trace. Leaves the error set.
bool error_is_hint();

// The settings as {name: text}.
PyRef settings_dict(const wire::Settings& settings);

// The folder that holds the package: beside the installed executables, else the source tree's; empty when there is none.
std::string package_parent();
// Where this executable lies.
std::string executable_folder();

}  // namespace prefork::bridge
