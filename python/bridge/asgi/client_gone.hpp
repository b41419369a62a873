// What an application meets when it talks to a client that is gone, and how that error is known again later: an OSError of the
// application's own, which may come at the same time, is to be logged. GIL held.
#pragma once

#include <Python.h>

namespace prefork::bridge::asgi {

// Sets an error of this type (an OSError), marked.
void raise_client_gone(PyObject* type, const char* text);

// Whether the error that is set is a marked one, or what the application and its libraries made of such a one: raised from it, or while
// it was handled. Of a group every member must be.
bool began_with_client_gone();

}  // namespace prefork::bridge::asgi
