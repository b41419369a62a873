// The Python objects that one request is handed to the application with: start_response, write, wsgi.input, wsgi.early_hints and
// prefork.client_disconnected, and behind them the Response and the body. A Handles is made once and used for request after request
// as long as the application keeps none of its objects; what an application keeps is cut off from the server and raises when used.
#pragma once

#include "python/bridge/input.hpp"
#include "python/bridge/ref.hpp"
#include "python/bridge/wsgi/response.hpp"

namespace prefork::bridge::wsgi {

class Handles {
 public:
  // Throws std::runtime_error when Python refuses.
  Handles();
  ~Handles();
  Handles(const Handles&) = delete;
  Handles& operator=(const Handles&) = delete;

  void begin(worker::Exchange& exchange);
  // True when nobody else has a reference to an object of this: it can serve again. Otherwise they are cut off: throw it away.
  [[nodiscard]] bool finish(Py_ssize_t references_by_template);

  Response response;
  Input input;

  PyObject* start_response() const { return start_response_.get(); }
  PyObject* input_object() const { return input_object_.get(); }
  PyObject* early_hints() const { return early_hints_.get(); }
  PyObject* client_disconnected() const { return client_disconnected_.get(); }

 private:
  void cut_off();

  PyRef start_response_;
  PyRef write_;
  PyRef input_object_;
  PyRef early_hints_;
  PyRef client_disconnected_;
};

}  // namespace prefork::bridge::wsgi
