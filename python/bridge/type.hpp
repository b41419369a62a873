// Making Python types in C++: a type of ours is a heap type that lives as long as the process.
#pragma once

#include <stdexcept>
#include <string>

#include "python/bridge/ref.hpp"

namespace prefork::bridge {

// Throws std::runtime_error when Python refuses. Types cannot be made or subclassed from Python.
inline PyTypeObject* new_type(PyType_Spec& spec) {
#if PY_VERSION_HEX >= 0x030A0000
  spec.flags |= Py_TPFLAGS_DISALLOW_INSTANTIATION;
#endif
  PyObject* const type = PyType_FromSpec(&spec);
  if (type == nullptr) throw std::runtime_error(std::string("Python refuses the type ") + spec.name);
#if PY_VERSION_HEX < 0x030A0000
  reinterpret_cast<PyTypeObject*>(type)->tp_new = nullptr;
#endif
  return reinterpret_cast<PyTypeObject*>(type);
}

// A slot's function as the table wants it.
template <class Function>
void* slot(Function* function) {
  return reinterpret_cast<void*>(function);
}

// A METH_FASTCALL function, with METH_KEYWORDS or without, as the table wants it.
template <class... Names>
PyCFunction fast(PyObject* (*function)(PyObject*, PyObject* const*, Py_ssize_t, Names...)) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

// A METH_VARARGS | METH_KEYWORDS function, likewise.
inline PyCFunction with_keywords(PyCFunctionWithKeywords function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

// tp_iter, am_aiter or am_await of what is its own iterator.
inline PyObject* itself(PyObject* self) {
  Py_INCREF(self);
  return self;
}

// For objects without Python references of their own: the memory, then the reference that an instance has to its heap type.
inline void plain_dealloc(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  PyObject_Free(self);
  Py_DECREF(type);
}

}  // namespace prefork::bridge
