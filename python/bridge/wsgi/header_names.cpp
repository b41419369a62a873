#include "python/bridge/wsgi/header_names.hpp"

#include <array>
#include <cstdint>

#include "python/bridge/bytes.hpp"

namespace prefork::bridge::wsgi {
namespace {

using wire::Name;

constexpr auto kTokenCharacters = [] {
  std::array<bool, 256> table{};
  for (const char c :
       std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")) {
    table[static_cast<unsigned char>(c)] = true;
  }
  return table;
}();

bool is_token(std::string_view text) {
  for (const char c : text) {
    if (!kTokenCharacters[static_cast<unsigned char>(c)]) return false;
  }
  return !text.empty();
}

Handling handling_of(Name id) {
  switch (id) {
    case Name::ContentLength: return Handling::Length;
    case Name::Connection: return Handling::Connection;
    case Name::KeepAlive:
    case Name::ProxyAuthenticate:
    case Name::ProxyAuthorization:
    case Name::ProxyConnection:
    case Name::Te:
    case Name::Trailer:
    case Name::TransferEncoding:
    case Name::Upgrade: return Handling::Drop;
    default: return Handling::Pass;
  }
}

// By the object's address; the entry owns the object, so that the address cannot come to mean another one.
struct Entry {
  PyObject* name = nullptr;
  HeaderName known;
};
constexpr std::size_t kEntries = 128;
std::array<Entry, kEntries> entries;

std::size_t place(const PyObject* name) {
  const auto address = reinterpret_cast<std::uintptr_t>(name) >> 4;
  return (address ^ (address >> 7)) % kEntries;
}

}  // namespace

bool known_header_name(PyObject* name, HeaderName& known) {
  Entry& entry = entries[place(name)];
  if (entry.name == name) {
    known = entry.known;
    return true;
  }
  std::string_view text;
  if (!latin1_view(name, text) || !is_token(text)) return false;
  const Name id = wire::find_name(text);
  known = {text, id, handling_of(id)};
  if (PyUnicode_CheckExact(name) && text.size() <= 64) {
    Py_INCREF(name);
    Py_XDECREF(entry.name);
    entry = {name, known};
  }
  return true;
}

}  // namespace prefork::bridge::wsgi
