// A native worker: which of the three ways its application wants to be called, and the runner for it.
#include "python/bridge/asgi/serve.hpp"
#include "python/bridge/boot.hpp"
#include "python/bridge/bytes.hpp"
#include "python/bridge/error.hpp"
#include "python/bridge/native/app.hpp"
#include "python/bridge/sync_serve.hpp"
#include "python/bridge/worker_main.hpp"

namespace prefork::bridge {

int serve_native(Startup& startup) {
  // (kind, the callable)
  const PyRef found = call_boot("native_callable", "O", startup.application.get());
  std::string_view kind;
  if (!found || !latin1_view(PyTuple_GetItem(found.get(), 0), kind)) {
    log_error("Exception in worker process");
    return kExitBoot;
  }
  PyRef application = PyRef::borrow(PyTuple_GetItem(found.get(), 1));
  if (kind == "sync") {
    return serve_threads(startup, wire::Interface::Native, threads_of(startup.context),
                         std::make_unique<native::App>(std::move(application)));
  }
  return serve_loop(startup, kind == "rsgi" ? LoopInterface::Rsgi : LoopInterface::Native, std::move(application));
}

}  // namespace prefork::bridge
