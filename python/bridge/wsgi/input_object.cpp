// The Python type behind wsgi.input: arguments in, Input's methods out.
#include "python/bridge/wsgi/input_object.hpp"

#include "python/bridge/type.hpp"

namespace prefork::bridge::wsgi {
namespace {

struct InputObject {
  PyObject_HEAD Input* input;
};

Input* input_of(PyObject* self) {
  Input* input = reinterpret_cast<InputObject*>(self)->input;
  if (input == nullptr) PyErr_SetString(PyExc_OSError, "wsgi.input: the request is over");
  return input;
}

// The optional size of read(), readline() and readlines(), which other servers also take by its name: absent and None mean -1, more
// than there can be is all. False with the error set.
bool size_argument(PyObject* const* args, Py_ssize_t count, PyObject* names, Py_ssize_t& size) {
  size = -1;
  const Py_ssize_t named = names != nullptr ? PyTuple_GET_SIZE(names) : 0;
  PyObject* const name = named != 0 ? PyTuple_GET_ITEM(names, 0) : nullptr;
  if (count + named > 1 || (name != nullptr && PyUnicode_CompareWithASCIIString(name, "size") != 0 &&
                            PyUnicode_CompareWithASCIIString(name, "hint") != 0)) {
    PyErr_SetString(PyExc_TypeError, "wsgi.input: at most one argument is expected, a size");
    return false;
  }
  if (count + named == 0 || args[0] == Py_None) return true;
  size = PyNumber_AsSsize_t(args[0], nullptr);
  return size != -1 || PyErr_Occurred() == nullptr;
}

constexpr int kKeywords = METH_FASTCALL | METH_KEYWORDS;

template <PyRef (Input::*Read)(Py_ssize_t)>
PyObject* sized(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  Py_ssize_t size = -1;
  if (!size_argument(args, count, names, size)) return nullptr;
  Input* const input = input_of(self);
  return input != nullptr ? (input->*Read)(size).release() : nullptr;
}

PyObject* readinto(PyObject* self, PyObject* buffer) {
  Input* const input = input_of(self);
  Py_buffer view;
  if (input == nullptr || PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE | PyBUF_C_CONTIGUOUS) != 0) return nullptr;
  const Py_ssize_t count = input->readinto({static_cast<std::byte*>(view.buf), static_cast<std::size_t>(view.len)});
  PyBuffer_Release(&view);
  return count < 0 ? nullptr : PyLong_FromSsize_t(count);
}

PyObject* next(PyObject* self) {
  Input* const input = input_of(self);
  if (input == nullptr) return nullptr;
  PyRef line = input->readline(-1);
  if (line && PyBytes_GET_SIZE(line.get()) == 0) return nullptr;
  return line.release();
}

PyObject* yes(PyObject*, PyObject*) { Py_RETURN_TRUE; }
PyObject* no(PyObject*, PyObject*) { Py_RETURN_FALSE; }
PyObject* nothing(PyObject*, PyObject*) { Py_RETURN_NONE; }
PyObject* closed(PyObject*, void*) { Py_RETURN_FALSE; }

PyMethodDef kMethods[] = {
    {"read", fast(sized<&Input::read>), kKeywords, "read(size=-1): bytes; empty at the end of the body"},
    {"readline", fast(sized<&Input::readline>), kKeywords, "readline(size=-1): bytes up to and with the next newline"},
    {"readlines", fast(sized<&Input::readlines>), kKeywords, "readlines(hint=-1): a list of lines"},
    {"readinto", readinto, METH_O, "readinto(buffer): how many bytes were read"},
    {"readable", yes, METH_NOARGS, nullptr},
    {"writable", no, METH_NOARGS, nullptr},
    {"seekable", no, METH_NOARGS, nullptr},
    {"close", nothing, METH_NOARGS, "Does nothing: the body belongs to the server."},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef kMembers[] = {
    {"closed", closed, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot kSlots[] = {
    {Py_tp_dealloc, slot(plain_dealloc)},
    {Py_tp_iter, slot(PyObject_SelfIter)},
    {Py_tp_iternext, slot(next)},
    {Py_tp_methods, kMethods},
    {Py_tp_getset, kMembers},
    {0, nullptr},
};

PyType_Spec kSpec{"prefork.Input", sizeof(InputObject), 0, Py_TPFLAGS_DEFAULT, kSlots};

}  // namespace

PyRef new_input_object(Input* input) {
  static PyTypeObject* const type = new_type(kSpec);
  auto* object = PyObject_New(InputObject, type);
  if (object != nullptr) object->input = input;
  return PyRef::steal(reinterpret_cast<PyObject*>(object));
}

void cut_off_input(PyObject* object) { reinterpret_cast<InputObject*>(object)->input = nullptr; }

}  // namespace prefork::bridge::wsgi
