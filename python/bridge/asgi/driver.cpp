#include "python/bridge/asgi/driver.hpp"

#include "python/bridge/asgi/coroutine.hpp"
#include "python/bridge/error.hpp"
#include "python/bridge/log.hpp"
#include "python/bridge/names.hpp"
#include "python/bridge/signals.hpp"
#include "python/bridge/type.hpp"

namespace prefork::bridge::asgi {
namespace {

// The coroutine that a Task runs in the place of the application's: it hears the end of that one and lets no error out but
// cancellation. Looks like the application's otherwise (cr_frame, __qualname__, for what prints tasks).
struct Driver {
  PyObject_HEAD PyObject* inner;  // the application's coroutine; null when it is over
  Conversation* conversation;     // kept while there is an inner
  PyObject* cancelled_error;      // asyncio's
  // A spare Task's only:
  PyObject* context;  // what inner runs in
  PyObject* future;   // the one that it is parked on
  PyObject* parked;   // the iterator of that; null once it has gone on
  PyObject* pending;  // what inner yielded before the Task could see it
  bool ready;         // the Task waits for the future: the next request may have it
};

Driver* as_driver(PyObject* self) { return reinterpret_cast<Driver*>(self); }

void let_go(Driver& driver) {
  Py_CLEAR(driver.inner);
  Py_CLEAR(driver.context);
  Py_CLEAR(driver.pending);
  if (Conversation* const conversation = std::exchange(driver.conversation, nullptr)) conversation->release();
}

// The application's coroutine has returned, or raised the error that is set. Cancellation goes on to the Task. A signal's SystemExit does
// not: the event loop hears of that from the Loop, which the bell wakes, and a Task would keep it for somebody who never asks.
PySendResult finish(Driver& driver, PyObject** result) {
  const bool cancelled = PyErr_Occurred() != nullptr && PyErr_ExceptionMatches(driver.cancelled_error) != 0;
  PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
  if (cancelled) {
    PyErr_Fetch(&type, &value, &trace);
    Py_XINCREF(type);
    Py_XINCREF(value);
    Py_XINCREF(trace);
    PyErr_Restore(type, value, trace);
  }
  driver.conversation->on_finished();
  let_go(driver);
  if (cancelled) {
    PyErr_Restore(type, value, trace);
    return PYGEN_ERROR;
  }
  Py_INCREF(Py_None);
  *result = Py_None;
  return PYGEN_RETURN;
}

// Runs the application's coroutine until it suspends or ends. With an error set, that is thrown into it.
PySendResult drive_once(Driver& driver, PyObject** result, PyObject* thrown) {
  const PyRef inner = PyRef::borrow(driver.inner);
  if (driver.context != nullptr && PyContext_Enter(driver.context) != 0) return PYGEN_ERROR;
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
  return sent;
}

PySendResult drive(Driver& driver, PyObject** result, PyObject* thrown) {
  for (;;) {
    const auto sent = drive_once(driver, result, thrown);
    if (sent == PYGEN_NEXT) return sent;
    if (sent == PYGEN_ERROR) return finish(driver, result);
    const PyRef returned = PyRef::steal(std::exchange(*result, nullptr));
    PyRef more = driver.conversation->on_returned(returned.get());
    if (!more) return finish(driver, result);
    const PyRef over = PyRef::steal(std::exchange(driver.inner, more.release()));
    thrown = nullptr;
  }
}

PySendResult step(PyObject* self, PyObject*, PyObject** result) {
  Driver& driver = *as_driver(self);
  *result = nullptr;
  if (driver.parked != nullptr) {
    const auto waited = iter_send(driver.parked, result);
    if (waited == PYGEN_NEXT) {
      driver.ready = true;
      return waited;
    }
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

// Cancels a future with the message of the CancelledError that was thrown, by which structured concurrency knows its own.
PyRef cancel_with_message(PyObject* future, PyObject* thrown) {
  PyObject* const error = PyTuple_GET_SIZE(thrown) != 0 ? PyTuple_GET_ITEM(thrown, 0) : Py_None;
  const PyRef arguments =
      PyExceptionInstance_Check(error) ? PyRef::steal(PyObject_GetAttrString(error, "args")) : PyRef{};
  PyErr_Clear();
  const PyRef cancel = PyRef::steal(PyObject_GetAttrString(future, "cancel"));
  if (!cancel) return {};
  const bool message = arguments && PyTuple_Check(arguments.get()) && PyTuple_GET_SIZE(arguments.get()) != 0;
  return PyRef::steal(message ? PyObject_CallOneArg(cancel.get(), PyTuple_GET_ITEM(arguments.get(), 0))
                              : PyObject_CallNoArgs(cancel.get()));
}

PyObject* throw_method(PyObject* self, PyObject* args) {
  Driver& driver = *as_driver(self);
  Py_CLEAR(driver.parked);
  const PyRef pending = PyRef::steal(std::exchange(driver.pending, nullptr));
  if (pending && pending.get() != Py_None) {
    // Cancelled between its first suspension and the moment that its Task heard of that: what it waits for is cancelled, as the Task
    // would have done.
    const PyRef cancelled = cancel_with_message(pending.get(), args);
    if (cancelled && PyObject_IsTrue(cancelled.get()) == 1) return pending.share().release();
    PyErr_Clear();
  }
  if (driver.inner == nullptr) {
    raise_arguments(args);
    return nullptr;
  }
  PyObject* result = nullptr;
  const auto sent = drive(driver, &result, args);
  return yielded(sent, result);
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
  if (own != nullptr || as_driver(self)->inner == nullptr || PyErr_ExceptionMatches(PyExc_AttributeError) == 0)
    return own;
  PyErr_Clear();
  return PyObject_GetAttr(as_driver(self)->inner, name);
}

void dealloc(PyObject* self) {
  Driver& driver = *as_driver(self);
  let_go(driver);
  Py_CLEAR(driver.parked);
  Py_CLEAR(driver.future);
  Py_CLEAR(driver.cancelled_error);
  plain_dealloc(self);
}

PyType_Slot kSlots[] = {
    {Py_tp_dealloc, slot(dealloc)},
    {Py_am_await, slot(itself)},
    {Py_tp_iter, slot(itself)},
    {Py_tp_iternext, slot(next_by<step>)},
#if PY_VERSION_HEX >= 0x030A0000
    {Py_am_send, slot(step)},
#endif
    {Py_tp_getattro, slot(get_attribute)},
    {Py_tp_methods, coroutine_methods<step, throw_method, close_method>()},
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
  driver->ready = false;
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
  create_future_ = PyRef::steal(PyObject_GetAttrString(loop_.get(), "create_future"));
  cancelled_error_ = PyRef::steal(PyObject_GetAttrString(asyncio.get(), "CancelledError"));
  task_type_ = PyRef::steal(PyObject_GetAttrString(asyncio.get(), "Task"));
  context_ = PyRef::steal(PyContext_CopyCurrent());
  // An application that makes its loop's Tasks itself wants to make these too.
  const PyRef factory = PyRef::steal(PyObject_CallMethod(loop_.get(), "get_task_factory", nullptr));
  if (!create_task_ || !create_future_ || !cancelled_error_ || !task_type_ || !context_ || !factory) return false;
  return !(eager_ &= factory.get() == Py_None) || prepare_eager();
}

void Runner::run(PyRef awaitable, Conversation& conversation) {
  if (!PyCoro_CheckExact(awaitable.get()))
    awaitable = PyRef::steal(PyObject_CallOneArg(call_awaitable_.get(), awaitable.get()));
  if (!awaitable) return conversation.on_finished();
  if (!eager_ || !run_eager(awaitable, conversation)) run_plain(std::move(awaitable), conversation);
}

void Runner::run_plain(PyRef coroutine, Conversation& conversation) {
  const PyRef driver = new_driver(cancelled_error_.get());
  if (!driver) return conversation.on_finished();
  load(*as_driver(driver.get()), std::move(coroutine), conversation);
  // The Task copies the context that it is made in.
  if (PyContext_Enter(context_.get()) != 0) return conversation.on_finished();
  PyRef task = PyRef::steal(PyObject_CallOneArg(create_task_.get(), driver.get()));
  {
    const ErrorAside aside;
    (void)PyContext_Exit(context_.get());
  }
  if (task) {
    if (!conversation.finished())
      conversation.task = std::move(task);  // an eager task factory may have run it to its end
    return;
  }
  conversation.on_finished();
  let_go(*as_driver(driver.get()));
}

#if PY_VERSION_HEX >= 0x030C0000

bool Runner::prepare_eager() {
  task_options_ = PyRef::steal(Py_BuildValue("(sss)", "loop", "context", "eager_start"));
  return bool(task_options_);
}

bool Runner::run_eager(PyRef& coroutine, Conversation& conversation) {
  const PyRef driver = new_driver(cancelled_error_.get());
  const PyRef context = PyRef::steal(PyContext_Copy(context_.get()));
  if (!driver || !context) {
    PyErr_Clear();
    return false;
  }
  load(*as_driver(driver.get()), std::move(coroutine), conversation);
  PyObject* const arguments[] = {nullptr, driver.get(), loop_.get(), context.get(), Py_True};
  PyRef task = PyRef::steal(
      PyObject_Vectorcall(task_type_.get(), arguments + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET, task_options_.get()));
  if (conversation.finished()) {
    PyErr_Clear();
  } else if (task) {
    conversation.task = std::move(task);
  } else {
    conversation.on_finished();
    let_go(*as_driver(driver.get()));
    PyErr_Clear();
  }
  return true;
}

#elif PY_VERSION_HEX >= 0x030A0000

// What asyncio documents for event loops and Tasks of others ("Extending asyncio"). Without them: plain Tasks.
bool Runner::prepare_eager() {
  const PyRef tasks = PyRef::steal(PyImport_ImportModule("asyncio.tasks"));
  if (!tasks) return false;
  enter_task_ = PyRef::steal(PyObject_GetAttrString(tasks.get(), "_enter_task"));
  leave_task_ = enter_task_ ? PyRef::steal(PyObject_GetAttrString(tasks.get(), "_leave_task")) : PyRef{};
  register_task_ = leave_task_ ? PyRef::steal(PyObject_GetAttrString(tasks.get(), "_register_task")) : PyRef{};
  unregister_task_ = register_task_ ? PyRef::steal(PyObject_GetAttrString(tasks.get(), "_unregister_task")) : PyRef{};
  const PyRef all = unregister_task_ ? PyRef::steal(PyObject_GetAttrString(tasks.get(), "_all_tasks")) : PyRef{};
  all_tasks_ = all ? PyRef::steal(PyObject_GetAttrString(all.get(), "data")) : PyRef{};
  task_options_ = PyRef::steal(Py_BuildValue("(s)", "loop"));
  eager_ = all_tasks_ && PySet_Check(all_tasks_.get()) && task_options_;
  PyErr_Clear();
  if (eager_) add_spare();
  return true;
}

// A Task that will wait for a future of its own once the event loop has run it for the first time.
void Runner::add_spare() {
  Spare spare;
  spare.driver = new_driver(cancelled_error_.get());
  const PyRef future = PyRef::steal(PyObject_CallNoArgs(create_future_.get()));
  if (spare.driver && future && PyContext_Enter(context_.get()) == 0) {
    Driver& driver = *as_driver(spare.driver.get());
    driver.future = future.share().release();
    driver.parked = Py_TYPE(future.get())->tp_as_async->am_await(future.get());
    PyObject* const arguments[] = {nullptr, spare.driver.get(), loop_.get()};
    if (driver.parked != nullptr) {
      spare.task = PyRef::steal(PyObject_Vectorcall(task_type_.get(), arguments + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET,
                                                    task_options_.get()));
    }
    const ErrorAside aside;
    (void)PyContext_Exit(context_.get());
  }
  // Until it is needed nobody sees it: all_tasks() has the application's only.
  const PyRef hidden =
      spare.task ? PyRef::steal(PyObject_CallOneArg(unregister_task_.get(), spare.task.get())) : PyRef{};
  if (hidden) fresh_.push_back(std::move(spare));
  PyErr_Clear();  // the next request has an ordinary Task
}

void Runner::park_new_spares() {
  std::vector<Spare> later;
  for (Spare& spare : fresh_) {
    if (!as_driver(spare.driver.get())->ready) {
      later.push_back(std::move(spare));
      continue;
    }
    spare.name = PyRef::steal(PyObject_CallMethod(spare.task.get(), "get_name", nullptr));
    spare.weak = spare.name ? PyRef::steal(PyWeakref_NewRef(spare.task.get(), nullptr)) : PyRef{};
    if (!spare.weak) {
      PyErr_Clear();
      continue;
    }
    spare.weak_references = Py_REFCNT(spare.weak.get());
    spare.task_references = Py_REFCNT(spare.task.get());
    spare.future_references = Py_REFCNT(as_driver(spare.driver.get())->future);
    spares_.push_back(std::move(spare));
  }
  fresh_.swap(later);
}

// One weak reference is ours, and Python gives the same to everybody who asks for one without a callback.
bool Runner::untouched_weakly(const Spare& spare) {
  const auto* const first = reinterpret_cast<PyWeakReference*>(*PyObject_GET_WEAKREFS_LISTPTR(spare.task.get()));
  return reinterpret_cast<const PyObject*>(first) == spare.weak.get() && first->wr_next == nullptr &&
         Py_REFCNT(spare.weak.get()) == spare.weak_references;
}

// Whether a Task can be the next request's too: nobody keeps it, waits for it, watches, cancelled or renamed it.
bool Runner::untouched(const Spare& spare) {
  static PyObject* const kCallbacks = interned("_callbacks");
  static PyObject* const kGetName = interned("get_name");
  PyObject* const task = spare.task.get();
  // A reference to the future is a wake-up on its way.
  if (Py_REFCNT(task) != spare.task_references ||
      Py_REFCNT(as_driver(spare.driver.get())->future) != spare.future_references)
    return false;
  if (!untouched_weakly(spare)) return false;
  const PyRef callbacks = PyRef::steal(PyObject_GetAttr(task, kCallbacks));
  const PyRef name = PyRef::steal(PyObject_CallMethodNoArgs(task, kGetName));
  PyErr_Clear();
  return callbacks && callbacks.get() == Py_None && name && name.get() == spare.name.get();
}

bool Runner::run_eager(PyRef& coroutine, Conversation& conversation) {
  if (!fresh_.empty()) park_new_spares();
  if (spares_.empty()) {
    if (fresh_.size() < kMostFresh) add_spare();
    return false;
  }
  Spare spare = std::move(spares_.back());
  spares_.pop_back();
  Driver& driver = *as_driver(spare.driver.get());
  driver.context = PyContext_Copy(context_.get());
  const PyRef entered =
      driver.context != nullptr
          ? PyRef::steal(PyObject_CallFunctionObjArgs(enter_task_.get(), loop_.get(), spare.task.get(), nullptr))
          : PyRef{};
  if (!entered) {  // another task is the current one: the request has an ordinary Task, the spare waits for the next
    PyErr_Clear();
    Py_CLEAR(driver.context);
    spares_.push_back(std::move(spare));
    return false;
  }
  load(driver, std::move(coroutine), conversation);
  conversation.task = spare.task.share();
  // _register_task() and its opposite do this, at the price of two calls into Python and a new weak reference.
  if (PySet_Add(all_tasks_.get(), spare.weak.get()) != 0) PyErr_Clear();
  PyObject* result = nullptr;
  const auto sent = drive(driver, &result, nullptr);
  PyErr_Clear();  // cancelled, and told so already
  if (PySet_Discard(all_tasks_.get(), spare.weak.get()) < 0) PyErr_Clear();
  const PyRef left =
      PyRef::steal(PyObject_CallFunctionObjArgs(leave_task_.get(), loop_.get(), spare.task.get(), nullptr));
  if (!left) log_error("asyncio lost its current task");
  if (sent == PYGEN_NEXT) {
    driver.pending = result;
    go_on(spare, true);
    return true;
  }
  Py_XDECREF(result);
  if (untouched(spare)) {
    spares_.push_back(std::move(spare));
  } else {
    go_on(spare, false);
  }
  return true;
}

// Lets the Task run: with the rest of its coroutine, or to its end.
void Runner::go_on(const Spare& spare, bool suspended) {
  PyRef done;
  if (suspended) {
    done = PyRef::steal(PyObject_CallOneArg(register_task_.get(), spare.task.get()));
    if (!done) log_error("asyncio takes no more tasks");
  }
  PyObject* const future = as_driver(spare.driver.get())->future;
  done = PyRef::steal(PyObject_CallMethod(future, "done", nullptr));
  if (done && done.get() == Py_False) done = PyRef::steal(PyObject_CallMethod(future, "set_result", "O", Py_None));
  if (!done) log_error("A request cannot be continued");
  add_spare();
}

#else

bool Runner::prepare_eager() {
  eager_ = false;
  return true;
}
bool Runner::run_eager(PyRef&, Conversation&) { return false; }

#endif

}  // namespace prefork::bridge::asgi
