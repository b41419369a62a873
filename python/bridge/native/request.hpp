// A request as an application sees it: an object whose attributes look into the request's record when they are asked for. One that
// outlives its request keeps what the head said; its body is gone then. GIL held.
#pragma once

#include <memory>
#include <vector>

#include "python/bridge/native/port.hpp"
#include "python/bridge/ref.hpp"

namespace prefork::bridge::native {

struct RequestObject {
  PyObject_HEAD const wire::RequestView* view;  // never null
  Port* port;                                   // null once the request is over
  asgi::Conversation* conversation;             // on an event loop: kept
  struct Copy* copy;                            // on a thread: of the head, when the object outlives the request
  PyObject* path;                               // these are made when they are asked for
  PyObject* body;
  PyObject* params;
  PyObject* state;
  bool tracked;  // by the garbage collector: only an object that has something of the application's can be in a cycle
};

inline RequestObject* as_request(PyObject* self) { return reinterpret_cast<RequestObject*>(self); }

// prefork.Request, and what RSGI calls a scope. `conversation` may be null. Empty with the error set.
PyRef new_request(Port& port, asgi::Conversation* conversation);
PyRef new_scope(Port& port, asgi::Conversation* conversation);

// On a thread an object serves request after request as long as the application keeps none: end_request() says whether it can.
void begin_request(PyObject* request, Port& port);
[[nodiscard]] bool end_request(PyObject* self);

// Attributes that Request and Scope share.
PyObject* request_method(PyObject* self, void*);
PyObject* request_path(PyObject* self, void*);
PyObject* request_query(PyObject* self, void*);
PyObject* request_headers(PyObject* self, void*);
PyObject* request_scheme(PyObject* self, void*);
PyObject* request_http_version(PyObject* self, void*);
PyRef make_request(PyTypeObject* type, Port& port, asgi::Conversation* conversation);
PyTypeObject* make_request_type(const char* name, PyGetSetDef* attributes);

}  // namespace prefork::bridge::native
