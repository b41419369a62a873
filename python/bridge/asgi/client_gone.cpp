#include "python/bridge/asgi/client_gone.hpp"

#include "python/bridge/names.hpp"
#include "python/bridge/ref.hpp"

namespace prefork::bridge::asgi {
namespace {

constexpr int kDeepest = 16;

PyObject* mark() {
  static PyObject* const kMark = interned("_prefork_client_gone");
  return kMark;
}

// An attribute, or empty: an exception may have any, and may refuse to tell.
PyRef attribute(PyObject* error, PyObject* name) {
  PyRef value = PyRef::steal(PyObject_GetAttr(error, name));
  if (!value) PyErr_Clear();
  return value;
}

bool began(PyObject* error, int depth);

// The members of a group, of Python's own (3.11) or of the package that older versions have for it.
bool all_began(PyObject* errors, int depth) {
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(errors); ++i)
    if (!began(PyTuple_GET_ITEM(errors, i), depth)) return false;
  return PyTuple_GET_SIZE(errors) != 0;
}

bool began(PyObject* error, int depth) {
  static PyObject* const kExceptions = interned("exceptions");
  PyRef kept = PyRef::borrow(error);
  for (; kept && PyExceptionInstance_Check(kept.get()) && depth < kDeepest; ++depth) {
    if (attribute(kept.get(), mark())) return true;
    const PyRef members = attribute(kept.get(), kExceptions);
    if (members && PyTuple_Check(members.get())) return all_began(members.get(), depth + 1);
    PyRef before = PyRef::steal(PyException_GetCause(kept.get()));
    kept = before ? std::move(before) : PyRef::steal(PyException_GetContext(kept.get()));
  }
  return false;
}

}  // namespace

void raise_client_gone(PyObject* type, const char* text) {
  PyErr_SetString(type, text);
  ErrorAside aside;
  PyObject* const error = aside.value();
  if (error == nullptr || PyObject_SetAttr(error, mark(), Py_True) != 0) PyErr_Clear();
}

bool began_with_client_gone() {
  ErrorAside aside;
  PyObject* const error = aside.value();
  return error != nullptr && began(error, 0);
}

}  // namespace prefork::bridge::asgi
