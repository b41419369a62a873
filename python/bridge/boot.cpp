#include "python/bridge/boot.hpp"

#include <unistd.h>

#include <cstdarg>
#include <stdexcept>

#include "python/bridge/bytes.hpp"
#include "python/bridge/error.hpp"
#include "shm/own_executable.hpp"

namespace prefork::bridge {
namespace {

PyObject* boot = nullptr;  // the module; lives as long as the process

}  // namespace

std::string executable_folder() {
  const std::string whole = shm::own_executable();
  return whole.substr(0, whole.rfind('/'));
}

std::string package_parent() {
  // A wheel has site-packages/prefork/bin/prefork-worker, the source tree python/prefork and build/PRESET/prefork-worker.
  const std::string folder = executable_folder();
  for (const std::string& parent : {folder + "/../..", std::string(PREFORK_SOURCE_FOLDER) + "/python"}) {
    if (::access((parent + "/prefork/_boot.py").c_str(), R_OK) == 0) return parent;
  }
  return {};
}

void load_boot(const std::string& parent) {
  PyObject* path = PySys_GetObject("path");
  const PyRef entry = PyRef::steal(PyUnicode_DecodeFSDefault(parent.c_str()));
  // On the path for the time of the import only: the application sees its own environment.
  if (path != nullptr && entry && PyList_Insert(path, 0, entry.get()) == 0) {
    boot = PyImport_ImportModule("prefork._boot");
    const ErrorAside aside;
    const Py_ssize_t at = PySequence_Index(path, entry.get());
    if (at < 0 || PySequence_DelItem(path, at) != 0) PyErr_Clear();
  }
  if (boot == nullptr)
    throw std::runtime_error("the prefork package cannot be imported from '" + parent + "': " + take_traceback());
}

PyRef call_boot(const char* function, const char* format, ...) {
  const PyRef callable = PyRef::steal(PyObject_GetAttrString(boot, function));
  if (!callable) return {};
  std::va_list values;
  va_start(values, format);
  PyRef arguments = PyRef::steal(Py_VaBuildValue(format, values));
  va_end(values);
  if (!arguments) return {};
  if (!PyTuple_Check(arguments.get())) arguments = PyRef::steal(PyTuple_Pack(1, arguments.get()));
  return arguments ? PyRef::steal(PyObject_CallObject(callable.get(), arguments.get())) : PyRef{};
}

bool error_is_hint() {
  const ErrorAside aside;
  const PyRef hint = PyRef::steal(PyObject_GetAttrString(boot, "AppImportError"));
  if (!hint) PyErr_Clear();
  return hint && aside.type() != nullptr && PyErr_GivenExceptionMatches(aside.type(), hint.get()) != 0;
}

PyRef settings_dict(const wire::Settings& settings) {
  PyRef dict = PyRef::steal(PyDict_New());
  for (const auto& [name, value] : settings.pairs()) {
    const PyRef text = utf8(value);
    if (!dict || !text || PyDict_SetItemString(dict.get(), name.c_str(), text.get()) != 0) return {};
  }
  return dict;
}

}  // namespace prefork::bridge
