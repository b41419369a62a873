// What types of ours need to pass for coroutines, beyond the step that each has of its own. GIL held.
#pragma once

#include "python/bridge/ref.hpp"

namespace prefork::bridge::asgi {

#if PY_VERSION_HEX < 0x030A0000
enum PySendResult { PYGEN_RETURN = 0, PYGEN_ERROR = -1, PYGEN_NEXT = 1 };
#endif

// One step of any iterator or coroutine: PyIter_Send, which older versions of Python do not have. There the value is lost: None.
PySendResult iter_send(PyObject* iterator, PyObject** result);
// The error that is set, or none, is the end of an iteration: clears it. False when it is another error.
[[nodiscard]] bool take_stop_iteration(PyObject** value);

// isinstance(object, collections.abc.Coroutine) for objects of a type of ours. False with the error set.
[[nodiscard]] bool register_coroutine(PyTypeObject* type);

// What a step came to, as send() and throw() tell it: a result is a StopIteration. Results are dicts, bytes or None, so the value needs no
// wrapping. Takes the result over.
PyObject* yielded(PySendResult sent, PyObject* result);

// Sets the error that the arguments of throw() name, in any of its three ways.
void raise_arguments(PyObject* args);

// tp_iternext and send() of a type with this step (am_send). None is the end without an error, as iterators say it.
template <PySendResult (*step)(PyObject*, PyObject*, PyObject**)>
PyObject* next_by(PyObject* self) {
  PyObject* result = nullptr;
  const auto sent = step(self, Py_None, &result);
  if (sent != PYGEN_RETURN || result != Py_None) return yielded(sent, result);
  Py_DECREF(result);
  return nullptr;
}

template <PySendResult (*step)(PyObject*, PyObject*, PyObject**)>
PyObject* send_by(PyObject* self, PyObject* value) {
  PyObject* result = nullptr;
  const auto sent = step(self, value, &result);
  return yielded(sent, result);
}

// tp_methods of a coroutine.
template <PySendResult (*step)(PyObject*, PyObject*, PyObject**), PyCFunction throw_method, PyCFunction close_method>
PyMethodDef* coroutine_methods() {
  static PyMethodDef methods[] = {
      {"send", send_by<step>, METH_O, nullptr},
      {"throw", throw_method, METH_VARARGS, nullptr},
      {"close", close_method, METH_NOARGS, nullptr},
      {nullptr, nullptr, 0, nullptr},
  };
  return methods;
}

}  // namespace prefork::bridge::asgi
