#include "python/bridge/asgi/caller.hpp"

#include "python/bridge/asgi/http.hpp"
#include "python/bridge/asgi/operation.hpp"
#include "python/bridge/asgi/websocket.hpp"

namespace prefork::bridge::asgi {

Conversation* AsgiCaller::open(Loop& loop, worker::Job&& job) {
  if ((job.view.head().flags & wire::kWebSocket) != 0) return new WebSocket(loop, std::move(job));
  return new Http(loop, std::move(job));
}

PyRef AsgiCaller::call(Conversation& conversation) {
  const PyRef scope = scopes_.build(conversation.job().view);
  const PyRef receive = scope ? new_receive(conversation) : PyRef{};
  const PyRef send = receive ? new_send(conversation) : PyRef{};
  if (!send) return {};
  PyObject* const arguments[] = {nullptr, scope.get(), receive.get(), send.get()};
  return PyRef::steal(
      PyObject_Vectorcall(application_.get(), arguments + 1, 3 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr));
}

}  // namespace prefork::bridge::asgi
