#include "python/bridge/forked.hpp"

#include <pthread.h>
#include <unistd.h>

#include "python/bridge/bytes.hpp"
#include "python/bridge/error.hpp"
#include "python/bridge/log.hpp"

namespace prefork::bridge {
namespace {

bool forked = false;  // written by the child's only thread

// As sys.exit() documents it: nothing is 0, a number is itself, anything else is printed and 1.
int status_of_exit() {
  PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
  PyErr_Fetch(&type, &value, &trace);
  PyErr_NormalizeException(&type, &value, &trace);
  const PyRef code = PyRef::steal(PyObject_GetAttrString(value, "code"));
  if (!code || code.get() == Py_None) return PyErr_Clear(), 0;
  if (PyLong_Check(code.get())) return static_cast<int>(PyLong_AsLong(code.get()));
  const PyRef text = PyRef::steal(PyObject_Str(code.get()));
  if (text) write_stderr(printable(text.get()) + "\n");
  return 1;
}

int status_of_child() {
  if (PyErr_Occurred() == nullptr) {
    log(Level::Error, "A child of os.fork() returned from the application: it ends here");
    return 1;
  }
  if (PyErr_ExceptionMatches(PyExc_SystemExit) != 0) return status_of_exit();
  log_error("Exception in a child of os.fork()");
  return 1;
}

}  // namespace

void watch_forks() {
  ::pthread_atfork(nullptr, nullptr, [] { forked = true; });
}

bool is_forked_child() { return forked; }

void end_forked_child() {
  const int status = status_of_child();
  PyErr_Clear();  // of a status that is no int, or of a text that cannot be had
  flush_streams();
  ::_exit(status);
}

}  // namespace prefork::bridge
