#include "python/bridge/wsgi/response.hpp"

#include <algorithm>
#include <charconv>

#include "python/bridge/bytes.hpp"
#include "python/bridge/wsgi/header_names.hpp"

namespace prefork::bridge::wsgi {
namespace {

using wire::Name;

// No client takes more, and the master would have to keep it.
constexpr std::size_t kLargestHead = 256 * 1024;

// RFC 9110 5.5: visible characters, spaces, tabs and obs-text. CR, LF and NUL would let a value write lines of its own.
bool plain_text(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; });
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool token_listed(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    auto part = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), part.size() + 1));
    while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
    while (!part.empty() && part.back() == ' ') part.remove_suffix(1);
    if (part.size() == token.size() &&
        std::equal(part.begin(), part.end(), token.begin(), [](char a, char b) { return (a | 0x20) == b; }))
      return true;
  }
  return false;
}

}  // namespace

void Response::begin(worker::Exchange& exchange) {
  exchange_ = &exchange;
  head_request_ = exchange.request().head().method == static_cast<std::uint8_t>(wire::Method::HEAD);
  status_ = 0;
  started_ = bodiless_ = close_ = length_known_ = gone_ = cut_ = false;
  left_ = 0;
}

void Response::finish() {
  exchange_ = nullptr;
  drop_reply();
}

void Response::drop_reply() {
  fields_.clear();
  reason_ = {};
  for (PyObject* object : owned_) Py_DECREF(object);
  owned_.clear();
  close_ = length_known_ = started_ = false;
  left_ = 0;
}

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
  drop_reply();
  if (!take_status(status) || !take_headers(headers)) {
    drop_reply();
    return false;
  }
  started_ = true;
  bodiless_ = head_request_ || status_ == 204 || status_ == 304;
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
  if (!three || (text.size() > 3 && text[3] != ' ') || !plain_text(text)) {
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
  return true;
}

bool Response::take_headers(PyObject* headers) {
  if (!PyList_Check(headers)) {
    PyErr_Format(PyExc_TypeError, "start_response: the headers must be a list of (name, value) tuples, not %.100s",
                 Py_TYPE(headers)->tp_name);
    return false;
  }
  std::size_t bytes = 0;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(headers); ++i) {
    if (!take_header(PyList_GET_ITEM(headers, i))) return false;
  }
  for (const auto& field : fields_) bytes += field.name.size() + field.value.size();
  if (bytes <= kLargestHead) return true;
  PyErr_Format(PyExc_ValueError, "start_response: the headers are %zu bytes long, the most is %zu", bytes,
               kLargestHead);
  return false;
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
  if (!latin1_view(value, text) || !plain_text(text)) {
    PyErr_Format(PyExc_ValueError,
                 "start_response: the value of %.100R has characters that a header cannot carry: %.200R", name, value);
    return false;
  }
  switch (known.handling) {
    case Handling::Drop: return true;
    case Handling::Connection: close_ |= token_listed(text, "close"); return true;
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
  Py_INCREF(item);
  owned_.push_back(item);
  fields_.push_back({known.text, text, known.id});
  return true;
}

bool Response::take_length(std::string_view value) {
  while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  while (!value.empty() && value.back() == ' ') value.remove_suffix(1);
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), left_);
  if (error != std::errc{} || end != value.data() + value.size() || value.empty() || !is_digit(value.front())) {
    PyErr_SetString(PyExc_ValueError, "start_response: Content-Length must be a number");
    return false;
  }
  length_known_ = true;
  return true;
}

void Response::announce(std::uint64_t length) {
  if (length_known_ || exchange_->head_sent() || status_ == 204 || status_ == 304) return;
  const auto [end, error] = std::to_chars(length_text_.data(), length_text_.data() + length_text_.size(), length);
  (void)error;
  fields_.push_back({"Content-Length",
                     {length_text_.data(), static_cast<std::size_t>(end - length_text_.data())},
                     Name::ContentLength});
  length_known_ = true;
  left_ = length;
}

worker::Sent Response::send_head(std::span<const std::byte> body, bool last) {
  const worker::Reply reply{status_, static_cast<std::uint8_t>(close_ ? wire::kReplyClose : 0), reason_, fields_};
  return exchange_->send_head(reply, body, last);
}

Response::Pushed Response::push(std::span<const std::byte> block, bool last) {
  if (!started_) {
    PyErr_SetString(PyExc_RuntimeError, "the application did not call start_response before its body");
    return Pushed::Error;
  }
  if (gone_) return Pushed::Gone;
  const bool something = !block.empty();
  if (bodiless_) {
    block = {};
    last |= something;  // nothing but the head is sent, and from here on it cannot change
  } else if (length_known_) {
    if (block.size() > left_) {
      cut_ = true;
      block = block.first(left_);
    }
    left_ -= block.size();
    if (something || last) last = left_ == 0;  // short at the end: end() breaks it off
  }
  if (exchange_->ended() || (!something && !last)) return Pushed::Ok;
  const auto sent = exchange_->head_sent() ? exchange_->send_body(block, last) : send_head(block, last);
  gone_ = sent == worker::Sent::Gone;
  return gone_ ? Pushed::Gone : Pushed::Ok;
}

bool Response::push_file(int fd, std::uint64_t offset, std::uint64_t length) {
  if (bodiless_ || gone_ || exchange_->ended() || exchange_->head_sent() || length == 0) return false;
  const auto take = length_known_ ? std::min(length, left_) : length;
  if (take == 0) return false;
  announce(take);
  if (send_head({}, false) == worker::Sent::Gone) {
    gone_ = true;
    return true;
  }
  const bool last = take == left_;
  const auto sent = exchange_->send_file(fd, offset, take, last);
  if (!sent) return false;
  left_ -= take;
  gone_ = *sent == worker::Sent::Gone;
  return true;
}

Response::Ended Response::end() {
  if (gone_) return Ended::Gone;
  if (exchange_->ended()) return Ended::Whole;
  if (length_known_ && !bodiless_ && left_ != 0) return Ended::Short;
  if (exchange_->head_sent()) {
    gone_ = exchange_->send_body({}, true) == worker::Sent::Gone;
  } else {
    gone_ = send_head({}, true) == worker::Sent::Gone;
  }
  return gone_ ? Ended::Gone : Ended::Whole;
}

}  // namespace prefork::bridge::wsgi
