#include "python/bridge/asgi/operation.hpp"

#include "python/bridge/asgi/coroutine.hpp"
#include "python/bridge/type.hpp"

#if PY_VERSION_HEX < 0x030C0000
#include <structmember.h>
#define Py_T_PYSSIZET T_PYSSIZET
#define Py_READONLY READONLY
#endif

namespace prefork::bridge::asgi {
namespace {

enum class Kind : std::uint8_t { Receive, Send };

struct Callable {
  PyObject_HEAD vectorcallfunc call;
  Conversation* conversation;
};

struct Operation {
  PyObject_HEAD Conversation* conversation;
  PyObject* message;  // of send()
  PyObject* waiting;  // the iterator of a future, or null
  Kind kind;
  std::uint8_t what;  // to receive
  bool taken;         // the message was taken over and is on its way
  bool over;
};

Callable* as_callable(PyObject* self) { return reinterpret_cast<Callable*>(self); }
Operation* as_operation(PyObject* self) { return reinterpret_cast<Operation*>(self); }

Step try_operation(Operation& operation, PyRef& result) {
  Conversation& conversation = *operation.conversation;
  if (operation.kind == Kind::Receive) return conversation.try_receive(operation.what, result);
  if (!operation.taken) {
    const Step step = conversation.take_message(operation.message);
    if (step != Step::Done) return step;
    operation.taken = true;
  }
  const Step step = conversation.flush();
  if (step == Step::Done) result = PyRef::borrow(Py_None);
  return step;
}

PySendResult step(PyObject* self, PyObject*, PyObject** result) {
  Operation& operation = *as_operation(self);
  *result = nullptr;
  if (operation.over) {
    PyErr_SetString(PyExc_RuntimeError, "this receive() or send() was awaited already");
    return PYGEN_ERROR;
  }
  for (;;) {
    if (operation.waiting != nullptr) {
      const auto waited = iter_send(operation.waiting, result);
      if (waited == PYGEN_NEXT) return waited;
      Py_CLEAR(operation.waiting);
      if (waited == PYGEN_ERROR) return waited;
      Py_CLEAR(*result);
    }
    PyRef value;
    const Step tried = try_operation(operation, value);
    if (tried == Step::Wait) {
      Conversation& conversation = *operation.conversation;
      operation.waiting =
          (operation.kind == Kind::Receive ? conversation.wait_to_receive() : conversation.wait_to_send()).release();
      if (operation.waiting == nullptr) return PYGEN_ERROR;
      continue;
    }
    operation.over = true;
    if (tried == Step::Error) return PYGEN_ERROR;
    *result = value.release();
    return PYGEN_RETURN;
  }
}

PyObject* throw_method(PyObject* self, PyObject* args) {
  Operation& operation = *as_operation(self);
  operation.over = true;
  const PyRef waiting = PyRef::steal(std::exchange(operation.waiting, nullptr));
  if (waiting) {
    // The future's iterator knows the three ways in which an exception can be thrown.
    const PyRef thrower = PyRef::steal(PyObject_GetAttrString(waiting.get(), "throw"));
    return thrower ? PyObject_CallObject(thrower.get(), args) : nullptr;
  }
  raise_arguments(args);
  return nullptr;
}

PyObject* close_method(PyObject* self, PyObject*) {
  as_operation(self)->over = true;
  Py_CLEAR(as_operation(self)->waiting);
  Py_RETURN_NONE;
}

void operation_dealloc(PyObject* self) {
  Operation& operation = *as_operation(self);
  Py_XDECREF(operation.waiting);
  Py_XDECREF(operation.message);
  operation.conversation->release();
  plain_dealloc(self);
}

PyType_Slot kOperationSlots[] = {
    {Py_tp_dealloc, slot(operation_dealloc)},
    {Py_am_await, slot(itself)},
    {Py_tp_iter, slot(itself)},
    {Py_tp_iternext, slot(next_by<step>)},
#if PY_VERSION_HEX >= 0x030A0000
    {Py_am_send, slot(step)},
#endif
    {Py_tp_methods, coroutine_methods<step, throw_method, close_method>()},
    {0, nullptr},
};
PyType_Spec kOperationSpec{"prefork.Operation", sizeof(Operation), 0, Py_TPFLAGS_DEFAULT, kOperationSlots};

PyTypeObject* operation_type() {
  static PyTypeObject* const type = new_type(kOperationSpec);
  return type;
}

PyObject* new_operation(Conversation& conversation, Kind kind, PyObject* message) {
  auto* const operation = PyObject_New(Operation, operation_type());
  if (operation == nullptr) return nullptr;
  conversation.retain();
  operation->conversation = &conversation;
  Py_XINCREF(message);
  operation->message = message;
  operation->waiting = nullptr;
  operation->kind = kind;
  operation->what = 0;
  operation->taken = operation->over = false;
  return reinterpret_cast<PyObject*>(operation);
}

PyObject* receive(PyObject* self, PyObject* const*, std::size_t flags, PyObject* names) {
  if (PyVectorcall_NARGS(flags) != 0 || (names != nullptr && PyTuple_GET_SIZE(names) != 0)) {
    PyErr_SetString(PyExc_TypeError, "receive() takes no arguments");
    return nullptr;
  }
  return new_operation(*as_callable(self)->conversation, Kind::Receive, nullptr);
}

PyObject* send(PyObject* self, PyObject* const* args, std::size_t flags, PyObject* names) {
  const Py_ssize_t count = PyVectorcall_NARGS(flags) + (names != nullptr ? PyTuple_GET_SIZE(names) : 0);
  const bool named = names != nullptr && PyTuple_GET_SIZE(names) == 1 &&
                     PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), "message") == 0;
  if (count != 1 || (PyVectorcall_NARGS(flags) == 0 && !named)) {
    PyErr_SetString(PyExc_TypeError, "send() takes one message");
    return nullptr;
  }
  return new_operation(*as_callable(self)->conversation, Kind::Send, args[0]);
}

void callable_dealloc(PyObject* self) {
  as_callable(self)->conversation->release();
  plain_dealloc(self);
}

PyMemberDef kCallableMembers[] = {
    {const_cast<char*>("__vectorcalloffset__"), Py_T_PYSSIZET, offsetof(Callable, call), Py_READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};
PyType_Slot kCallableSlots[] = {
    {Py_tp_dealloc, slot(callable_dealloc)},
    {Py_tp_call, slot(PyVectorcall_Call)},
    {Py_tp_members, kCallableMembers},
    {0, nullptr},
};
PyType_Spec kCallableSpec{"prefork.Callable", sizeof(Callable), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
                          kCallableSlots};

PyRef new_callable(Conversation& conversation, vectorcallfunc call) {
  static PyTypeObject* const type = new_type(kCallableSpec);
  auto* const callable = PyObject_New(Callable, type);
  if (callable == nullptr) return {};
  conversation.retain();
  callable->call = call;
  callable->conversation = &conversation;
  return PyRef::steal(reinterpret_cast<PyObject*>(callable));
}

}  // namespace

bool prepare_operations() { return register_coroutine(operation_type()); }

PyRef new_receiving(Conversation& conversation, unsigned what) {
  PyRef operation = PyRef::steal(new_operation(conversation, Kind::Receive, nullptr));
  if (operation) as_operation(operation.get())->what = static_cast<std::uint8_t>(what);
  return operation;
}

PyRef new_sending(Conversation& conversation, PyObject* message) {
  return PyRef::steal(new_operation(conversation, Kind::Send, message));
}

PyRef new_receive(Conversation& conversation) { return new_callable(conversation, receive); }
PyRef new_send(Conversation& conversation) { return new_callable(conversation, send); }

}  // namespace prefork::bridge::asgi
