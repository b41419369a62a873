#include "python/bridge/native/pieces.hpp"

#include "python/bridge/native/request.hpp"
#include "python/bridge/type.hpp"

namespace prefork::bridge::native {
namespace {

struct Pieces {
  PyObject_HEAD PyObject* request;  // kept
};

// Null with the error set when the request is over or wants the other way of iterating.
Port* port_of(PyObject* self, bool awaits) {
  Port* const port = as_request(reinterpret_cast<Pieces*>(self)->request)->port;
  if (port == nullptr) {
    PyErr_SetString(PyExc_RuntimeError, "the request is over");
  } else if (port->awaits() != awaits) {
    PyErr_SetString(PyExc_TypeError, awaits ? "this application is not async: use `for`" : "use `async for`");
    return nullptr;
  }
  return port;
}

PyObject* next(PyObject* self) {
  Port* const port = port_of(self, false);
  return port != nullptr ? port->next_piece().release() : nullptr;
}

PyObject* async_next(PyObject* self) {
  Port* const port = port_of(self, true);
  return port != nullptr ? port->next_piece().release() : nullptr;
}

void dealloc(PyObject* self) {
  Py_DECREF(reinterpret_cast<Pieces*>(self)->request);
  plain_dealloc(self);
}

PyType_Slot kSlots[] = {
    {Py_tp_dealloc, slot(dealloc)}, {Py_tp_iter, slot(itself)},      {Py_tp_iternext, slot(next)},
    {Py_am_aiter, slot(itself)},    {Py_am_anext, slot(async_next)}, {0, nullptr},
};
PyType_Spec kSpec{"prefork.Pieces", sizeof(Pieces), 0, Py_TPFLAGS_DEFAULT, kSlots};

}  // namespace

PyRef new_pieces(PyObject* request) {
  static PyTypeObject* const type = new_type(kSpec);
  auto* const pieces = PyObject_New(Pieces, type);
  if (pieces == nullptr) return {};
  Py_INCREF(request);
  pieces->request = request;
  return PyRef::steal(reinterpret_cast<PyObject*>(pieces));
}

}  // namespace prefork::bridge::native
