#include "python/bridge/wsgi/response.hpp"

#include "python/bridge/bytes.hpp"
#include "python/bridge/fields.hpp"
#include "python/bridge/header_names.hpp"

namespace prefork::bridge::wsgi {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

bool Response::start(PyObject* status, PyObject* headers, PyObject* exc_info) {
  if (exc_info != nullptr && exc_info != Py_None) {
    if (!PyTuple_Check(exc_info) || PyTuple_GET_SIZE(exc_info) != 3) {
      PyErr_SetString(PyExc_TypeError, "start_response: exc_info must be a tuple as sys.exc_info() returns it");
      return false;
    }
    if (exchange_->head_sent()) {
      // Too late to say anything else: the application's own error goes on, so that the reply is broken off.
      PyObject* const parts[] = {PyTuple_GET_ITEM(exc_info, 0), PyTuple_GET_ITEM(exc_info, 1),
                                 PyTuple_GET_ITEM(exc_info, 2)};
      for (PyObject* part : parts) Py_INCREF(part);
      if (parts[2] == Py_None) Py_DECREF(parts[2]);
      PyErr_Restore(parts[0], parts[1], parts[2] == Py_None ? nullptr : parts[2]);
      return false;
    }
  } else if (started_) {
    PyErr_SetString(PyExc_AssertionError, "start_response was called a second time without exc_info");
    return false;
  }
  drop_head();
  if (!take_status(status) || !take_headers(headers)) {
    drop_head();
    return false;
  }
  set_started();
  return true;
}

bool Response::take_status(PyObject* status) {
  if (!PyUnicode_Check(status)) {
    PyErr_Format(PyExc_TypeError, "start_response: the status must be a str such as '200 OK', not %.100s",
                 Py_TYPE(status)->tp_name);
    return false;
  }
  std::string_view text;
  const bool three =
      latin1_view(status, text) && text.size() >= 3 && is_digit(text[0]) && is_digit(text[1]) && is_digit(text[2]);
  if (!three || (text.size() > 3 && text[3] != ' ') || !is_field_value(text)) {
    PyErr_Format(PyExc_ValueError, "start_response: the status must look like '200 OK', not %.200R", status);
    return false;
  }
  status_ = static_cast<std::uint16_t>((text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0'));
  if (status_ < 200) {
    PyErr_Format(PyExc_ValueError, "start_response: %.200R is no final status; 1xx replies are sent by the server",
                 status);
    return false;
  }
  Py_INCREF(status);
  owned_.push_back(status);
  reason_ = text.size() > 4 ? text.substr(4) : std::string_view{};
  room_.clear();
  return room_.take(reason_);
}

bool Response::take_headers(PyObject* headers) {
  if (!PyList_Check(headers)) {
    PyErr_Format(PyExc_TypeError, "start_response: the headers must be a list of (name, value) tuples, not %.100s",
                 Py_TYPE(headers)->tp_name);
    return false;
  }
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(headers); ++i) {
    if (!take_header(PyList_GET_ITEM(headers, i))) return false;
  }
  return true;
}

bool Response::take_header(PyObject* item) {
  if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) != 2) {
    PyErr_Format(PyExc_TypeError, "start_response: a header must be a (name, value) tuple, not %.200R", item);
    return false;
  }
  PyObject* const name = PyTuple_GET_ITEM(item, 0);
  PyObject* const value = PyTuple_GET_ITEM(item, 1);
  if (!PyUnicode_Check(name) || !PyUnicode_Check(value)) {
    PyErr_Format(PyExc_TypeError, "start_response: a header's name and value must be str, not %.200R", item);
    return false;
  }
  HeaderName known;
  if (!known_header_name(name, known)) {
    PyErr_Format(PyExc_ValueError, "start_response: %.200R is no header name", name);
    return false;
  }
  std::string_view text;
  if (!latin1_view(value, text) || !is_field_value(text)) {
    PyErr_Format(PyExc_ValueError,
                 "start_response: the value of %.100R has characters that a header cannot carry: %.200R", name, value);
    return false;
  }
  switch (known.handling) {
    case Handling::Hop:
    case Handling::Drop: return true;
    case Handling::Connection: close_ |= lists_close(text); return true;
    case Handling::Length:
      if (length_known_) {  // twice: the same again is dropped, another one is a contradiction
        const auto before = left_;
        return take_length(text) &&
               (left_ == before ||
                (PyErr_SetString(PyExc_ValueError, "start_response: two different Content-Length headers"), false));
      }
      if (!take_length(text)) return false;
      break;
    case Handling::Pass: break;
  }
  const wire::ReplyField field{known.text, text, known.id};
  if (!room_.take(field)) return false;
  Py_INCREF(item);
  owned_.push_back(item);
  fields_.push_back(field);
  return true;
}

bool Response::take_length(std::string_view value) {
  if (!parse_length(value, left_)) {
    PyErr_SetString(PyExc_ValueError, "start_response: Content-Length must be a number");
    return false;
  }
  length_known_ = true;
  return true;
}

}  // namespace prefork::bridge::wsgi
