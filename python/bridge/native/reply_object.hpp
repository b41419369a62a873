// The reply as an application sees it: status and headers to be set until the first byte goes out, write() and file(). GIL held.
#pragma once

#include "python/bridge/native/port.hpp"
#include "python/bridge/ref.hpp"

namespace prefork::bridge::native {

// `conversation` may be null; it is kept. Empty with the error set.
PyRef new_reply(Port& port, asgi::Conversation* conversation);

// On a thread an object serves request after request, as long as the application keeps none.
void begin_reply(PyObject* reply, Port& port);
[[nodiscard]] bool end_reply(PyObject* reply);

}  // namespace prefork::bridge::native
