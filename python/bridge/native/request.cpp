#include "python/bridge/native/request.hpp"

#include "python/bridge/asgi/conversation.hpp"
#include "python/bridge/bytes.hpp"
#include "python/bridge/names.hpp"
#include "python/bridge/native/headers.hpp"
#include "python/bridge/native/pieces.hpp"
#include "python/bridge/type.hpp"
#include "shm/check.hpp"

namespace prefork::bridge::native {

// What is left of a request that is over.
struct Copy {
  std::vector<std::byte> bytes;
  wire::RequestView view;
};

namespace {

const wire::RequestHead& head_of(PyObject* self) { return as_request(self)->view->head(); }

PyObject* text_of(PyObject* self, wire::Text text) { return latin1(as_request(self)->view->text(text)).release(); }

PyObject* shared(PyObject* object) {
  Py_XINCREF(object);
  return object;
}

PyObject* pair(PyObject* self, wire::Text address, std::uint16_t port) {
  const PyRef host = latin1(as_request(self)->view->text(address));
  return host ? Py_BuildValue("(OH)", host.get(), port) : nullptr;
}

Port* live_port(PyObject* self) {
  Port* const port = as_request(self)->port;
  if (port == nullptr) PyErr_SetString(PyExc_RuntimeError, "the request is over");
  return port;
}

PyObject* client(PyObject* self, void*) {
  const auto& head = head_of(self);
  if (head.client.length == 0) Py_RETURN_NONE;
  return pair(self, head.client, head.client_port);
}
PyObject* server(PyObject* self, void*) { return pair(self, head_of(self).server, head_of(self).server_port); }
PyObject* target(PyObject* self, void*) { return text_of(self, head_of(self).target); }
PyObject* host(PyObject* self, void*) { return text_of(self, head_of(self).host); }
PyObject* id(PyObject* self, void*) { return text_of(self, head_of(self).request_id); }

PyObject* content_length(PyObject* self, void*) {
  const auto& head = head_of(self);
  if ((head.flags & wire::kHasBody) == 0) return PyLong_FromLong(0);
  if (head.content_length == wire::kUnknownLength) Py_RETURN_NONE;
  return PyLong_FromUnsignedLongLong(head.content_length);
}

PyObject* body(PyObject* self, void*) {
  RequestObject& request = *as_request(self);
  if (request.body != nullptr) return shared(request.body);
  Port* const port = live_port(self);
  if (port == nullptr) return nullptr;
  PyRef read = port->body();
  if (read && !port->awaits()) request.body = shared(read.get());
  return read.release();
}

PyObject* stream(PyObject* self, void*) { return live_port(self) != nullptr ? new_pieces(self).release() : nullptr; }

PyObject* disconnected(PyObject* self, void*) {
  Port* const port = as_request(self)->port;
  return PyBool_FromLong(port == nullptr || port->client_gone());
}

// An object of the application's, made at its first use.
PyObject* own(PyObject* self, PyObject* RequestObject::*member, PyObject* (*make)()) {
  RequestObject& request = *as_request(self);
  if (request.*member == nullptr) {
    request.*member = make();
    if (request.*member != nullptr && !request.tracked) {
      PyObject_GC_Track(self);
      request.tracked = true;
    }
  }
  return shared(request.*member);
}

PyObject* new_namespace() {
  static PyObject* const type = [] {
    const PyRef module = PyRef::steal(PyImport_ImportModule("types"));
    return module ? PyObject_GetAttrString(module.get(), "SimpleNamespace") : nullptr;
  }();
  return type != nullptr ? PyObject_CallNoArgs(type) : nullptr;
}

PyObject* params(PyObject* self, void*) { return own(self, &RequestObject::params, PyDict_New); }
PyObject* state(PyObject* self, void*) { return own(self, &RequestObject::state, new_namespace); }

int set_params(PyObject* self, PyObject* value, void*) {
  if (value == nullptr || !PyDict_Check(value)) {
    PyErr_SetString(PyExc_TypeError, "params must be a dict");
    return -1;
  }
  const PyRef there = PyRef::steal(params(self, nullptr));
  if (!there) return -1;
  PyObject* const old = std::exchange(as_request(self)->params, shared(value));
  Py_XDECREF(old);
  return 0;
}

PyObject* represent(PyObject* self) {
  const PyRef method = PyRef::steal(request_method(self, nullptr)), where = PyRef::steal(target(self, nullptr));
  return method && where ? PyUnicode_FromFormat("<Request %U %U>", method.get(), where.get()) : nullptr;
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  RequestObject& request = *as_request(self);
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(request.params);
  Py_VISIT(request.state);
  return 0;
}

int clear(PyObject* self) {
  Py_CLEAR(as_request(self)->params);
  Py_CLEAR(as_request(self)->state);
  return 0;
}

void forget(RequestObject& request) {
  Py_CLEAR(request.path);
  Py_CLEAR(request.body);
  Py_CLEAR(request.params);
  Py_CLEAR(request.state);
}

void dealloc(PyObject* self) {
  RequestObject& request = *as_request(self);
  PyTypeObject* const type = Py_TYPE(self);
  if (request.tracked) PyObject_GC_UnTrack(self);
  forget(request);
  delete request.copy;
  if (request.conversation != nullptr) request.conversation->release();
  PyObject_GC_Del(self);
  Py_DECREF(type);
}

PyGetSetDef kAttributes[] = {
    {"method", request_method, nullptr, "GET", nullptr},
    {"path", request_path, nullptr, "without the query, percent-decoded", nullptr},
    {"query", request_query, nullptr, "what follows the question mark, as it came", nullptr},
    {"target", target, nullptr, "path and query as they came", nullptr},
    {"headers", request_headers, nullptr, "a mapping, lower-case names", nullptr},
    {"scheme", request_scheme, nullptr, "http or https", nullptr},
    {"http_version", request_http_version, nullptr, "1.0, 1.1 or 2", nullptr},
    {"host", host, nullptr, "whom the client asked for", nullptr},
    {"client", client, nullptr, "(address, port), or None over a unix socket", nullptr},
    {"server", server, nullptr, "(address, port)", nullptr},
    {"id", id, nullptr, "the request id, empty when there is none", nullptr},
    {"content_length", content_length, nullptr, "of the body; None when it is not known before its end", nullptr},
    {"body", body, nullptr, "the whole body; in an async application to be awaited", nullptr},
    {"stream", stream, nullptr, "an iterator of the body's pieces; in an async application for `async for`", nullptr},
    {"disconnected", disconnected, nullptr, "whether nobody waits for the reply any more", nullptr},
    {"params", params, set_params, "a dict for what a router finds in the path", nullptr},
    {"state", state, nullptr, "a namespace of this request's", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

}  // namespace

PyObject* request_method(PyObject* self, void*) {
  const auto& head = head_of(self);
  const auto known = static_cast<wire::Method>(head.method);
  return known == wire::Method::Unknown ? text_of(self, head.method_name) : shared(names().method(known));
}

PyObject* request_path(PyObject* self, void*) {
  RequestObject& request = *as_request(self);
  if (request.path == nullptr) {
    const auto text = request.view->text(head_of(self).path);
    request.path = PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "replace");
  }
  return shared(request.path);
}

PyObject* request_query(PyObject* self, void*) { return text_of(self, head_of(self).query); }
PyObject* request_headers(PyObject* self, void*) { return new_headers(*as_request(self)).release(); }

PyObject* request_scheme(PyObject* self, void*) {
  static PyObject* const kHttp = interned("http");
  static PyObject* const kHttps = interned("https");
  return shared(head_of(self).scheme == wire::Scheme::Https ? kHttps : kHttp);
}

PyObject* request_http_version(PyObject* self, void*) {
  static PyObject* const k10 = interned("1.0");
  static PyObject* const k11 = interned("1.1");
  static PyObject* const k2 = interned("2");
  const auto version = head_of(self).http_version;
  return shared(version == 11 ? k11 : version == 10 ? k10 : k2);
}

PyTypeObject* make_request_type(const char* name, PyGetSetDef* attributes) {
  PyType_Slot slots[] = {
      {Py_tp_dealloc, slot(dealloc)}, {Py_tp_traverse, slot(traverse)}, {Py_tp_clear, slot(clear)},
      {Py_tp_getset, attributes},     {Py_tp_repr, slot(represent)},    {0, nullptr},
  };
  PyType_Spec spec{name, sizeof(RequestObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};
  return new_type(spec);
}

PyRef make_request(PyTypeObject* type, Port& port, asgi::Conversation* conversation) {
  auto* const request = PyObject_GC_New(RequestObject, type);
  if (request == nullptr) return {};
  request->conversation = conversation;
  if (conversation != nullptr) conversation->retain();
  request->copy = nullptr;
  request->path = request->body = request->params = request->state = nullptr;
  request->tracked = false;
  auto* const object = reinterpret_cast<PyObject*>(request);
  begin_request(object, port);
  return PyRef::steal(object);
}

PyRef new_request(Port& port, asgi::Conversation* conversation) {
  static PyTypeObject* const type = make_request_type("prefork.Request", kAttributes);
  return make_request(type, port, conversation);
}

void begin_request(PyObject* request, Port& port) {
  as_request(request)->port = &port;
  as_request(request)->view = &port.view();
}

bool end_request(PyObject* self) {
  RequestObject& request = *as_request(self);
  request.port = nullptr;
  if (Py_REFCNT(self) == 1) {
    forget(request);
    return true;
  }
  const auto payload = request.view->payload();
  auto copy = std::make_unique<Copy>();
  copy->bytes.assign(payload.begin(), payload.end());
  copy->view = wire::RequestView(copy->bytes);
  PREFORK_CHECK(copy->view.validate() == nullptr, "a copy of a valid head is valid");
  request.copy = copy.release();
  request.view = &request.copy->view;
  return false;
}

}  // namespace prefork::bridge::native
