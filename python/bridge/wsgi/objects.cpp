#include "python/bridge/wsgi/objects.hpp"

#include <stdexcept>

#include "python/bridge/bytes.hpp"
#include "python/bridge/fields.hpp"
#include "python/bridge/header_names.hpp"
#include "python/bridge/type.hpp"
#include "python/bridge/wsgi/input_object.hpp"

#if PY_VERSION_HEX < 0x030C0000
#include <structmember.h>
#define Py_T_PYSSIZET T_PYSSIZET
#define Py_READONLY READONLY
#endif

namespace prefork::bridge::wsgi {
namespace {

// A callable that belongs to a request: what it does is told by its vectorcall, whom it belongs to by `response`.
struct Callable {
  PyObject_HEAD vectorcallfunc call;
  Response* response;
  PyObject* result;  // what start_response returns: write. Owned.
};

Callable* as_callable(PyObject* self) { return reinterpret_cast<Callable*>(self); }

Response* response_of(PyObject* self) {
  Response* const response = as_callable(self)->response;
  if (response != nullptr && response->live()) return response;
  PyErr_SetString(PyExc_RuntimeError, "the request is over");
  return nullptr;
}

void dealloc(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  Py_XDECREF(as_callable(self)->result);
  PyObject_Free(self);
  Py_DECREF(type);
}

PyMemberDef kMembers[] = {
    {const_cast<char*>("__vectorcalloffset__"), Py_T_PYSSIZET, offsetof(Callable, call), Py_READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

PyType_Slot kSlots[] = {
    {Py_tp_dealloc, slot(dealloc)},
    {Py_tp_call, slot(PyVectorcall_Call)},
    {Py_tp_members, kMembers},
    {0, nullptr},
};

PyType_Spec kSpec{"prefork.Callable", sizeof(Callable), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL, kSlots};

PyRef new_callable(vectorcallfunc call, Response* response) {
  static PyTypeObject* const type = new_type(kSpec);
  auto* object = PyObject_New(Callable, type);
  if (object == nullptr) throw std::runtime_error("Python has no memory for the objects of a request");
  object->call = call;
  object->response = response;
  object->result = nullptr;
  return PyRef::steal(reinterpret_cast<PyObject*>(object));
}

// exc_info given by its name, which PEP 3333 does not ask for but applications do. False with the error set.
bool keyword_exc_info(PyObject* const* args, Py_ssize_t count, PyObject* names, PyObject*& exc_info) {
  for (Py_ssize_t i = 0; names != nullptr && i < PyTuple_GET_SIZE(names); ++i) {
    if (exc_info != nullptr || PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, i), "exc_info") != 0) {
      PyErr_SetString(PyExc_TypeError, "start_response takes (status, headers, exc_info=None)");
      return false;
    }
    exc_info = args[count + i];
  }
  return true;
}

PyObject* start_response(PyObject* self, PyObject* const* args, std::size_t flags, PyObject* names) {
  const Py_ssize_t count = PyVectorcall_NARGS(flags);
  Response* const response = response_of(self);
  if (response == nullptr) return nullptr;
  PyObject* exc_info = count == 3 ? args[2] : nullptr;
  if (count < 2 || count > 3) {
    PyErr_SetString(PyExc_TypeError, "start_response takes (status, headers, exc_info=None)");
    return nullptr;
  }
  if (names != nullptr && !keyword_exc_info(args, count, names, exc_info)) return nullptr;
  if (!response->start(args[0], args[1], exc_info)) return nullptr;
  PyObject* const write = as_callable(self)->result;
  Py_INCREF(write);
  return write;
}

PyObject* write(PyObject* self, PyObject* const* args, std::size_t flags, PyObject* names) {
  Response* const response = response_of(self);
  if (response == nullptr) return nullptr;
  if (PyVectorcall_NARGS(flags) != 1 || names != nullptr || !PyBytes_Check(args[0])) {
    PyErr_SetString(PyExc_TypeError, "write() takes one bytes object");
    return nullptr;
  }
  if (PyBytes_GET_SIZE(args[0]) == 0) Py_RETURN_NONE;
  switch (response->push(bytes_of(args[0]), false)) {
    case Response::Pushed::Ok: Py_RETURN_NONE;
    case Response::Pushed::Gone:
      if (PyErr_Occurred() == nullptr) PyErr_SetString(PyExc_BrokenPipeError, "the client is gone");
      return nullptr;
    case Response::Pushed::Error: break;
  }
  return nullptr;
}

// A header of a 103 reply into views that live as long as the list. False with the error set.
bool hint_field(PyObject* item, HeaderName& known, std::string_view& value) {
  const bool pair = PyTuple_Check(item) && PyTuple_GET_SIZE(item) == 2 && PyUnicode_Check(PyTuple_GET_ITEM(item, 0)) &&
                    PyUnicode_Check(PyTuple_GET_ITEM(item, 1));
  if (pair && known_header_name(PyTuple_GET_ITEM(item, 0), known) && latin1_view(PyTuple_GET_ITEM(item, 1), value) &&
      is_field_value(value))
    return true;
  PyErr_Format(PyExc_ValueError, "wsgi.early_hints: %.200R is no header", item);
  return false;
}

// wsgi.early_hints(headers): sends 103 with them at once; does nothing once the reply has begun, or for an HTTP/1.0 client.
PyObject* early_hints(PyObject* self, PyObject* const* args, std::size_t flags, PyObject*) {
  Response* const response = response_of(self);
  if (response == nullptr) return nullptr;
  if (PyVectorcall_NARGS(flags) != 1) {
    PyErr_SetString(PyExc_TypeError, "wsgi.early_hints takes a list of (name, value) tuples");
    return nullptr;
  }
  const PyRef headers = PyRef::steal(PySequence_Tuple(args[0]));
  if (!headers) return nullptr;
  std::vector<wire::ReplyField> fields;
  HeadRoom room;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(headers.get()); ++i) {
    HeaderName known;
    std::string_view value;
    if (!hint_field(PyTuple_GET_ITEM(headers.get(), i), known, value)) return nullptr;
    if (known.handling != Handling::Pass) continue;
    fields.push_back({known.text, value, known.id});
    if (!room.take(fields.back())) return nullptr;
  }
  auto& exchange = response->exchange();
  if (!exchange.head_sent() && exchange.request().head().http_version >= 11)
    (void)exchange.send_interim({103, 0, "Early Hints", fields});
  if (PyErr_Occurred() != nullptr) return nullptr;
  Py_RETURN_NONE;
}

PyObject* client_disconnected(PyObject* self, PyObject* const*, std::size_t flags, PyObject*) {
  if (PyVectorcall_NARGS(flags) != 0) {
    PyErr_SetString(PyExc_TypeError, "prefork.client_disconnected takes no arguments");
    return nullptr;
  }
  Response* const response = as_callable(self)->response;
  return PyBool_FromLong(response == nullptr || !response->live() || response->exchange().client_gone());
}

}  // namespace

Handles::Handles()
    : start_response_(new_callable(wsgi::start_response, &response)),
      write_(new_callable(write, &response)),
      input_object_(new_input_object(&input)),
      early_hints_(new_callable(wsgi::early_hints, &response)),
      client_disconnected_(new_callable(wsgi::client_disconnected, &response)) {
  if (!input_object_) throw std::runtime_error("Python has no memory for the objects of a request");
  as_callable(start_response_.get())->result = write_.share().release();
}

Handles::~Handles() { cut_off(); }

void Handles::cut_off() {
  for (const PyRef* callable : {&start_response_, &write_, &early_hints_, &client_disconnected_}) {
    if (*callable) as_callable(callable->get())->response = nullptr;
  }
  if (input_object_) cut_off_input(input_object_.get());
}

void Handles::begin(worker::Exchange& exchange) {
  response.begin(exchange);
  input.begin(exchange);
}

bool Handles::finish(Py_ssize_t references_by_template) {
  response.finish();
  input.finish();
  const bool ours = Py_REFCNT(start_response_.get()) == 1 && Py_REFCNT(write_.get()) == 2 &&
                    Py_REFCNT(input_object_.get()) == 1 + references_by_template &&
                    Py_REFCNT(early_hints_.get()) == 1 + references_by_template &&
                    Py_REFCNT(client_disconnected_.get()) == 1 + references_by_template;
  if (!ours) cut_off();
  return ours;
}

}  // namespace prefork::bridge::wsgi
