// The file that this process runs: what lies beside it belongs to the same installation.
#pragma once

#include <string>

namespace prefork::shm {

// Absolute and without links; empty when nobody can tell. After an upgrade in place that file has lost its name; what has the name now
// is meant. Without /proc it is what the kernel was told to start, seen from where that was.
std::string own_executable();

}  // namespace prefork::shm
