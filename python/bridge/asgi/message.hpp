// Reading the messages that an application sends: dicts with a type. GIL held.
#pragma once

#include <optional>
#include <string_view>

#include "python/bridge/ref.hpp"

namespace prefork::bridge::asgi {

// The message's type, a view into an object that the message owns. Nothing with the error set when it is no message.
std::optional<std::string_view> message_type(PyObject* message);

// A value, borrowed; null without an error when the key is missing or None, null with the error set when it cannot be read.
PyObject* message_get(PyObject* message, PyObject* key);

// A flag that is false when missing. Nothing with the error set.
std::optional<bool> message_flag(PyObject* message, PyObject* key);

// The error for a message that must not come now, or never; false.
bool unexpected_message(std::string_view type, const char* why);

}  // namespace prefork::bridge::asgi
