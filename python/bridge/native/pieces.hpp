// A request's body in pieces as they arrive: an iterator on a thread, an asynchronous one on an event loop. GIL held.
#pragma once

#include "python/bridge/ref.hpp"

namespace prefork::bridge::native {

// Keeps the request object. Empty with the error set.
PyRef new_pieces(PyObject* request);

}  // namespace prefork::bridge::native
