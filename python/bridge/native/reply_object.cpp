#include "python/bridge/native/reply_object.hpp"

#include "python/bridge/asgi/conversation.hpp"
#include "python/bridge/bytes.hpp"
#include "python/bridge/type.hpp"

namespace prefork::bridge::native {
namespace {

struct ReplyObject {
  PyObject_HEAD Port* port;          // null once the request is over
  asgi::Conversation* conversation;  // kept
};

ReplyObject* as_reply(PyObject* self) { return reinterpret_cast<ReplyObject*>(self); }

Port* live_port(PyObject* self) {
  Port* const port = as_reply(self)->port;
  if (port == nullptr) PyErr_SetString(PyExc_RuntimeError, "the request is over");
  return port;
}

// Null with the error set when it is too late to say anything else.
Port* unstarted_port(PyObject* self) {
  Port* const port = live_port(self);
  if (port == nullptr || !port->started()) return port;
  PyErr_SetString(PyExc_RuntimeError, "the reply's head is sent already");
  return nullptr;
}

PyObject* get_status(PyObject* self, void*) {
  const Port* const port = live_port(self);
  return port != nullptr ? PyLong_FromLong(port->reply_status) : nullptr;
}

int set_status(PyObject* self, PyObject* value, void*) {
  Port* const port = unstarted_port(self);
  if (port == nullptr) return -1;
  if (value == nullptr || !PyLong_Check(value)) {
    PyErr_SetString(PyExc_TypeError, "a reply's status must be an int");
    return -1;
  }
  return take_status(value, port->reply_status) ? 0 : -1;
}

PyObject* get_headers(PyObject* self, void*) {
  Port* const port = live_port(self);
  PyRef list = port != nullptr ? PyRef::steal(PyList_New(0)) : PyRef{};
  if (!list) return nullptr;
  for (const auto& field : port->fields().fields()) {
    const PyRef name = latin1(field.name), value = latin1(field.value);
    const PyRef pair = name && value ? PyRef::steal(PyTuple_Pack(2, name.get(), value.get())) : PyRef{};
    if (!pair || PyList_Append(list.get(), pair.get()) != 0) return nullptr;
  }
  return list.release();
}

int set_headers(PyObject* self, PyObject* value, void*) {
  Port* const port = unstarted_port(self);
  if (port == nullptr) return -1;
  if (value == nullptr) {
    PyErr_SetString(PyExc_TypeError, "a reply's headers cannot be deleted; set them to []");
    return -1;
  }
  const PyRef pairs = PyRef::steal(PyDict_Check(value) ? PyDict_Items(value) : PySequence_Tuple(value));
  if (!pairs) return -1;
  port->fields().clear();
  return port->fields().add_all(pairs.get()) ? 0 : -1;
}

PyObject* is_started(PyObject* self, void*) {
  const Port* const port = as_reply(self)->port;
  return PyBool_FromLong(port == nullptr || port->started());
}

PyObject* header(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  Port* const port = unstarted_port(self);
  if (port == nullptr) return nullptr;
  if (count != 2) {
    PyErr_SetString(PyExc_TypeError, "header(name, value) takes two arguments");
    return nullptr;
  }
  if (!port->fields().add(args[0], args[1])) return nullptr;
  Py_RETURN_NONE;
}

PyObject* write(PyObject* self, PyObject* block) {
  Port* const port = live_port(self);
  return port != nullptr ? port->write(block).release() : nullptr;
}

PyObject* file(PyObject* self, PyObject* args, PyObject* options) {
  static const char* const kNames[] = {"file", "offset", "length", nullptr};
  PyObject *path = nullptr, *length = Py_None;
  unsigned long long offset = 0, most = ~0ULL;
  Port* const port = unstarted_port(self);
  if (port == nullptr ||
      PyArg_ParseTupleAndKeywords(args, options, "O|KO:file", const_cast<char**>(kNames), &path, &offset, &length) == 0)
    return nullptr;
  if (length != Py_None) {
    most = PyLong_AsUnsignedLongLong(length);
    if (PyErr_Occurred() != nullptr) return nullptr;
  }
  FilePart part;
  if (!open_file(path, offset, most, part) || !port->send_file(std::move(part))) return nullptr;
  Py_RETURN_NONE;
}

void dealloc(PyObject* self) {
  if (as_reply(self)->conversation != nullptr) as_reply(self)->conversation->release();
  plain_dealloc(self);
}

PyGetSetDef kAttributes[] = {
    {"status", get_status, set_status, "200, until it is set", nullptr},
    {"headers", get_headers, set_headers, "a new list of (name, value) pairs; to be set to pairs or a dict", nullptr},
    {"started", is_started, nullptr, "whether it is too late to change the head", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};
PyMethodDef kMethods[] = {
    {"header", fast(header), METH_FASTCALL, "header(name, value): adds a header"},
    {"write", write, METH_O, "write(piece): sends a piece of the body; in an async application to be awaited"},
    {"file", with_keywords(file), METH_VARARGS | METH_KEYWORDS,
     "file(path_or_file, offset=0, length=None): the body is a file's, which the server sends itself"},
    {nullptr, nullptr, 0, nullptr},
};
PyType_Slot kSlots[] = {
    {Py_tp_dealloc, slot(dealloc)}, {Py_tp_getset, kAttributes}, {Py_tp_methods, kMethods}, {0, nullptr}};
PyType_Spec kSpec{"prefork.Reply", sizeof(ReplyObject), 0, Py_TPFLAGS_DEFAULT, kSlots};

}  // namespace

PyRef new_reply(Port& port, asgi::Conversation* conversation) {
  static PyTypeObject* const type = new_type(kSpec);
  auto* const reply = PyObject_New(ReplyObject, type);
  if (reply == nullptr) return {};
  reply->port = &port;
  reply->conversation = conversation;
  if (conversation != nullptr) conversation->retain();
  return PyRef::steal(reinterpret_cast<PyObject*>(reply));
}

void begin_reply(PyObject* reply, Port& port) { as_reply(reply)->port = &port; }

bool end_reply(PyObject* reply) {
  as_reply(reply)->port = nullptr;
  return Py_REFCNT(reply) == 1;
}

}  // namespace prefork::bridge::native
