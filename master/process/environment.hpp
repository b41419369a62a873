// The environment of a process that this one starts.
#pragma once

#include <string>
#include <vector>

namespace prefork::process {

// Ours, with these KEY=VALUE pairs in place of what has the same names, and a null pointer at the end. The texts are borrowed.
std::vector<char*> environment_with(const std::vector<std::string>& pairs);

}  // namespace prefork::process
