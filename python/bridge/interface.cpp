#include "python/bridge/interface.hpp"

#include "python/bridge/boot.hpp"
#include "python/bridge/bytes.hpp"
#include "python/bridge/error.hpp"
#include "python/bridge/log.hpp"
#include "python/bridge/worker_main.hpp"

namespace prefork::bridge {
namespace {

bool named(std::string_view name, wire::Interface& interface) {
  if (name == "wsgi") return interface = wire::Interface::Wsgi, true;
  if (name == "asgi") return interface = wire::Interface::Asgi, true;
  if (name == "native") return interface = wire::Interface::Native, true;
  return false;
}

}  // namespace

bool find_interface(PyObject* application, const wire::Settings& settings, wire::Interface& interface) {
  if (named(settings.get("interface", "auto"), interface)) return true;
  const PyRef found = call_boot("interface_of", "O", application);
  if (!found) return false;
  std::string_view name;
  if (!PyUnicode_Check(found.get()) || !latin1_view(found.get(), name) || !named(name, interface))
    interface = wire::Interface::Wsgi;
  return true;
}

const char* name_of(wire::Interface interface) {
  return interface == wire::Interface::Asgi ? "asgi" : interface == wire::Interface::Native ? "native" : "wsgi";
}

int serve(wire::Interface interface, Startup& startup) {
  if (!call_boot("begin_worker", "(I)", startup.context.worker_id())) {
    log_error("Exception in worker process");
    return kExitBoot;
  }
  switch (interface) {
    case wire::Interface::Wsgi: return serve_wsgi(startup);
    case wire::Interface::Asgi: return serve_asgi(startup);
    case wire::Interface::Native: return serve_native(startup);
    case wire::Interface::Echo: break;
  }
  log(Level::Error, "This worker serves no such application");
  return kExitApp;
}

}  // namespace prefork::bridge
