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

// isinstance(object, collections.abc.Coroutine) for objects of a type of ours. False with the error set.
[[nodiscard]] bool register_coroutine(PyTypeObject* type);

#if PY_VERSION_HEX < 0x030A0000
enum PySendResult { PYGEN_RETURN = 0, PYGEN_ERROR = -1, PYGEN_NEXT = 1 };
#endif
// One step of any iterator or coroutine: PyIter_Send, which older versions of Python do not have. There the value is lost: None.
PySendResult iter_send(PyObject* iterator, PyObject** result);
// The error that is set, or none, is the end of an iteration: clears it. False when it is another error.
[[nodiscard]] bool take_stop_iteration(PyObject** value);

}  // namespace prefork::bridge::asgi
