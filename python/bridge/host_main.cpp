// _prefork_worker: the bridge as an extension module, for an environment whose python is another one than prefork-worker embeds.
// prefork/_host.py runs in that python, loads the module that fits it and calls run(ATTACHMENT, PACKAGE-PARENT).
#include <exception>
#include <optional>

#include "python/bridge/log.hpp"
#include "python/bridge/ref.hpp"
#include "python/bridge/worker_main.hpp"

namespace {

using namespace prefork;

PyObject* run(PyObject*, PyObject* args) {
  const char* text = nullptr;
  const char* parent = nullptr;
  if (PyArg_ParseTuple(args, "ss:run", &text, &parent) == 0) return nullptr;
  try {
    const auto attachment = worker::Attachment::from_text(text);
    // Never taken down: what the application left behind may look at both until the process ends.
    const auto& settings = *new wire::Settings(worker::read_settings(attachment));
    auto& context = *new std::optional<worker::Context>;
    bridge::adopt_process(settings);
    if (!attachment.is_mold()) context.emplace(attachment);
    return PyLong_FromLong(bridge::run_worker(attachment, settings, context, parent));
  } catch (const std::exception& error) {
    bridge::log(bridge::Level::Error, error.what());
    return PyLong_FromLong(bridge::kExitBoot);
  }
}

PyMethodDef kMethods[] = {
    {"run", run, METH_VARARGS,
     "run(attachment, package_parent): serves until the worker is told to stop; the exit status"},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef kModule{
    PyModuleDef_HEAD_INIT, "_prefork_worker", nullptr, -1, kMethods, nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__prefork_worker() { return PyModule_Create(&kModule); }
