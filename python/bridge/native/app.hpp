// A native application that is called on a thread: application(request, reply) returns the body, or writes it. One for all threads of
// a worker; each call holds the GIL.
#pragma once

#include <memory>
#include <vector>

#include "python/bridge/native/thread_port.hpp"
#include "worker/application.hpp"

namespace prefork::bridge::native {

class App : public worker::Application {
 public:
  explicit App(PyRef application) : application_(std::move(application)) {}

  void handle(worker::Exchange& exchange) override;

 private:
  // What one request needs, used again for the next as long as the application keeps none of it.
  struct Kit {
    ThreadPort port;
    PyRef request;
    PyRef reply;
  };

  [[nodiscard]] bool prepare(Kit& kit);
  void call(Kit& kit);
  [[nodiscard]] bool answer(ThreadPort& port, PyObject* result);

  PyRef application_;
  std::vector<std::unique_ptr<Kit>> idle_;
};

}  // namespace prefork::bridge::native
