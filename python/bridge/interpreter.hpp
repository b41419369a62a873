// Starts the embedded CPython as the application's environment would start it: same prefix, site-packages, executable and flags.
// One a process, on the main thread; made before anything else of Python is used, ended last.
#pragma once

#include <string>

#include "shm/wire/settings.hpp"

namespace prefork::bridge {

// The python executable of the application's environment: the `python` setting, else the one that was embedded at build time.
std::string environment_python(const wire::Settings& settings);

// Whether the embedded interpreter can stand in for that executable: the same base installation behind links and pyvenv.cfg.
// Otherwise that python itself has to serve it (host_main.cpp).
bool embeds(const std::string& python);

class Interpreter {
 public:
  // Throws std::runtime_error with Python's reason.
  explicit Interpreter(const wire::Settings& settings);
  // Runs atexit functions, waits for non-daemon threads, flushes standard streams.
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;
};

// What both kinds of host do once an interpreter runs: sys.path, sys.argv, faulthandler. Throws std::runtime_error.
void prepare_interpreter(const wire::Settings& settings);

}  // namespace prefork::bridge
