// The header names of replies: checked and looked up once an object, because applications use the same few constants again and again.
#pragma once

#include <string_view>

#include "python/bridge/ref.hpp"
#include "shm/wire/names.hpp"

namespace prefork::bridge {

// What the server does with a field of that name.
enum class Handling : std::uint8_t {
  Pass,
  Drop,        // how a message is framed and how long a connection lives is between the server and the client
  Hop,         // hop-by-hop too: dropped for WSGI (PEP 3333, "Other HTTP Features"), passed for the others
  Connection,  // only "close" of it is honoured
  Length,
};

struct HeaderName {
  std::string_view text;
  wire::Name id = wire::Name::Unknown;
  Handling handling = Handling::Pass;
};

// False, with no error set, when the str or bytes object is no field name (RFC 9110 5.1), or one too long for
// a record.
[[nodiscard]] bool known_header_name(PyObject* name, HeaderName& known);

}  // namespace prefork::bridge
