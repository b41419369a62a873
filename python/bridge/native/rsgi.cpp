#include "python/bridge/native/rsgi.hpp"

#include <string>

#include "python/bridge/answer.hpp"
#include "python/bridge/asgi/loop.hpp"
#include "python/bridge/asgi/operation.hpp"
#include "python/bridge/bytes.hpp"
#include "python/bridge/names.hpp"
#include "python/bridge/native/request.hpp"
#include "python/bridge/type.hpp"

namespace prefork::bridge::native {
namespace {

// ---------------------------------------------------------------------------------------------------- the scope

std::string address(const wire::RequestView& view, wire::Text host, std::uint16_t port) {
  const auto text = view.text(host);
  if (text.empty() || text.front() == '/') return std::string(text);
  const bool v6 = text.find(':') != std::string_view::npos;
  return (v6 ? "[" + std::string(text) + "]" : std::string(text)) + ":" + std::to_string(port);
}

PyObject* proto(PyObject* self, void*) {
  static PyObject* const kHttp = interned("http");
  static PyObject* const kWs = interned("ws");
  PyObject* const text = (as_request(self)->view->head().flags & wire::kWebSocket) != 0 ? kWs : kHttp;
  Py_INCREF(text);
  return text;
}
PyObject* rsgi_version(PyObject*, void*) { return latin1("1.6").release(); }
PyObject* server(PyObject* self, void*) {
  const auto& view = *as_request(self)->view;
  return latin1(address(view, view.head().server, view.head().server_port)).release();
}
PyObject* client(PyObject* self, void*) {
  const auto& view = *as_request(self)->view;
  return latin1(address(view, view.head().client, view.head().client_port)).release();
}
// What HTTP/2 calls so; before it a request has a Host header.
PyObject* authority(PyObject* self, void*) {
  const auto& view = *as_request(self)->view;
  if (view.head().http_version < 20) Py_RETURN_NONE;
  return latin1(view.text(view.head().host)).release();
}

PyGetSetDef kScope[] = {
    {"proto", proto, nullptr, nullptr, nullptr},
    {"rsgi_version", rsgi_version, nullptr, nullptr, nullptr},
    {"http_version", request_http_version, nullptr, nullptr, nullptr},
    {"server", server, nullptr, nullptr, nullptr},
    {"client", client, nullptr, nullptr, nullptr},
    {"scheme", request_scheme, nullptr, nullptr, nullptr},
    {"method", request_method, nullptr, nullptr, nullptr},
    {"path", request_path, nullptr, nullptr, nullptr},
    {"query_string", request_query, nullptr, nullptr, nullptr},
    {"authority", authority, nullptr, nullptr, nullptr},
    {"headers", request_headers, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

// ---------------------------------------------------------------------------------------------------- the protocol

// The protocol and the transport of a stream are the same underneath.
struct Protocol {
  PyObject_HEAD RsgiHttp* http;  // kept
};

RsgiHttp& http_of(PyObject* self) { return *reinterpret_cast<Protocol*>(self)->http; }

void dealloc(PyObject* self) {
  http_of(self).release();
  plain_dealloc(self);
}

PyRef make(PyTypeObject* type, RsgiHttp& http) {
  auto* const protocol = PyObject_New(Protocol, type);
  if (protocol == nullptr) return {};
  http.retain();
  protocol->http = &http;
  return PyRef::steal(reinterpret_cast<PyObject*>(protocol));
}

// Status and headers of any response. False with the error set; true and `late` when nobody wants another reply any more.
bool begin(RsgiHttp& http, PyObject* status, PyObject* headers, bool& late) {
  late = http.client_gone() || http.started();
  if (late) return true;
  if (!take_status(status, http.reply_status)) return false;
  if (headers != Py_None && !http.fields().add_all(headers)) {
    http.fields().clear();
    return false;
  }
  return true;
}

PyObject* respond(PyObject* self, PyObject* status, PyObject* headers, PyRef body) {
  RsgiHttp& http = http_of(self);
  bool late = false;
  if (!begin(http, status, headers, late)) return nullptr;
  if (!late && !http.send_whole(std::move(body))) return nullptr;
  Py_RETURN_NONE;
}

PyObject* response_empty(PyObject* self, PyObject* args) {
  PyObject *status = nullptr, *headers = nullptr;
  if (PyArg_ParseTuple(args, "OO:response_empty", &status, &headers) == 0) return nullptr;
  return respond(self, status, headers, {});
}

PyObject* response_str(PyObject* self, PyObject* args) {
  PyObject *status = nullptr, *headers = nullptr, *text = nullptr;
  if (PyArg_ParseTuple(args, "OOU:response_str", &status, &headers, &text) == 0) return nullptr;
  PyRef body = PyRef::steal(PyUnicode_AsUTF8String(text));
  return body ? respond(self, status, headers, std::move(body)) : nullptr;
}

PyObject* response_bytes(PyObject* self, PyObject* args) {
  PyObject *status = nullptr, *headers = nullptr, *bytes = nullptr;
  if (PyArg_ParseTuple(args, "OOO:response_bytes", &status, &headers, &bytes) == 0) return nullptr;
  if (PyUnicode_Check(bytes)) {
    PyErr_SetString(PyExc_TypeError, "response_bytes takes bytes, not str");
    return nullptr;
  }
  PyRef body = block_bytes(bytes, Blocks::Any);
  return body ? respond(self, status, headers, std::move(body)) : nullptr;
}

PyObject* respond_file(PyObject* self, PyObject* status, PyObject* headers, PyObject* path, std::uint64_t from,
                       std::uint64_t length) {
  RsgiHttp& http = http_of(self);
  bool late = false;
  FilePart file;
  if (!open_file(path, from, length, file)) {
    const bool forbidden = PyErr_ExceptionMatches(PyExc_PermissionError) != 0;
    if (PyErr_ExceptionMatches(PyExc_OSError) == 0) return nullptr;
    PyErr_Clear();
    if (http.client_gone() || http.started()) Py_RETURN_NONE;
    http.reply_status = forbidden ? 403 : 404;
    if (!announce_text(http.fields()) || !http.send_whole(new_bytes(forbidden ? "Forbidden" : "Not found")))
      return nullptr;
    Py_RETURN_NONE;
  }
  if (!begin(http, status, headers, late)) return nullptr;
  if (!late && !http.send_file(std::move(file))) return nullptr;
  Py_RETURN_NONE;
}

PyObject* response_file(PyObject* self, PyObject* args) {
  PyObject *status = nullptr, *headers = nullptr, *path = nullptr;
  if (PyArg_ParseTuple(args, "OOO:response_file", &status, &headers, &path) == 0) return nullptr;
  return respond_file(self, status, headers, path, 0, ~std::uint64_t{0});
}

PyObject* response_file_range(PyObject* self, PyObject* args) {
  PyObject *status = nullptr, *headers = nullptr, *path = nullptr;
  long long from = 0, to = 0;
  if (PyArg_ParseTuple(args, "OOOLL:response_file_range", &status, &headers, &path, &from, &to) == 0) return nullptr;
  if (from < 0 || to < from) {
    PyErr_SetString(PyExc_ValueError, "response_file_range: the range must be 0 <= start <= end");
    return nullptr;
  }
  return respond_file(self, status, headers, path, static_cast<std::uint64_t>(from),
                      static_cast<std::uint64_t>(to - from));
}

PyTypeObject* transport_type();

PyObject* response_stream(PyObject* self, PyObject* args) {
  PyObject *status = nullptr, *headers = nullptr;
  if (PyArg_ParseTuple(args, "OO:response_stream", &status, &headers) == 0) return nullptr;
  RsgiHttp& http = http_of(self);
  bool late = false;
  if (!begin(http, status, headers, late)) return nullptr;
  if (!late) {
    if (!http.begin_head()) return nullptr;
    http.streaming = true;
  }
  return make(transport_type(), http).release();
}

PyObject* client_disconnect(PyObject* self, PyObject*) { return http_of(self).until_disconnected().release(); }

PyObject* whole_body(PyObject* self, PyObject* args, PyObject* options) {
  if (PyTuple_GET_SIZE(args) != 0 || (options != nullptr && PyDict_Size(options) != 0)) {
    PyErr_SetString(PyExc_TypeError, "protocol() takes no arguments");
    return nullptr;
  }
  return http_of(self).body().release();
}

PyObject* next_piece(PyObject* self) { return http_of(self).next_piece().release(); }

PyMethodDef kProtocolMethods[] = {
    {"response_empty", response_empty, METH_VARARGS, nullptr},
    {"response_str", response_str, METH_VARARGS, nullptr},
    {"response_bytes", response_bytes, METH_VARARGS, nullptr},
    {"response_file", response_file, METH_VARARGS, nullptr},
    {"response_file_range", response_file_range, METH_VARARGS, nullptr},
    {"response_stream", response_stream, METH_VARARGS, nullptr},
    {"client_disconnect", client_disconnect, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};
PyType_Slot kProtocolSlots[] = {
    {Py_tp_dealloc, slot(dealloc)},  {Py_tp_call, slot(whole_body)},    {Py_am_aiter, slot(itself)},
    {Py_am_anext, slot(next_piece)}, {Py_tp_methods, kProtocolMethods}, {0, nullptr},
};
PyType_Spec kProtocolSpec{"prefork.HTTPProtocol", sizeof(Protocol), 0, Py_TPFLAGS_DEFAULT, kProtocolSlots};

// ---------------------------------------------------------------------------------------------------- the transport of a stream

PyObject* send_bytes(PyObject* self, PyObject* bytes) {
  if (!PyUnicode_Check(bytes)) return http_of(self).write(bytes).release();
  PyErr_SetString(PyExc_TypeError, "send_bytes takes bytes, not str");
  return nullptr;
}

PyObject* send_str(PyObject* self, PyObject* text) {
  if (!PyUnicode_Check(text)) {
    PyErr_Format(PyExc_TypeError, "send_str takes str, not %.100s", Py_TYPE(text)->tp_name);
    return nullptr;
  }
  return http_of(self).write(text).release();
}

PyMethodDef kTransportMethods[] = {
    {"send_bytes", send_bytes, METH_O, nullptr},
    {"send_str", send_str, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr},
};
PyType_Slot kTransportSlots[] = {{Py_tp_dealloc, slot(dealloc)}, {Py_tp_methods, kTransportMethods}, {0, nullptr}};
PyType_Spec kTransportSpec{"prefork.HTTPStreamTransport", sizeof(Protocol), 0, Py_TPFLAGS_DEFAULT, kTransportSlots};

PyTypeObject* transport_type() {
  static PyTypeObject* const type = new_type(kTransportSpec);
  return type;
}

}  // namespace

// An application that has sent no response is told so by the log and the client by a 500, as by conclude().
PyRef RsgiHttp::on_returned(PyObject*) { return streaming ? Http::on_returned(Py_None) : PyRef{}; }

PyRef new_scope(Port& port, asgi::Conversation* conversation) {
  static PyTypeObject* const type = make_request_type("prefork.Scope", kScope);
  return make_request(type, port, conversation);
}

PyRef new_protocol(RsgiHttp& http) {
  static PyTypeObject* const type = new_type(kProtocolSpec);
  return make(type, http);
}

}  // namespace prefork::bridge::native
