#include "python/bridge/fields.hpp"

#include <algorithm>
#include <charconv>

#include "python/bridge/bytes.hpp"
#include "python/bridge/header_names.hpp"
#include "shm/wire/characters.hpp"

namespace prefork::bridge {
namespace {

using wire::Name;

constexpr std::size_t kMostHeadBytes = 1000 * 1024;

// A header's name or value as it can be kept: bytes, or a copy of what else is one. Empty with the error set.
PyRef as_bytes(PyObject* object) {
  if (PyBytes_Check(object)) return PyRef::borrow(object);
  return is_bytes_like(object) ? PyRef::steal(PyBytes_FromObject(object)) : PyRef{};
}

}  // namespace

bool lists_close(std::string_view list) {
  bool close = false;
  wire::for_each_member(list, [&](std::string_view option) { close = close || wire::same_name(option, "close"); });
  return close;
}

bool parse_length(std::string_view text, std::uint64_t& length) {
  text = wire::trim(text);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

bool is_field_value(std::string_view text) { return std::all_of(text.begin(), text.end(), wire::is_value_char); }

bool HeadRoom::take(const wire::ReplyField& field) {
  return take_bytes(sizeof(wire::Field) + field.name.size() + field.value.size());
}

bool HeadRoom::take(std::string_view reason) { return take_bytes(reason.size()); }

bool HeadRoom::take_bytes(std::size_t bytes) {
  bytes_ += bytes;
  if (bytes_ <= kMostHeadBytes) return true;
  PyErr_SetString(PyExc_ValueError, "the headers are larger than 1000 KiB");
  return false;
}

void ReplyFields::clear() {
  fields_.clear();
  for (PyObject* object : owned_) Py_DECREF(object);
  owned_.clear();
  close_ = false;
  length_.reset();
  room_.clear();
}

bool ReplyFields::push(const wire::ReplyField& field) {
  if (!room_.take(field)) return false;
  fields_.push_back(field);
  return true;
}

void ReplyFields::keep(PyObject* object) {
  Py_INCREF(object);
  owned_.push_back(object);
}

bool ReplyFields::take(PyObject* headers) {
  const PyRef items = PyRef::steal(PySequence_Fast(headers, "headers must be an iterable of (name, value) pairs"));
  if (!items) return false;
  // The size is read each time: a list could change while a pair of a class of its own is looked at.
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.get()); ++i) {
    const PyRef item = PyRef::borrow(PySequence_Fast_GET_ITEM(items.get(), i));
    const PyRef pair = PyRef::steal(PySequence_Fast(item.get(), "a header must be a (name, value) pair"));
    if (!pair) return false;
    if (PySequence_Fast_GET_SIZE(pair.get()) != 2) {
      PyErr_Format(PyExc_ValueError, "a header must be a (name, value) pair, not %.200R", item.get());
      return false;
    }
    if (!take_pair(PySequence_Fast_GET_ITEM(pair.get(), 0), PySequence_Fast_GET_ITEM(pair.get(), 1))) return false;
  }
  return true;
}

bool ReplyFields::take_pair(PyObject* name, PyObject* value) {
  if (PyBytes_Check(name) && PyBytes_Check(value)) return take_known(name, value, wire::as_text(bytes_of(value)));
  const PyRef name_copy = as_bytes(name), value_copy = as_bytes(value);
  if (name_copy && value_copy)
    return take_known(name_copy.get(), value_copy.get(), wire::as_text(bytes_of(value_copy.get())));
  if (PyErr_Occurred() == nullptr)
    PyErr_Format(PyExc_TypeError, "a header's name and value must be bytes, not (%.100R, %.100R)", name, value);
  return false;
}

bool ReplyFields::add(PyObject* name, PyObject* value) {
  const bool is_name = PyUnicode_Check(name) || PyBytes_Check(name);
  if (!is_name || !(PyUnicode_Check(value) || PyBytes_Check(value))) {
    PyErr_Format(PyExc_TypeError, "a header's name and value must be str or bytes, not (%.100R, %.100R)", name, value);
    return false;
  }
  if (PyBytes_Check(value)) return take_known(name, value, wire::as_text(bytes_of(value)));
  std::string_view text;
  if (latin1_view(value, text)) return take_known(name, value, text);
  return refuse_value(name, value);
}

bool ReplyFields::add_all(PyObject* headers) {
  const PyRef items = PyRef::steal(PySequence_Tuple(headers));
  for (Py_ssize_t i = 0; items && i < PyTuple_GET_SIZE(items.get()); ++i) {
    PyObject* const item = PyTuple_GET_ITEM(items.get(), i);
    const PyRef pair = PyRef::steal(PySequence_Tuple(item));
    if (!pair) return false;
    if (PyTuple_GET_SIZE(pair.get()) != 2) {
      PyErr_Format(PyExc_ValueError, "a header must be a (name, value) pair, not %.200R", item);
      return false;
    }
    if (!add(PyTuple_GET_ITEM(pair.get(), 0), PyTuple_GET_ITEM(pair.get(), 1))) return false;
  }
  return bool(items);
}

bool ReplyFields::refuse_value(PyObject* name, PyObject* value) {
  PyErr_Format(PyExc_ValueError, "the value of %.100R has characters that a header cannot carry: %.200R", name, value);
  return false;
}

bool ReplyFields::take_known(PyObject* name, PyObject* value, std::string_view text) {
  HeaderName known;
  if (!known_header_name(name, known)) {
    PyErr_Format(PyExc_ValueError, "%.200R is no header name", name);
    return false;
  }
  if (!is_field_value(text)) return refuse_value(name, value);
  switch (known.handling) {
    case Handling::Drop: return true;
    case Handling::Connection: close_ |= lists_close(text); return true;
    case Handling::Length: {
      std::uint64_t length = 0;
      if (!parse_length(text, length) || (length_ && *length_ != length)) {
        PyErr_Format(
            PyExc_ValueError,
            length_ ? "two different Content-Length headers: %.100R" : "Content-Length must be a number, not %.100R",
            value);
        return false;
      }
      if (length_) return true;  // the same again
      length_ = length;
      break;
    }
    case Handling::Hop:
    case Handling::Pass: break;
  }
  keep(name);
  keep(value);
  return push({known.text, text, known.id});
}

bool ReplyFields::has(Name id) const {
  return std::any_of(fields_.begin(), fields_.end(), [id](const wire::ReplyField& field) { return field.id == id; });
}

bool ReplyFields::take_value(std::string_view name, Name id, PyObject* value) {
  if (!PyBytes_Check(value) || !is_field_value(wire::as_text(bytes_of(value)))) {
    PyErr_Format(PyExc_ValueError, "%.200R is no value of a header", value);
    return false;
  }
  keep(value);
  return push({name, wire::as_text(bytes_of(value)), id});
}

}  // namespace prefork::bridge
