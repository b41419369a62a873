#include "python/bridge/asgi/coroutine.hpp"

#include "python/bridge/names.hpp"

namespace prefork::bridge::asgi {

PySendResult iter_send(PyObject* iterator, PyObject** result) {
#if PY_VERSION_HEX >= 0x030A0000
  return PyIter_Send(iterator, Py_None, result);
#else
  static PyObject* const kSend = interned("send");
  *result = PyIter_Check(iterator) ? Py_TYPE(iterator)->tp_iternext(iterator)
                                   : PyObject_CallMethodOneArg(iterator, kSend, Py_None);
  if (*result != nullptr) return PYGEN_NEXT;
  return take_stop_iteration(result) ? PYGEN_RETURN : PYGEN_ERROR;
#endif
}

bool take_stop_iteration(PyObject** value) {
  if (PyErr_Occurred() == nullptr) {
    Py_INCREF(Py_None);
    *value = Py_None;
    return true;
  }
  if (PyErr_ExceptionMatches(PyExc_StopIteration) == 0) return false;
  PyObject *type = nullptr, *error = nullptr, *trace = nullptr;
  PyErr_Fetch(&type, &error, &trace);
  PyErr_NormalizeException(&type, &error, &trace);
  *value = error != nullptr ? PyObject_GetAttrString(error, "value") : nullptr;
  Py_XDECREF(type);
  Py_XDECREF(error);
  Py_XDECREF(trace);
  return *value != nullptr;
}

bool register_coroutine(PyTypeObject* type) {
  const PyRef module = PyRef::steal(PyImport_ImportModule("collections.abc"));
  const PyRef coroutine = module ? PyRef::steal(PyObject_GetAttrString(module.get(), "Coroutine")) : PyRef{};
  return coroutine && PyRef::steal(PyObject_CallMethod(coroutine.get(), "register", "O", type));
}

PyObject* yielded(PySendResult sent, PyObject* result) {
  if (sent != PYGEN_RETURN) return result;
  PyErr_SetObject(PyExc_StopIteration, result);
  Py_DECREF(result);
  return nullptr;
}

void raise_arguments(PyObject* args) {
  PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
  if (PyArg_UnpackTuple(args, "throw", 1, 3, &type, &value, &trace) == 0) return;
  if (PyExceptionInstance_Check(type)) {
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(type)), type);
  } else {
    PyErr_SetObject(type, value != nullptr ? value : Py_None);
  }
}

}  // namespace prefork::bridge::asgi
