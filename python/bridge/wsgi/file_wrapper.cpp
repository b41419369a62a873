#include "python/bridge/wsgi/file_wrapper.hpp"

#include <sys/stat.h>

#include <cstddef>

#include "python/bridge/bytes.hpp"
#include "python/bridge/names.hpp"
#include "python/bridge/type.hpp"

namespace prefork::bridge::wsgi {
namespace {

struct Wrapper {
  PyObject_HEAD PyObject* file;
  PyObject* read;
  Py_ssize_t block;
  bool started;
};

Wrapper* as_wrapper(PyObject* self) { return reinterpret_cast<Wrapper*>(self); }

int traverse(PyObject* self, visitproc visit, void* arg) {
#if PY_VERSION_HEX >= 0x03090000
  Py_VISIT(Py_TYPE(self));
#endif
  Py_VISIT(as_wrapper(self)->file);
  Py_VISIT(as_wrapper(self)->read);
  return 0;
}

int clear(PyObject* self) {
  Py_CLEAR(as_wrapper(self)->file);
  Py_CLEAR(as_wrapper(self)->read);
  return 0;
}

void dealloc(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  clear(self);
  PyObject_GC_Del(self);
  Py_DECREF(type);
}

PyObject* make(PyTypeObject* type, PyObject* args, PyObject* keywords) {
  static const char* kNames[] = {"filelike", "blksize", nullptr};
  PyObject* file = nullptr;
  Py_ssize_t block = 8192;
  if (PyArg_ParseTupleAndKeywords(args, keywords, "O|n:file_wrapper", const_cast<char**>(kNames), &file, &block) == 0)
    return nullptr;
  PyRef read = PyRef::steal(PyObject_GetAttrString(file, "read"));
  if (!read) return nullptr;
  PyObject* const self = type->tp_alloc(type, 0);
  if (self == nullptr) return nullptr;
  as_wrapper(self)->file = PyRef::borrow(file).release();
  as_wrapper(self)->read = read.release();
  as_wrapper(self)->block = block > 0 ? block : 8192;
  return self;
}

PyObject* next(PyObject* self) {
  Wrapper* const wrapper = as_wrapper(self);
  wrapper->started = true;
  if (wrapper->read == nullptr) return nullptr;
  PyRef block = PyRef::steal(PyObject_CallFunction(wrapper->read, "n", wrapper->block));
  if (!block) return nullptr;
  const int something = PyObject_IsTrue(block.get());
  return something == 1 ? block.release() : nullptr;
}

PyObject* close(PyObject* self, PyObject*) {
  PyObject* const file = as_wrapper(self)->file;
  if (file == nullptr) Py_RETURN_NONE;
  const PyRef method = PyRef::steal(PyObject_GetAttrString(file, "close"));
  if (!method) {
    if (PyErr_ExceptionMatches(PyExc_AttributeError) == 0) return nullptr;
    PyErr_Clear();
    Py_RETURN_NONE;
  }
  return PyObject_CallObject(method.get(), nullptr);
}

PyObject* filelike(PyObject* self, void*) { return PyRef::borrow(as_wrapper(self)->file).release(); }
PyObject* blksize(PyObject* self, void*) { return PyLong_FromSsize_t(as_wrapper(self)->block); }

PyMethodDef kMethods[] = {
    {"close", close, METH_NOARGS, "close(): closes the file"},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef kMembers[] = {
    {"filelike", filelike, nullptr, nullptr, nullptr},
    {"blksize", blksize, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot kSlots[] = {
    {Py_tp_new, slot(make)},
    {Py_tp_dealloc, slot(dealloc)},
    {Py_tp_traverse, slot(traverse)},
    {Py_tp_clear, slot(clear)},
    {Py_tp_iter, slot(PyObject_SelfIter)},
    {Py_tp_iternext, slot(next)},
    {Py_tp_methods, kMethods},
    {Py_tp_getset, kMembers},
    {0, nullptr},
};

PyType_Spec kSpec{"prefork.FileWrapper", sizeof(Wrapper), 0,
                  Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE, kSlots};

// What an object's attribute says, as a number; -1 with no error set when it says none.
long long ask(PyObject* object, const char* method) {
  const PyRef answer = PyRef::steal(PyObject_CallMethod(object, method, nullptr));
  const long long number = answer && PyLong_Check(answer.get()) ? PyLong_AsLongLong(answer.get()) : -1;
  if (PyErr_Occurred() != nullptr) PyErr_Clear();
  return number;
}

PyObject* io_type(const char* name) {
  const PyRef module = PyRef::steal(PyImport_ImportModule("_io"));
  return module ? PyObject_GetAttrString(module.get(), name) : nullptr;
}

// Only what is known to hand the file's own bytes out of read(): a GzipFile has a descriptor too.
bool plain_file(PyObject* file) {
  static PyObject* const raw = io_type("FileIO");
  static PyObject* const buffered = io_type("BufferedReader");
  static PyObject* const random = io_type("BufferedRandom");
  PyObject* const type = reinterpret_cast<PyObject*>(Py_TYPE(file));
  if (type == raw) return true;
  if (type != buffered && type != random) return false;
  const PyRef under = PyRef::steal(PyObject_GetAttrString(file, "raw"));
  if (!under) PyErr_Clear();
  return under && reinterpret_cast<PyObject*>(Py_TYPE(under.get())) == raw;
}

}  // namespace

PyTypeObject* file_wrapper_type() {
  static PyTypeObject* const type = [] {
    PyObject* const made = PyType_FromSpec(&kSpec);
    if (made == nullptr) throw std::runtime_error("Python refuses the type prefork.FileWrapper");
    return reinterpret_cast<PyTypeObject*>(made);
  }();
  return type;
}

std::optional<WrappedFile> wrapped_file(PyObject* iterable) {
  if (Py_TYPE(iterable) != file_wrapper_type()) return std::nullopt;
  Wrapper* const wrapper = as_wrapper(iterable);
  if (wrapper->started || wrapper->file == nullptr || !plain_file(wrapper->file)) return std::nullopt;
  const auto fd = ask(wrapper->file, "fileno");
  const auto offset = ask(wrapper->file, "tell");  // a buffered reader is behind its descriptor
  struct stat status {};
  if (fd < 0 || offset < 0 || ::fstat(static_cast<int>(fd), &status) != 0 || !S_ISREG(status.st_mode))
    return std::nullopt;
  const auto size = static_cast<std::uint64_t>(status.st_size);
  const auto start = static_cast<std::uint64_t>(offset);
  return WrappedFile{static_cast<int>(fd), start, start < size ? size - start : 0};
}

}  // namespace prefork::bridge::wsgi
