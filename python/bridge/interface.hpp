// Which way an application wants to be called, and the one function a way of serving it. GIL held.
#pragma once

#include <string_view>

#include "python/bridge/hooks.hpp"
#include "python/bridge/ref.hpp"
#include "shm/wire/frame.hpp"
#include "worker/context.hpp"

namespace prefork::bridge {

// Everything that serving needs. Lives in the worker's main.
struct Startup {
  worker::Context& context;
  Hooks& hooks;
  PyRef application;
};

// Serves until the worker is told to stop; the process's exit status. Calls Context::ready().
int serve_wsgi(Startup& startup);
int serve_asgi(Startup& startup);
int serve_native(Startup& startup);

// The `interface` setting or, when that is auto, what the application looks like. False with the Python error set.
[[nodiscard]] bool find_interface(PyObject* application, const wire::Settings& settings, wire::Interface& interface);

// "wsgi", "asgi" or "native".
const char* name_of(wire::Interface interface);

int serve(wire::Interface interface, Startup& startup);

}  // namespace prefork::bridge
