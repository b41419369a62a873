// What ps and top show of the master: "prefork: master [NAME]" in place of its arguments.
#pragma once

#include <string>

namespace prefork::process {

// Once, first thing in main: makes room by moving the environment, which lies behind the arguments.
void prepare_title(int argc, char** argv);
void set_title(const std::string& title);

}  // namespace prefork::process
