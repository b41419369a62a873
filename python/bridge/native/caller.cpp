#include "python/bridge/native/caller.hpp"

#include "python/bridge/asgi/operation.hpp"
#include "python/bridge/asgi/websocket.hpp"
#include "python/bridge/boot.hpp"
#include "python/bridge/native/http.hpp"
#include "python/bridge/native/reply_object.hpp"
#include "python/bridge/native/request.hpp"
#include "python/bridge/native/rsgi.hpp"

namespace prefork::bridge::native {
namespace {

bool is_websocket(const worker::Job& job) { return (job.view.head().flags & wire::kWebSocket) != 0; }

PyRef call_with(const PyRef& application, const PyRef& first, const PyRef& second) {
  if (!first || !second) return {};
  PyObject* const arguments[] = {nullptr, first.get(), second.get()};
  return PyRef::steal(
      PyObject_Vectorcall(application.get(), arguments + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr));
}

}  // namespace

// A WebSocket handshake is a request like another one: the reply refuses it.
asgi::Conversation* NativeCaller::open(asgi::Loop& loop, worker::Job&& job) { return new Http(loop, std::move(job)); }

PyRef NativeCaller::call(asgi::Conversation& conversation) {
  auto& http = static_cast<Http&>(conversation);
  PyRef called = call_with(application_, new_request(http, &http), new_reply(http, &http));
  // An asynchronous generator function returns one at once: its pieces are the body.
  return called && PyAsyncGen_CheckExact(called.get()) ? stream_iterable(http, called.get()) : std::move(called);
}

asgi::Conversation* RsgiCaller::open(asgi::Loop& loop, worker::Job&& job) {
  if (is_websocket(job)) return new RsgiWebSocket(loop, std::move(job));
  return new RsgiHttp(loop, std::move(job));
}

PyRef RsgiCaller::call(asgi::Conversation& conversation) {
  if (!is_websocket(conversation.job())) {
    auto& http = static_cast<RsgiHttp&>(conversation);
    return call_with(application_, new_scope(http, &http), new_protocol(http));
  }
  auto& websocket = static_cast<RsgiWebSocket&>(conversation);
  const PyRef receive = asgi::new_receive(websocket), send = asgi::new_send(websocket);
  const PyRef scope = new_scope(websocket, &websocket);
  if (!receive || !send || !scope) return {};
  return call_boot("call_websocket", "OOOO", application_.get(), scope.get(), receive.get(), send.get());
}

}  // namespace prefork::bridge::native
