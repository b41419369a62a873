// From the loaded application to the exit status. The frame (event loop, lifespan) is Python: prefork/_asgi.py.
#include "python/bridge/asgi/serve.hpp"

#include <array>
#include <memory>

#include "python/bridge/asgi/loop.hpp"
#include "python/bridge/boot.hpp"
#include "python/bridge/bytes.hpp"
#include "python/bridge/error.hpp"
#include "python/bridge/interface.hpp"
#include "python/bridge/log.hpp"
#include "python/bridge/native/caller.hpp"
#include "python/bridge/signals.hpp"
#include "python/bridge/type.hpp"
#include "python/bridge/worker_main.hpp"

namespace prefork::bridge {
namespace {

constexpr std::array<const char*, 3> kLoopInterfaces{"asgi", "native", "rsgi"};  // by LoopInterface

// The worker as prefork/_asgi.py sees it.
struct Worker {
  PyObject_HEAD asgi::Loop* loop;
  LoopInterface interface;
};

asgi::Loop& loop_of(PyObject* self) { return *reinterpret_cast<Worker*>(self)->loop; }

std::unique_ptr<asgi::Caller> new_caller(const Worker& worker, PyObject* application, PyObject* state) {
  if (worker.interface == LoopInterface::Asgi) {
    return std::make_unique<asgi::AsgiCaller>(PyRef::borrow(application), worker.loop->context().settings(),
                                              PyRef::borrow(state));
  }
  if (worker.interface == LoopInterface::Native)
    return std::make_unique<native::NativeCaller>(PyRef::borrow(application));
  return std::make_unique<native::RsgiCaller>(PyRef::borrow(application));
}

PyObject* begin(PyObject* self, PyObject*) {
  on_stop([&loop = loop_of(self)] { loop.stop(); });
  Py_RETURN_NONE;
}

PyObject* start(PyObject* self, PyObject* args) {
  PyObject *loop = nullptr, *application = nullptr, *state = nullptr, *call_awaitable = nullptr;
  if (PyArg_ParseTuple(args, "OOO!O:start", &loop, &application, &PyDict_Type, &state, &call_awaitable) == 0)
    return nullptr;
  try {
    if (!loop_of(self).start(PyRef::borrow(loop), new_caller(*reinterpret_cast<Worker*>(self), application, state),
                             PyRef::borrow(call_awaitable)))
      return nullptr;
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
    return nullptr;
  }
  Py_RETURN_NONE;
}

PyObject* has_ended(PyObject* self, PyObject*) { return PyBool_FromLong(loop_of(self).ended()); }
PyObject* give_up(PyObject* self, PyObject*) {
  loop_of(self).give_up();
  Py_RETURN_NONE;
}
PyObject* is_stopping(PyObject*, PyObject*) { return PyBool_FromLong(stopping()); }
PyObject* is_quitting(PyObject*, PyObject*) { return PyBool_FromLong(quitting()); }
PyObject* call_term(PyObject*, PyObject*) {
  call_own_term();
  Py_RETURN_NONE;
}
PyObject* status(PyObject* self, PyObject*) { return PyLong_FromLong(loop_of(self).broken() ? kExitBoot : kExitOk); }

PyObject* log_text(PyObject*, PyObject* args) {
  const char* level = nullptr;
  PyObject* text = nullptr;
  if (PyArg_ParseTuple(args, "sU:log", &level, &text) == 0) return nullptr;
  log(std::string_view(level) == "error" ? Level::Error : Level::Debug, printable(text));
  Py_RETURN_NONE;
}

// In an except clause: its exception, with a traceback.
PyObject* log_exception(PyObject*, PyObject* what) {
  PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
  PyErr_GetExcInfo(&type, &value, &trace);
  PyErr_Restore(type, value, trace);
  log_error(printable(what));
  Py_RETURN_NONE;
}

PyMethodDef kMethods[] = {
    {"begin", begin, METH_NOARGS, "the application starts: from here on TERM and QUIT unwind it"},
    {"start", start, METH_VARARGS, "start(loop, application, state, call_awaitable): begins to serve"},
    {"ended", has_ended, METH_NOARGS, "whether everything is served and the event loop was stopped"},
    {"give_up", give_up, METH_NOARGS, "takes no more requests and goes on with none"},
    {"stopping", is_stopping, METH_NOARGS, "whether the worker was told to stop"},
    {"quitting", is_quitting, METH_NOARGS, "whether the worker was told to stop at once"},
    {"call_term", call_term, METH_NOARGS, "calls the application's own handler of TERM, if it has one"},
    {"status", status, METH_NOARGS, "the exit status"},
    {"log", log_text, METH_VARARGS, "log(level, text)"},
    {"log_exception", log_exception, METH_O, "log_exception(what): logs the exception that is being handled"},
    {nullptr, nullptr, 0, nullptr},
};
PyType_Slot kSlots[] = {{Py_tp_dealloc, slot(plain_dealloc)}, {Py_tp_methods, kMethods}, {0, nullptr}};
PyType_Spec kSpec{"prefork.Worker", sizeof(Worker), 0, Py_TPFLAGS_DEFAULT, kSlots};

PyRef new_worker(asgi::Loop& loop, LoopInterface interface) {
  auto* const worker = PyObject_New(Worker, new_type(kSpec));
  if (worker != nullptr) {
    worker->loop = &loop;
    worker->interface = interface;
  }
  return PyRef::steal(reinterpret_cast<PyObject*>(worker));
}

}  // namespace

int serve_asgi(Startup& startup) { return serve_loop(startup, LoopInterface::Asgi, startup.application.share()); }

int serve_loop(Startup& startup, LoopInterface interface, PyRef application) {
  // Never taken down: what the application leaves behind may look at it until the process ends.
  auto& loop = *new asgi::Loop(startup.context);
  const auto& settings = startup.context.settings();
  const std::string kind(settings.get("asgi_loop", "auto"));
  const std::string lifespan(settings.get("asgi_lifespan", "auto"));
  const PyRef worker = new_worker(loop, interface);
  const PyRef status = worker ? call_boot("serve_loop", "OOsss", application.get(), worker.get(), kind.c_str(),
                                          lifespan.c_str(), kLoopInterfaces[static_cast<std::size_t>(interface)])
                              : PyRef{};
  if (status) return static_cast<int>(PyLong_AsLong(status.get()));
  if (drop_exit(stopping())) return kExitOk;
  log_error("Exception in worker process");
  return kExitBoot;
}

}  // namespace prefork::bridge
