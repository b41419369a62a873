// Text between the wire (bytes) and Python: "bytes in str", that is latin-1, as PEP 3333 wants it, and bytes objects.
#pragma once

#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "python/bridge/ref.hpp"

namespace prefork::bridge {

inline PyRef latin1(std::string_view text) {
  return PyRef::steal(PyUnicode_DecodeLatin1(text.data(), static_cast<Py_ssize_t>(text.size()), nullptr));
}
inline PyRef utf8(std::string_view text) {
  return PyRef::steal(PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "surrogateescape"));
}
inline PyRef new_bytes(std::string_view text) {
  return PyRef::steal(PyBytes_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size())));
}

inline std::span<const std::byte> bytes_of(PyObject* bytes) {
  return {reinterpret_cast<const std::byte*>(PyBytes_AS_STRING(bytes)),
          static_cast<std::size_t>(PyBytes_GET_SIZE(bytes))};
}

// What applications may give where bytes are wanted.
inline bool is_bytes_like(PyObject* object) {
  return PyBytes_Check(object) || PyByteArray_Check(object) || PyMemoryView_Check(object);
}

// The characters of a str that has latin-1 characters only, in place; false when it has others. Any str that was made by the
// interpreter is "ready" (3.12 has no other kind).
[[nodiscard]] inline bool latin1_view(PyObject* text, std::string_view& view) {
#if PY_VERSION_HEX < 0x030C0000
  if (PyUnicode_READY(text) != 0) {
    PyErr_Clear();
    return false;
  }
#endif
  if (PyUnicode_KIND(text) != PyUnicode_1BYTE_KIND) return false;
  view = {reinterpret_cast<const char*>(PyUnicode_1BYTE_DATA(text)),
          static_cast<std::size_t>(PyUnicode_GET_LENGTH(text))};
  return true;
}

// Whether a str of ours (always latin-1) holds these bytes: cheaper than making another one.
inline bool holds(PyObject* text, std::string_view bytes) {
  return text != nullptr && static_cast<std::size_t>(PyUnicode_GET_LENGTH(text)) == bytes.size() &&
         std::memcmp(PyUnicode_1BYTE_DATA(text), bytes.data(), bytes.size()) == 0;
}

// The text of a str as UTF-8 with what cannot be encoded escaped; never fails, leaves no error set.
std::string printable(PyObject* text);

}  // namespace prefork::bridge
