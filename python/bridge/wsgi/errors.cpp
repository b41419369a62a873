#include "python/bridge/wsgi/errors.hpp"

#include <string>

#include "python/bridge/bytes.hpp"
#include "python/bridge/gil.hpp"
#include "python/bridge/log.hpp"
#include "python/bridge/type.hpp"

namespace prefork::bridge::wsgi {
namespace {

constexpr std::size_t kLongestUnwritten = 64 * 1024;

// A line in the making belongs to the thread that writes it: print() writes a text and its newline apart.
thread_local std::string unfinished;

void write_out(std::size_t bytes) {
  const std::string text = unfinished.substr(0, bytes);
  unfinished.erase(0, bytes);
  const GilFree free;  // the log may be a pipe that is full
  write_stderr(text);
}

bool add(PyObject* text) {
  if (!PyUnicode_Check(text)) {
    PyErr_Format(PyExc_TypeError, "wsgi.errors: write() takes a str, not %.100s", Py_TYPE(text)->tp_name);
    return false;
  }
  unfinished += printable(text);
  const auto newline = unfinished.rfind('\n');
  if (newline != std::string::npos) {
    write_out(newline + 1);
  } else if (unfinished.size() > kLongestUnwritten) {
    write_out(unfinished.size());
  }
  return true;
}

PyObject* write(PyObject*, PyObject* text) {
  return add(text) ? PyLong_FromSsize_t(PyUnicode_GET_LENGTH(text)) : nullptr;
}

PyObject* writelines(PyObject*, PyObject* lines) {
  const PyRef iterator = PyRef::steal(PyObject_GetIter(lines));
  if (!iterator) return nullptr;
  for (;;) {
    const PyRef line = PyRef::steal(PyIter_Next(iterator.get()));
    if (!line) break;
    if (!add(line.get())) return nullptr;
  }
  if (PyErr_Occurred() != nullptr) return nullptr;
  Py_RETURN_NONE;
}

PyObject* flush(PyObject*, PyObject*) {
  flush_errors();
  Py_RETURN_NONE;
}

PyObject* fileno(PyObject*, PyObject*) { return PyLong_FromLong(2); }
PyObject* no(PyObject*, PyObject*) { Py_RETURN_FALSE; }
PyObject* yes(PyObject*, PyObject*) { Py_RETURN_TRUE; }
PyObject* encoding(PyObject*, void*) { return PyUnicode_FromString("utf-8"); }
PyObject* handling(PyObject*, void*) { return PyUnicode_FromString("backslashreplace"); }
PyObject* closed(PyObject*, void*) { Py_RETURN_FALSE; }

PyMethodDef kMethods[] = {
    {"write", write, METH_O, "write(text): to the error log, by whole lines"},
    {"writelines", writelines, METH_O, "writelines(texts)"},
    {"flush", flush, METH_NOARGS, "flush(): writes out a line that is not finished"},
    {"fileno", fileno, METH_NOARGS, nullptr},
    {"isatty", no, METH_NOARGS, nullptr},
    {"readable", no, METH_NOARGS, nullptr},
    {"writable", yes, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef kMembers[] = {
    {"encoding", encoding, nullptr, nullptr, nullptr},
    {"errors", handling, nullptr, nullptr, nullptr},
    {"closed", closed, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot kSlots[] = {
    {Py_tp_dealloc, slot(plain_dealloc)},
    {Py_tp_methods, kMethods},
    {Py_tp_getset, kMembers},
    {0, nullptr},
};

PyType_Spec kSpec{"prefork.Errors", sizeof(PyObject), 0, Py_TPFLAGS_DEFAULT, kSlots};

}  // namespace

PyRef new_errors() {
  static PyTypeObject* const type = new_type(kSpec);
  return PyRef::steal(reinterpret_cast<PyObject*>(PyObject_New(PyObject, type)));
}

void flush_errors() {
  if (!unfinished.empty()) write_out(unfinished.size());
}

}  // namespace prefork::bridge::wsgi
