// Interned Python names by header id, made once: a known name is never hashed, decoded or allocated while requests are served.
#pragma once

#include <array>
#include <string_view>

#include "python/bridge/ref.hpp"
#include "shm/wire/names.hpp"

namespace prefork::bridge {

inline constexpr std::size_t kNameCount = static_cast<std::size_t>(wire::Name::kCount);

// The key of a WSGI environ for a header name that is not in the table: "HTTP_X_NAME". False for names that must never reach an
// environ under this spelling: Proxy (a CGI library reads HTTP_PROXY as its own setting), and what poses as Content-Type or -Length.
[[nodiscard]] bool environ_key(std::string_view header_name, std::string& key);

class Names {
 public:
  // Throws std::runtime_error when Python refuses (out of memory).
  Names();

  // "HTTP_ACCEPT", "CONTENT_TYPE"; null for a name that an environ never has.
  PyObject* environ_key(std::uint16_t id) const { return environ_[id].get(); }
  // b"accept"
  PyObject* lower_bytes(std::uint16_t id) const { return lower_[id].get(); }
  // "GET"
  PyObject* method(wire::Method method) const { return methods_[static_cast<std::size_t>(method)].get(); }

 private:
  std::array<PyRef, kNameCount> environ_;
  std::array<PyRef, kNameCount> lower_;
  std::array<PyRef, static_cast<std::size_t>(wire::Method::kCount)> methods_;
};

// The process's one table; made at the first call, with the GIL held.
const Names& names();

// An interned str, kept for as long as the process lives.
PyObject* interned(const char* text);

}  // namespace prefork::bridge
