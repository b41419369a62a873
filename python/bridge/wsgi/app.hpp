// A WSGI application as the worker core sees it: calls it with environ and start_response and turns what it returns into a reply.
// One for all threads of a worker; each call holds the GIL.
#pragma once

#include <memory>
#include <vector>

#include "python/bridge/hooks.hpp"
#include "python/bridge/ref.hpp"
#include "python/bridge/wsgi/environ.hpp"
#include "python/bridge/wsgi/objects.hpp"
#include "worker/application.hpp"

namespace prefork::bridge::wsgi {

class App : public worker::Application {
 public:
  // Throws std::runtime_error when Python refuses.
  App(PyRef application, const wire::Settings& settings, unsigned threads, Hooks& hooks);

  void handle(worker::Exchange& exchange) override;

 private:
  // What one request needs, used again for the next.
  struct Kit {
    explicit Kit(const EnvironFacts& facts) : environ(facts, handles) {}
    Handles handles;
    Environ environ;
  };

  std::unique_ptr<Kit> take_kit();
  void call(worker::Exchange& exchange, Kit& kit);
  void answer(Response& response, PyObject* result);
  bool answer_file(Response& response, PyObject* result);

  PyRef application_;
  EnvironFacts facts_;
  Hooks& hooks_;
  bool sendfile_;
  std::vector<std::unique_ptr<Kit>> idle_;
};

}  // namespace prefork::bridge::wsgi
