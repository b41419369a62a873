// A request as an ASGI connection scope: a fresh dict each time, of which nothing is shared with another but what the application put
// into the lifespan's state itself. GIL held.
#pragma once

#include <string>

#include "python/bridge/ref.hpp"
#include "shm/wire/request_head.hpp"
#include "shm/wire/settings.hpp"

namespace prefork::bridge::asgi {

// Whether applications are offered to leave files to the server.
bool sends_files(const wire::Settings& settings);

class Scopes {
 public:
  // `state` is the lifespan's. Throws std::runtime_error when Python refuses.
  Scopes(const wire::Settings& settings, PyRef state);

  // Empty with the error set.
  PyRef build(const wire::RequestView& request);

 private:
  PyRef headers(const wire::RequestView& request);
  PyRef server(const wire::RequestView& request);
  PyRef path(const wire::RequestView& request, PyObject* root_path);
  PyRef root_path(const wire::RequestView& request);
  PyRef extensions(const wire::RequestView& request, bool websocket);

  PyRef state_;
  PyRef asgi_;       // copied for each
  PyRef http_;       // the extensions of a request, copied
  PyRef trailers_;   // likewise, for a client that takes trailers
  PyRef websocket_;  // the extensions of a WebSocket, copied
  PyRef root_path_;
  std::string root_path_text_;
  PyRef server_;  // of the last request: mostly the next one's
  std::string server_name_;
  std::uint16_t server_port_ = 0;
};

}  // namespace prefork::bridge::asgi
