#include "python/bridge/sync_serve.hpp"
#include "python/bridge/wsgi/app.hpp"

namespace prefork::bridge {

int serve_wsgi(Startup& startup) {
  const unsigned threads = threads_of(startup.context);
  return serve_threads(
      startup, wire::Interface::Wsgi, threads,
      std::make_unique<wsgi::App>(startup.application.share(), startup.context.settings(), threads, startup.hooks));
}

}  // namespace prefork::bridge
