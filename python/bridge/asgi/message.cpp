#include "python/bridge/asgi/message.hpp"

#include <string>

#include "python/bridge/names.hpp"

namespace prefork::bridge::asgi {

std::optional<std::string_view> message_type(PyObject* message) {
  static PyObject* const kType = interned("type");
  if (!PyDict_Check(message)) {
    PyErr_Format(PyExc_TypeError, "a message must be a dict, not %.200R", message);
    return std::nullopt;
  }
  PyObject* const type = PyDict_GetItemWithError(message, kType);
  if (type == nullptr || !PyUnicode_Check(type)) {
    if (PyErr_Occurred() == nullptr) PyErr_Format(PyExc_ValueError, "a message must have a type: %.200R", message);
    return std::nullopt;
  }
  Py_ssize_t length = 0;
  const char* const text = PyUnicode_AsUTF8AndSize(type, &length);
  if (text == nullptr) return std::nullopt;
  return std::string_view(text, static_cast<std::size_t>(length));
}

PyObject* message_get(PyObject* message, PyObject* key) {
  PyObject* const value = PyDict_GetItemWithError(message, key);
  return value == Py_None ? nullptr : value;
}

std::optional<bool> message_flag(PyObject* message, PyObject* key) {
  PyObject* const value = message_get(message, key);
  if (value == nullptr) return PyErr_Occurred() == nullptr ? std::optional(false) : std::nullopt;
  const int truth = PyObject_IsTrue(value);
  return truth < 0 ? std::nullopt : std::optional(truth == 1);
}

bool unexpected_message(std::string_view type, const char* why) {
  PyErr_SetString(PyExc_RuntimeError,
                  std::string("Unexpected ASGI message '").append(type).append("': ").append(why).c_str());
  return false;
}

}  // namespace prefork::bridge::asgi
