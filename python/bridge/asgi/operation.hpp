// The receive and send that an application is called with, and what calling them returns: an awaitable that does its work when it is
// awaited, completes without suspending when it can, and otherwise waits for a future of the event loop. GIL held.
#pragma once

#include "python/bridge/asgi/conversation.hpp"
#include "python/bridge/ref.hpp"

namespace prefork::bridge::asgi {

// Made once, before the first request. Tells asyncio that the awaitables may be used where it wants coroutines. False with the error set.
[[nodiscard]] bool prepare_operations();

// One awaitable as calling them gives it: for Conversation::try_receive(what), or for a message to send. Empty with the error set.
PyRef new_receiving(Conversation& conversation, unsigned what);
PyRef new_sending(Conversation& conversation, PyObject* message);

// Empty with the error set.
PyRef new_receive(Conversation& conversation);
PyRef new_send(Conversation& conversation);

}  // namespace prefork::bridge::asgi
