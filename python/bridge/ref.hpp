// The owner of one reference to a Python object. Taking over and sharing are spelled out: steal() and borrow(); there is no
// implicit conversion from PyObject*. An empty PyRef that a function returns means "the Python error is set".
// Needs the GIL for everything but moving and being empty.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <utility>

namespace prefork::bridge {

class PyRef {
 public:
  PyRef() = default;
  static PyRef steal(PyObject* object) { return PyRef(object); }
  static PyRef borrow(PyObject* object) {
    Py_XINCREF(object);
    return PyRef(object);
  }
  PyRef(PyRef&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  PyRef& operator=(PyRef&& other) noexcept {
    // The old object may run Python code when it dies: this must be whole by then.
    PyObject* old = std::exchange(object_, std::exchange(other.object_, nullptr));
    Py_XDECREF(old);
    return *this;
  }
  PyRef(const PyRef&) = delete;
  PyRef& operator=(const PyRef&) = delete;
  ~PyRef() { Py_XDECREF(object_); }

  PyObject* get() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }
  PyRef share() const { return borrow(object_); }
  [[nodiscard]] PyObject* release() { return std::exchange(object_, nullptr); }
  void reset() { Py_CLEAR(object_); }

 private:
  explicit PyRef(PyObject* object) : object_(object) {}
  PyObject* object_ = nullptr;
};

// An error that is set for the time of a scope: put aside so that cleaning up can call Python, and put back at its end.
class ErrorAside {
 public:
  ErrorAside() { PyErr_Fetch(&type_, &value_, &trace_); }
  ~ErrorAside() { PyErr_Restore(type_, value_, trace_); }
  ErrorAside(const ErrorAside&) = delete;
  ErrorAside& operator=(const ErrorAside&) = delete;
  PyObject* type() const { return type_; }
  PyObject* value() {
    PyErr_NormalizeException(&type_, &value_, &trace_);
    return value_;
  }

 private:
  PyObject* type_ = nullptr;
  PyObject* value_ = nullptr;
  PyObject* trace_ = nullptr;
};

}  // namespace prefork::bridge
