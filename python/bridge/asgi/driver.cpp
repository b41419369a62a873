#include "python/bridge/asgi/driver.hpp"

#include "python/bridge/asgi/operation.hpp"
#include "python/bridge/error.hpp"
#include "python/bridge/names.hpp"
#include "python/bridge/signals.hpp"
#include "python/bridge/type.hpp"

namespace prefork::bridge::asgi {
namespace {

// The coroutine that a Task runs in the place of the application's: it hears the end of that one and lets no error out but
// cancellation. Looks like the application's otherwise (cr_frame, __qualname__, for what prints tasks).
struct Driver {
  PyObject_HEAD
  PyObject* inner;             // the application's coroutine; null when it is over
  Conversation* conversation;  // kept while there is an inner
  PyObject* cancelled_error;   // asyncio's
  // A spare Task's only:
  PyObject* context;  // what inner runs in
  PyObject* future;   // the one that it is parked on
  PyObject* parked;   // the iterator of that; null once it has gone on
  PyObject* pending;  // what inner yielded before the Task could see it
  bool carried;
};

Driver* as_driver(PyObject* self) { return reinterpret_cast<Driver*>(self); }

void let_go(Driver& driver) {
  Py_CLEAR(driver.inner);
  Py_CLEAR(driver.context);
  Py_CLEAR(driver.pending);
  if (Conversation* const conversation = std::exchange(driver.conversation, nullptr)) conversation->release();
}

// The application's coroutine has returned, or raised the error that is set. Cancellation goes on to the Task.
PySendResult finish(Driver& driver, PyObject** result) {
  const bool cancelled = PyErr_Occurred() != nullptr && PyErr_ExceptionMatches(driver.cancelled_error) != 0;
  const bool quits = quitting() && PyErr_Occurred() != nullptr && PyErr_ExceptionMatches(PyExc_SystemExit) != 0;
  PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
  if (quits) {
    PyErr_Fetch(&type, &value, &trace);
  } else if (cancelled) {
    PyErr_Fetch(&type, &value, &trace);
    Py_XINCREF(type);
    Py_XINCREF(value);
    Py_XINCREF(trace);
    PyErr_Restore(type, value, trace);
  }
  driver.conversation->on_finished();
  let_go(driver);
  if (quits || cancelled) {
    PyErr_Restore(type, value, trace);
    return PYGEN_ERROR;
  }
  Py_INCREF(Py_None);
  *result = Py_None;
  return PYGEN_RETURN;
}

// Runs the application's coroutine until it suspends or ends. With an error set, that is thrown into it.
PySendResult drive(Driver& driver, PyObject** result, PyObject* thrown) {
  const PyRef inner = PyRef::borrow(driver.inner);
  if (driver.context != nullptr && PyContext_Enter(driver.context) != 0) return finish(driver, result);
  PySendResult sent = PYGEN_ERROR;
  if (thrown == nullptr) {
    sent = iter_send(inner.get(), result);
  } else {
    const PyRef thrower = PyRef::steal(PyObject_GetAttrString(inner.get(), "throw"));
    *result = thrower ? PyObject_CallObject(thrower.get(), thrown) : nullptr;
    if (*result != nullptr) {
      sent = PYGEN_NEXT;
    } else if (take_stop_iteration(result)) {
      sent = PYGEN_RETURN;
    }
  }
  if (driver.context != nullptr) {
    const ErrorAside aside;
    (void)PyContext_Exit(driver.context);
  }
  if (sent == PYGEN_NEXT) return sent;
  if (sent == PYGEN_RETURN) Py_CLEAR(*result);
  return finish(driver, result);
}

PySendResult step(PyObject* self, PyObject*, PyObject** result) {
  Driver& driver = *as_driver(self);
  *result = nullptr;
  if (driver.parked != nullptr) {
    const auto waited = iter_send(driver.parked, result);
    if (waited == PYGEN_NEXT) return waited;
    Py_CLEAR(driver.parked);
    if (waited == PYGEN_ERROR) return waited;
    Py_CLEAR(*result);
    if (driver.pending != nullptr && driver.pending != Py_None) {
      *result = std::exchange(driver.pending, nullptr);  // the Task waits for it as if it had just been yielded
      return PYGEN_NEXT;
    }
    Py_CLEAR(driver.pending);
  }
  if (driver.inner == nullptr) {
    Py_INCREF(Py_None);
    *result = Py_None;
    return PYGEN_RETURN;
  }
  return drive(driver, result, nullptr);
}

PyObject* yielded(PySendResult sent, PyObject* result) {
  if (sent != PYGEN_RETURN) return result;
  PyErr_SetNone(PyExc_StopIteration);
  Py_DECREF(result);
  return nullptr;
}

PyObject* next(PyObject* self) {
  PyObject* result = nullptr;
  return yielded(step(self, Py_None, &result), result);
}

PyObject* send_method(PyObject* self, PyObject*) { return next(self); }

void raise_arguments(PyObject* args) {
  PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
  if (PyArg_UnpackTuple(args, "throw", 1, 3, &type, &value, &trace) == 0) return;
  if (PyExceptionInstance_Check(type)) {
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(type)), type);
  } else {
    PyErr_SetObject(type, value != nullptr && value != Py_None ? value : nullptr);
  }
}

PyObject* throw_method(PyObject* self, PyObject* args) {
  Driver& driver = *as_driver(self);
  Py_CLEAR(driver.parked);
  const PyRef pending = PyRef::steal(std::exchange(driver.pending, nullptr));
  if (pending && pending.get() != Py_None) {
    // Cancelled between its first suspension and the moment that its Task heard of that: what it waits for is cancelled, as the Task
    // would have done.
    const PyRef cancelled = PyRef::steal(PyObject_CallMethod(pending.get(), "cancel", nullptr));
    if (cancelled && PyObject_IsTrue(cancelled.get()) == 1) return pending.share().release();
    PyErr_Clear();
  }
  if (driver.inner == nullptr) {
    raise_arguments(args);
    return nullptr;
  }
  PyObject* result = nullptr;
  return yielded(drive(driver, &result, args), result);
}

PyObject* close_method(PyObject* self, PyObject*) {
  Driver& driver = *as_driver(self);
  Py_CLEAR(driver.parked);
  if (driver.inner != nullptr) {
    const PyRef closed = PyRef::steal(PyObject_CallMethod(driver.inner, "close", nullptr));
    if (!closed) PyErr_Clear();
    if (driver.inner != nullptr) {
      driver.conversation->on_finished();
      let_go(driver);
    }
  }
  Py_RETURN_NONE;
}

PyObject* get_attribute(PyObject* self, PyObject* name) {
  PyObject* const own = PyObject_GenericGetAttr(self, name);
  if (own != nullptr || as_driver(self)->inner == nullptr || PyErr_ExceptionMatches(PyExc_AttributeError) == 0) return own;
  PyErr_Clear();
  return PyObject_GetAttr(as_driver(self)->inner, name);
}

PyObject* itself(PyObject* self) {
  Py_INCREF(self);
  return self;
}

void dealloc(PyObject* self) {
  Driver& driver = *as_driver(self);
  let_go(driver);
  Py_CLEAR(driver.parked);
  Py_CLEAR(driver.future);
  Py_CLEAR(driver.cancelled_error);
  plain_dealloc(self);
}

PyMethodDef kMethods[] = {
    {"send", send_method, METH_O, nullptr},
    {"throw", throw_method, METH_VARARGS, nullptr},
    {"close", close_method, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};
PyType_Slot kSlots[] = {
    {Py_tp_dealloc, slot(dealloc)},
    {Py_am_await, slot(itself)},
    {Py_tp_iter, slot(itself)},
    {Py_tp_iternext, slot(next)},
#if PY_VERSION_HEX >= 0x030A0000
    {Py_am_send, slot(step)},
#endif
    {Py_tp_getattro, slot(get_attribute)},
    {Py_tp_methods, kMethods},
    {0, nullptr},
};
PyType_Spec kSpec{"prefork.Driver", sizeof(Driver), 0, Py_TPFLAGS_DEFAULT, kSlots};

PyTypeObject* driver_type() {
  static PyTypeObject* const type = new_type(kSpec);
  return type;
}

PyRef new_driver(PyObject* cancelled_error) {
  auto* const driver = PyObject_New(Driver, driver_type());
  if (driver == nullptr) return {};
  driver->inner = driver->context = driver->future = driver->parked = driver->pending = nullptr;
  driver->conversation = nullptr;
  driver->carried = false;
  Py_INCREF(cancelled_error);
  driver->cancelled_error = cancelled_error;
  return PyRef::steal(reinterpret_cast<PyObject*>(driver));
}

void load(Driver& driver, PyRef coroutine, Conversation& conversation) {
  driver.inner = coroutine.release();
  conversation.retain();
  driver.conversation = &conversation;
}

}  // namespace

bool Runner::prepare() {
  const PyRef asyncio = PyRef::steal(PyImport_ImportModule("asyncio"));
  if (!asyncio || !register_coroutine(driver_type())) return false;
  create_task_ = PyRef::steal(PyObject_GetAttrString(loop_.get(), "create_task"));
  cancelled_error_ = PyRef::steal(PyObject_GetAttrString(asyncio.get(), "CancelledError"));
  task_type_ = PyRef::steal(PyObject_GetAttrString(asyncio.get(), "Task"));
  context_ = PyRef::steal(PyContext_CopyCurrent());
  return create_task_ && cancelled_error_ && task_type_ && context_;
}

void Runner::run(PyRef awaitable, Conversation& conversation) {
  if (!PyCoro_CheckExact(awaitable.get())) awaitable = PyRef::steal(PyObject_CallOneArg(call_awaitable_.get(), awaitable.get()));
  if (!awaitable) return conversation.on_finished();
  run_plain(std::move(awaitable), conversation);
}

void Runner::run_plain(PyRef coroutine, Conversation& conversation) {
  const PyRef driver = new_driver(cancelled_error_.get());
  if (!driver) return conversation.on_finished();
  load(*as_driver(driver.get()), std::move(coroutine), conversation);
  // The Task copies the context that it is made in.
  if (PyContext_Enter(context_.get()) != 0) return conversation.on_finished();
  conversation.task = PyRef::steal(PyObject_CallOneArg(create_task_.get(), driver.get()));
  {
    const ErrorAside aside;
    (void)PyContext_Exit(context_.get());
  }
  if (!conversation.task) {
    conversation.on_finished();
    let_go(*as_driver(driver.get()));
  }
}

}  // namespace prefork::bridge::asgi
