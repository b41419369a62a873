#include "python/bridge/header_names.hpp"

#include <array>
#include <cstdint>

#include "python/bridge/bytes.hpp"
#include "shm/wire/characters.hpp"
#include "shm/wire/frame.hpp"

namespace prefork::bridge {
namespace {

using wire::Name;

constexpr std::size_t kMostNameBytes = 0xffff;  // Field::name_length

Handling handling_of(Name id) {
  switch (id) {
    case Name::ContentLength: return Handling::Length;
    case Name::Connection: return Handling::Connection;
    case Name::KeepAlive:
    case Name::ProxyConnection:
    case Name::Te:
    case Name::TransferEncoding:
    case Name::Upgrade: return Handling::Drop;
    case Name::ProxyAuthenticate:
    case Name::ProxyAuthorization:
    case Name::Trailer: return Handling::Hop;
    default: return Handling::Pass;
  }
}

// By the object's address; the entry owns the object, so that the address cannot come to mean another one.
struct Entry {
  PyObject* name = nullptr;
  HeaderName known;
};
constexpr std::size_t kEntries = 256;
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
  if (PyBytes_Check(name)) {
    text = wire::as_text(bytes_of(name));
  } else if (!PyUnicode_Check(name) || !latin1_view(name, text)) {
    return false;
  }
  if (!wire::is_token(text) || text.size() > kMostNameBytes) return false;
  const Name id = wire::find_name(text);
  known = {text, id, handling_of(id)};
  if ((PyUnicode_CheckExact(name) || PyBytes_CheckExact(name)) && text.size() <= 64) {
    Py_INCREF(name);
    Py_XDECREF(entry.name);
    entry = {name, known};
  }
  return true;
}

}  // namespace prefork::bridge
