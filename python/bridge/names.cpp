#include "python/bridge/names.hpp"

#include <stdexcept>
#include <string>

#include "python/bridge/bytes.hpp"

namespace prefork::bridge {
namespace {

PyRef required(PyRef object) {
  if (!object) throw std::runtime_error("Python has no memory for its names");
  return object;
}

PyRef intern(std::string_view text) {
  return required(PyRef::steal(PyUnicode_InternFromString(std::string(text).c_str())));
}

}  // namespace

bool environ_key(std::string_view header_name, std::string& key) {
  key.assign("HTTP_");
  for (const char c : header_name) key += c == '-' ? '_' : (c >= 'a' && c <= 'z' ? static_cast<char>(c - 0x20) : c);
  return key != "HTTP_PROXY" && key != "HTTP_CONTENT_LENGTH" && key != "HTTP_CONTENT_TYPE";
}

Names::Names() {
  std::string key;
  for (std::size_t id = 1; id < kNameCount; ++id) {
    const auto text = wire::kNameTexts[id];
    lower_[id] = required(new_bytes(text));
    if (bridge::environ_key(text, key)) environ_[id] = intern(key);
  }
  environ_[static_cast<std::size_t>(wire::Name::ContentType)] = intern("CONTENT_TYPE");
  environ_[static_cast<std::size_t>(wire::Name::ContentLength)] = intern("CONTENT_LENGTH");
  for (std::size_t id = 1; id < methods_.size(); ++id) methods_[id] = intern(wire::kMethodTexts[id]);
}

const Names& names() {
  // Never destroyed: the interpreter is gone before static objects are.
  static const Names* const table = new Names();
  return *table;
}

PyObject* interned(const char* text) { return intern(text).release(); }

}  // namespace prefork::bridge
