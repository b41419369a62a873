#include "python/bridge/shared.hpp"

#include <optional>
#include <string>
#include <system_error>

#include "python/bridge/bytes.hpp"
#include "python/bridge/gil.hpp"
#include "python/bridge/ref.hpp"
#include "python/bridge/type.hpp"
#include "shm/shared_table.hpp"

namespace prefork::bridge {
namespace {

shm::SharedTable* table = nullptr;  // lives as long as the process

struct Shared {
  PyObject_HEAD shm::SharedEntry* entry;
};

shm::SharedEntry& entry_of(PyObject* self) { return *reinterpret_cast<Shared*>(self)->entry; }

PyObject* name_of(PyObject* self, void*) {
  const auto& entry = entry_of(self);
  return PyUnicode_DecodeUTF8(entry.name, entry.name_length, "replace");
}

PyObject* refuse(shm::SharedFailure failure) {
  switch (failure) {
    case shm::SharedFailure::Full:
      PyErr_SetString(PyExc_MemoryError, "prefork.shared is full: --shared-memory gives it more");
      break;
    case shm::SharedFailure::Mismatch:
      PyErr_SetString(PyExc_ValueError, "prefork.shared has something else of that name, or a smaller value");
      break;
    case shm::SharedFailure::Busy:
      PyErr_SetString(PyExc_TimeoutError, "another process is at it and stands still");
      break;
    case shm::SharedFailure::TooLong:
      PyErr_SetString(PyExc_ValueError, "the bytes are longer than the size that the value was made with");
      break;
    case shm::SharedFailure::Moved:
    case shm::SharedFailure::None: PyErr_SetString(PyExc_RuntimeError, "prefork.shared"); break;
  }
  return nullptr;
}

// ---------------------------------------------------------------------------------------------------- counters

bool integer(PyObject* object, std::int64_t& number) {
  number = PyLong_AsLongLong(object);
  return number != -1 || PyErr_Occurred() == nullptr;
}

PyObject* add(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  std::int64_t amount = 1;
  if (count > 1) {
    PyErr_SetString(PyExc_TypeError, "add(amount=1) takes one argument");
    return nullptr;
  }
  if (count == 1 && !integer(args[0], amount)) return nullptr;
  return PyLong_FromLongLong(shm::SharedTable::add(entry_of(self), amount));
}

PyObject* exchange(PyObject* self, PyObject* value) {
  std::int64_t number = 0;
  if (!integer(value, number)) return nullptr;
  return PyLong_FromLongLong(shm::SharedTable::exchange(entry_of(self), number));
}

PyObject* get_count(PyObject* self, void*) { return PyLong_FromLongLong(shm::SharedTable::count(entry_of(self))); }

int set_count(PyObject* self, PyObject* value, void*) {
  if (value == nullptr) {
    PyErr_SetString(PyExc_TypeError, "a counter's value cannot be deleted");
    return -1;
  }
  const PyRef before = PyRef::steal(exchange(self, value));
  return before ? 0 : -1;
}

PyObject* as_int(PyObject* self) { return get_count(self, nullptr); }

PyObject* show_counter(PyObject* self) {
  const PyRef name = PyRef::steal(name_of(self, nullptr)), count = PyRef::steal(as_int(self));
  return name && count ? PyUnicode_FromFormat("<Counter %R %S>", name.get(), count.get()) : nullptr;
}

PyGetSetDef kCounterAttributes[] = {
    {"name", name_of, nullptr, nullptr, nullptr},
    {"value", get_count, set_count, "what all workers have added", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};
PyMethodDef kCounterMethods[] = {
    {"add", fast(add), METH_FASTCALL, "add(amount=1): the new value"},
    {"exchange", exchange, METH_O, "exchange(value): sets it; the value that was"},
    {nullptr, nullptr, 0, nullptr},
};
PyType_Slot kCounterSlots[] = {
    {Py_tp_dealloc, slot(plain_dealloc)},
    {Py_tp_getset, kCounterAttributes},
    {Py_tp_methods, kCounterMethods},
    {Py_tp_repr, slot(show_counter)},
    {Py_nb_int, slot(as_int)},
    {Py_nb_index, slot(as_int)},
    {0, nullptr},
};
PyType_Spec kCounterSpec{"prefork.shared.Counter", sizeof(Shared), 0, Py_TPFLAGS_DEFAULT, kCounterSlots};

// ---------------------------------------------------------------------------------------------------- values

PyObject* read(PyObject* self, PyObject*) {
  std::string bytes;
  const auto version = table->get(entry_of(self), bytes);
  if (version == 0) return Py_BuildValue("(OK)", Py_None, 0ULL);
  const PyRef object = new_bytes(bytes);
  return object ? Py_BuildValue("(OK)", object.get(), static_cast<unsigned long long>(version)) : nullptr;
}

PyObject* get(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  if (count > 1) {
    PyErr_SetString(PyExc_TypeError, "get(default=None) takes one argument");
    return nullptr;
  }
  std::string bytes;
  if (table->get(entry_of(self), bytes) != 0) return new_bytes(bytes).release();
  PyObject* const otherwise = count == 1 ? args[0] : Py_None;
  Py_INCREF(otherwise);
  return otherwise;
}

PyObject* set(PyObject* self, PyObject* args, PyObject* options) {
  static const char* const kNames[] = {"data", "version", nullptr};
  Py_buffer data;
  PyObject* version = Py_None;
  if (PyArg_ParseTupleAndKeywords(args, options, "y*|O:set", const_cast<char**>(kNames), &data, &version) == 0)
    return nullptr;
  std::optional<std::uint64_t> expected;
  if (version != Py_None) expected = PyLong_AsUnsignedLongLong(version);
  std::uint64_t now = 0;
  auto failure = shm::SharedFailure::None;
  if (PyErr_Occurred() == nullptr) {
    // Another process may be at it.
    const GilFree free;
    now = table->set(entry_of(self), {static_cast<const std::byte*>(data.buf), static_cast<std::size_t>(data.len)},
                     expected, failure);
  }
  PyBuffer_Release(&data);
  if (PyErr_Occurred() != nullptr) return nullptr;
  if (failure == shm::SharedFailure::Moved) Py_RETURN_NONE;
  return failure == shm::SharedFailure::None ? PyLong_FromUnsignedLongLong(now) : refuse(failure);
}

PyObject* get_version(PyObject* self, void*) {
  return PyLong_FromUnsignedLongLong(shm::SharedTable::version(entry_of(self)));
}
PyObject* get_size(PyObject* self, void*) { return PyLong_FromUnsignedLong(entry_of(self).capacity); }

PyObject* show_value(PyObject* self) {
  const PyRef name = PyRef::steal(name_of(self, nullptr)), version = PyRef::steal(get_version(self, nullptr));
  return name && version ? PyUnicode_FromFormat("<Value %R version %S>", name.get(), version.get()) : nullptr;
}

PyGetSetDef kValueAttributes[] = {
    {"name", name_of, nullptr, nullptr, nullptr},
    {"version", get_version, nullptr, "how often it was set", nullptr},
    {"size", get_size, nullptr, "the most bytes that it can have", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};
PyMethodDef kValueMethods[] = {
    {"get", fast(get), METH_FASTCALL, "get(default=None): the bytes, as one set() left them"},
    {"read", read, METH_NOARGS, "read(): (bytes, version); (None, 0) before the first set()"},
    {"set", with_keywords(set), METH_VARARGS | METH_KEYWORDS,
     "set(data, version=None): the new version. With a version: None, and nothing is set, when it has moved on"},
    {nullptr, nullptr, 0, nullptr},
};
PyType_Slot kValueSlots[] = {{Py_tp_dealloc, slot(plain_dealloc)},
                             {Py_tp_getset, kValueAttributes},
                             {Py_tp_methods, kValueMethods},
                             {Py_tp_repr, slot(show_value)},
                             {0, nullptr}};
PyType_Spec kValueSpec{"prefork.shared.Value", sizeof(Shared), 0, Py_TPFLAGS_DEFAULT, kValueSlots};

// ---------------------------------------------------------------------------------------------------- the module

PyObject* wrap(PyTypeObject* type, shm::SharedEntry* entry, shm::SharedFailure failure) {
  if (entry == nullptr) return refuse(failure);
  auto* const object = PyObject_New(Shared, type);
  if (object != nullptr) object->entry = entry;
  return reinterpret_cast<PyObject*>(object);
}

bool take_name(const char* text, Py_ssize_t length, std::string& name) {
  name.assign(text, static_cast<std::size_t>(length));
  if (!name.empty() && name.size() <= shm::kLongestSharedName) return true;
  PyErr_Format(PyExc_ValueError, "a name has 1 to %zu bytes", shm::kLongestSharedName);
  return false;
}

PyObject* counter(PyObject*, PyObject* args) {
  static PyTypeObject* const type = new_type(kCounterSpec);
  const char* text = nullptr;
  Py_ssize_t length = 0;
  std::string name;
  if (PyArg_ParseTuple(args, "s#:counter", &text, &length) == 0 || !take_name(text, length, name)) return nullptr;
  auto failure = shm::SharedFailure::None;
  shm::SharedEntry* const entry = table->counter(name, failure);
  return wrap(type, entry, failure);
}

PyObject* value(PyObject*, PyObject* args, PyObject* options) {
  static PyTypeObject* const type = new_type(kValueSpec);
  static const char* const kNames[] = {"name", "size", nullptr};
  const char* text = nullptr;
  Py_ssize_t length = 0;
  unsigned int size = 256;
  std::string name;
  if (PyArg_ParseTupleAndKeywords(args, options, "s#|I:value", const_cast<char**>(kNames), &text, &length, &size) ==
          0 ||
      !take_name(text, length, name))
    return nullptr;
  if (size > (1U << 24)) {
    PyErr_SetString(PyExc_ValueError, "a value has 16 MiB at most");
    return nullptr;
  }
  auto failure = shm::SharedFailure::None;
  shm::SharedEntry* const entry = table->value(name, size, failure);
  return wrap(type, entry, failure);
}

PyMethodDef kFunctions[] = {
    {"counter", counter, METH_VARARGS, "counter(name): the Counter of that name, 0 when it is new"},
    {"value", with_keywords(value), METH_VARARGS | METH_KEYWORDS,
     "value(name, size=256): the Value of that name, for as many bytes at most"},
    {nullptr, nullptr, 0, nullptr},
};
PyModuleDef kModule{
    PyModuleDef_HEAD_INIT, "prefork._shared", nullptr, -1, kFunctions, nullptr, nullptr, nullptr, nullptr};

}  // namespace

bool prepare_shared(const wire::Settings& settings) {
  const auto number = settings.number("shared_fd", -1);
  if (number < 0) return true;
  if (table == nullptr) {
    const shm::UniqueFd fd(static_cast<int>(number));  // what is mapped needs it no more
    try {
      table = new shm::SharedTable(fd.get());
    } catch (const std::system_error& error) {
      PyErr_SetString(PyExc_OSError, error.what());
      return false;
    }
  }
  const PyRef module = PyRef::steal(PyModule_Create(&kModule));
  PyObject* const modules = PyImport_GetModuleDict();
  return module && PyDict_SetItemString(modules, "prefork._shared", module.get()) == 0;
}

}  // namespace prefork::bridge
