// RSGI 1.6: what an application of that interface is given, over the same conversations as the others'. Event loop's thread, GIL held.
#pragma once

#include "python/bridge/asgi/websocket.hpp"
#include "python/bridge/native/http.hpp"
#include "python/bridge/ref.hpp"

namespace prefork::bridge::native {

class RsgiHttp : public Http {
 public:
  using Http::Http;
  // What the coroutine returns means nothing; a streamed reply ends with it.
  PyRef on_returned(PyObject* result) override;

  bool streaming = false;  // response_stream() was called

 protected:
  const char* interface_name() const override { return "RSGI"; }
};

// The scope of a WebSocket needs a Port for its request; the messages go through asgi::WebSocket.
class RsgiWebSocket : public asgi::WebSocket, public Port {
 public:
  using WebSocket::WebSocket;

  const wire::RequestView& view() const override { return job_.view; }
  bool client_gone() override { return gone_ || ended_; }
  PyRef body() override { return {}; }
  PyRef next_piece() override { return {}; }
  bool awaits() const override { return true; }
  ReplyFields& fields() override { return unused_; }
  bool started() const override { return true; }
  PyRef write(PyObject*) override { return {}; }
  bool send_file(FilePart) override { return false; }

 protected:
  const char* interface_name() const override { return "RSGI"; }
  std::uint16_t unanswered_status() const override { return 403; }  // RSGI's application may leave it at that

 private:
  ReplyFields unused_;
};

// The HTTP protocol object. Empty with the error set.
PyRef new_protocol(RsgiHttp& http);

}  // namespace prefork::bridge::native
