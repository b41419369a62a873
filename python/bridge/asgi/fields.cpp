#include "python/bridge/asgi/fields.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "python/bridge/bytes.hpp"

namespace prefork::bridge::asgi {
namespace {

using wire::Name;

enum class Handling : std::uint8_t { Pass, Drop, Connection, Length };

constexpr auto kTokenCharacters = [] {
  std::array<bool, 256> table{};
  for (const char c :
       std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")) {
    table[static_cast<unsigned char>(c)] = true;
  }
  return table;
}();

bool is_token(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return kTokenCharacters[static_cast<unsigned char>(c)]; });
}

// How a message is framed and how long a connection lives is between the server and the client. Trailer passes: it only announces.
Handling handling_of(Name id) {
  switch (id) {
    case Name::ContentLength: return Handling::Length;
    case Name::Connection: return Handling::Connection;
    case Name::KeepAlive:
    case Name::ProxyConnection:
    case Name::Te:
    case Name::TransferEncoding:
    case Name::Upgrade: return Handling::Drop;
    default: return Handling::Pass;
  }
}

struct KnownName {
  std::string_view text;
  Name id = Name::Unknown;
  Handling handling = Handling::Pass;
};

// Applications use the same constants again and again: a name is checked and looked up once an object. The entry owns the object, so
// that its address cannot come to mean another one.
struct Entry {
  PyObject* name = nullptr;
  KnownName known;
};
constexpr std::size_t kEntries = 128;
std::array<Entry, kEntries> entries;

bool known_name(PyObject* name, KnownName& known) {
  const auto address = reinterpret_cast<std::uintptr_t>(name) >> 4;
  Entry& entry = entries[(address ^ (address >> 7)) % kEntries];
  if (entry.name == name) {
    known = entry.known;
    return true;
  }
  const auto text = wire::as_text(bytes_of(name));
  if (!is_token(text)) return false;
  const Name id = wire::find_name(text);
  known = {text, id, handling_of(id)};
  if (PyBytes_CheckExact(name) && text.size() <= 64) {
    Py_INCREF(name);
    Py_XDECREF(entry.name);
    entry = {name, known};
  }
  return true;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool lists_close(std::string_view list) {
  constexpr std::string_view kClose = "close";
  while (!list.empty()) {
    const auto part = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), part.size() + 1));
    const auto token = trimmed(part);
    if (std::equal(token.begin(), token.end(), kClose.begin(), kClose.end(),
                   [](char a, char b) { return (a | 0x20) == b; }))
      return true;
  }
  return false;
}

bool parse_length(std::string_view text, std::uint64_t& length) {
  text = trimmed(text);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

}  // namespace

bool is_field_value(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; });
}

void ReplyFields::clear() {
  fields_.clear();
  for (PyObject* object : owned_) Py_DECREF(object);
  owned_.clear();
  close_ = false;
  length_.reset();
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
  if (!PyBytes_Check(name) || !PyBytes_Check(value)) {
    PyErr_Format(PyExc_TypeError, "a header's name and value must be bytes, not (%.100R, %.100R)", name, value);
    return false;
  }
  KnownName known;
  if (!known_name(name, known)) {
    PyErr_Format(PyExc_ValueError, "%.200R is no header name", name);
    return false;
  }
  const auto text = wire::as_text(bytes_of(value));
  if (!is_field_value(text)) {
    PyErr_Format(PyExc_ValueError, "the value of %.100R has characters that a header cannot carry: %.200R", name,
                 value);
    return false;
  }
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
    case Handling::Pass: break;
  }
  keep(name);
  keep(value);
  fields_.push_back({known.text, text, known.id});
  return true;
}

bool ReplyFields::take_value(std::string_view name, Name id, PyObject* value) {
  if (!PyBytes_Check(value) || !is_field_value(wire::as_text(bytes_of(value)))) {
    PyErr_Format(PyExc_ValueError, "%.200R is no value of a header", value);
    return false;
  }
  keep(value);
  fields_.push_back({name, wire::as_text(bytes_of(value)), id});
  return true;
}

}  // namespace prefork::bridge::asgi
