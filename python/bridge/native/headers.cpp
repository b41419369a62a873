#include "python/bridge/native/headers.hpp"

#include <algorithm>
#include <string>

#include "python/bridge/bytes.hpp"
#include "python/bridge/names.hpp"
#include "python/bridge/type.hpp"
#include "shm/wire/characters.hpp"

namespace prefork::bridge::native {
namespace {

struct Headers {
  PyObject_HEAD RequestObject* request;  // kept
};

const wire::RequestView& view_of(PyObject* self) { return *reinterpret_cast<Headers*>(self)->request->view; }

// The first field of that name at or after `from`; the count of fields when there is none.
std::size_t find(const wire::RequestView& view, std::string_view name, wire::Name id, std::size_t from) {
  const std::size_t count = view.head().field_count;
  for (; from < count; ++from) {
    const auto field = view.field(from);
    if (id != wire::Name::Unknown ? field.name_id == static_cast<std::uint16_t>(id)
                                  : field.name_id == 0 && wire::same_name(view.name(field), name))
      break;
  }
  return from;
}

// A name in a str or bytes object; false, with no error set, when no field can have it.
bool name_of(PyObject* key, std::string_view& name) {
  if (PyBytes_Check(key)) {
    name = wire::as_text(bytes_of(key));
    return true;
  }
  return PyUnicode_Check(key) && latin1_view(key, name);
}

PyRef value_at(const wire::RequestView& view, std::size_t index) { return latin1(view.value(view.field(index))); }

PyRef name_at(const wire::RequestView& view, std::size_t index) {
  const auto field = view.field(index);
  return latin1(wire::lowered(view.name(field)));
}

bool is_first(const wire::RequestView& view, std::size_t index) {
  const auto field = view.field(index);
  return find(view, view.name(field), static_cast<wire::Name>(field.name_id), 0) == index;
}

// Null without an error when there is none.
PyObject* first_value(PyObject* self, PyObject* key) {
  std::string_view name;
  if (!name_of(key, name)) return nullptr;
  const auto& view = view_of(self);
  const auto at = find(view, name, wire::find_name(name), 0);
  return at < view.head().field_count ? value_at(view, at).release() : nullptr;
}

PyObject* subscript(PyObject* self, PyObject* key) {
  PyObject* const value = first_value(self, key);
  if (value == nullptr && PyErr_Occurred() == nullptr) PyErr_SetObject(PyExc_KeyError, key);
  return value;
}

int contains(PyObject* self, PyObject* key) {
  std::string_view name;
  if (!name_of(key, name)) return 0;
  const auto& view = view_of(self);
  return find(view, name, wire::find_name(name), 0) < view.head().field_count ? 1 : 0;
}

Py_ssize_t length(PyObject* self) {
  const auto& view = view_of(self);
  Py_ssize_t names = 0;
  for (std::size_t i = 0; i < view.head().field_count; ++i) names += is_first(view, i) ? 1 : 0;
  return names;
}

PyObject* get(PyObject* self, PyObject* args, PyObject* options) {
  static const char* const kNames[] = {"name", "default", nullptr};
  PyObject *key = nullptr, *otherwise = Py_None;
  if (PyArg_ParseTupleAndKeywords(args, options, "O|O:get", const_cast<char**>(kNames), &key, &otherwise) == 0)
    return nullptr;
  PyObject* const value = first_value(self, key);
  if (value != nullptr || PyErr_Occurred() != nullptr) return value;
  Py_INCREF(otherwise);
  return otherwise;
}

PyObject* get_all(PyObject* self, PyObject* key) {
  PyRef list = PyRef::steal(PyList_New(0));
  std::string_view name;
  if (!list || !name_of(key, name)) return list.release();
  const auto& view = view_of(self);
  const auto id = wire::find_name(name);
  for (auto at = find(view, name, id, 0); at < view.head().field_count; at = find(view, name, id, at + 1)) {
    const PyRef value = value_at(view, at);
    if (!value || PyList_Append(list.get(), value.get()) != 0) return nullptr;
  }
  return list.release();
}

// A list of what `make` gives for each field that it wants.
template <class Make>
PyObject* listed(PyObject* self, Make&& make) {
  const auto& view = view_of(self);
  PyRef list = PyRef::steal(PyList_New(0));
  for (std::size_t i = 0; list && i < view.head().field_count; ++i) {
    const PyRef item = make(view, i);
    if (!item && PyErr_Occurred() == nullptr) continue;
    if (!item || PyList_Append(list.get(), item.get()) != 0) return nullptr;
  }
  return list.release();
}

PyObject* keys(PyObject* self, PyObject*) {
  return listed(self, [](const auto& view, std::size_t i) { return is_first(view, i) ? name_at(view, i) : PyRef{}; });
}
PyObject* values(PyObject* self, PyObject*) { return listed(self, value_at); }
PyObject* items(PyObject* self, PyObject*) {
  return listed(self, [](const auto& view, std::size_t i) {
    const PyRef name = name_at(view, i), value = name ? value_at(view, i) : PyRef{};
    return value ? PyRef::steal(PyTuple_Pack(2, name.get(), value.get())) : PyRef{};
  });
}

PyObject* iterate(PyObject* self) {
  const PyRef names = PyRef::steal(keys(self, nullptr));
  return names ? PyObject_GetIter(names.get()) : nullptr;
}

PyObject* represent(PyObject* self) {
  const PyRef all = PyRef::steal(items(self, nullptr));
  return all ? PyUnicode_FromFormat("Headers(%R)", all.get()) : nullptr;
}

void dealloc(PyObject* self) {
  Py_DECREF(reinterpret_cast<PyObject*>(reinterpret_cast<Headers*>(self)->request));
  plain_dealloc(self);
}

PyMethodDef kMethods[] = {
    {"get", with_keywords(get), METH_VARARGS | METH_KEYWORDS, "get(name, default=None): the first value of that name"},
    {"get_all", get_all, METH_O, "get_all(name): a list of the values of that name"},
    {"keys", keys, METH_NOARGS, "a list of the names, each once"},
    {"values", values, METH_NOARGS, "a list of all values"},
    {"items", items, METH_NOARGS, "a list of all (name, value) pairs"},
    {nullptr, nullptr, 0, nullptr},
};
PyType_Slot kSlots[] = {
    {Py_tp_dealloc, slot(dealloc)},     {Py_tp_methods, kMethods},
    {Py_tp_iter, slot(iterate)},        {Py_tp_repr, slot(represent)},
    {Py_mp_subscript, slot(subscript)}, {Py_mp_length, slot(length)},
    {Py_sq_contains, slot(contains)},   {0, nullptr},
};
PyType_Spec kSpec{"prefork.Headers", sizeof(Headers), 0, Py_TPFLAGS_DEFAULT, kSlots};

}  // namespace

PyRef new_headers(RequestObject& request) {
  static PyTypeObject* const type = new_type(kSpec);
  auto* const headers = PyObject_New(Headers, type);
  if (headers == nullptr) return {};
  Py_INCREF(reinterpret_cast<PyObject*>(&request));
  headers->request = &request;
  return PyRef::steal(reinterpret_cast<PyObject*>(headers));
}

}  // namespace prefork::bridge::native
