// A request and its reply on the event loop, for native and RSGI applications: the Port whose reading and writing are awaited. Event
// loop's thread, GIL held.
#pragma once

#include <string>

#include "python/bridge/asgi/http.hpp"
#include "python/bridge/native/port.hpp"

namespace prefork::bridge::native {

class Http : public asgi::HttpConversation, public Port {
 public:
  using HttpConversation::HttpConversation;

  const wire::RequestView& view() const override { return job_.view; }
  bool client_gone() override { return gone_ || ended_; }
  PyRef body() override;
  PyRef next_piece() override;
  bool awaits() const override { return true; }
  ReplyFields& fields() override { return response_.fields(); }
  bool started() const override { return response_.started(); }
  PyRef write(PyObject* block) override;
  bool send_file(FilePart file) override;
  // An awaitable that waits until nobody waits for the reply: it is sent, or the client is gone.
  PyRef until_disconnected();

  // Sends a whole reply, whose body may be empty (null) and which goes out as there is room. False with the error set.
  [[nodiscard]] bool send_whole(PyRef bytes);
  // The head goes with the first piece of the body. False with the error set when it is too late.
  [[nodiscard]] bool begin_head();

  asgi::Step try_receive(unsigned what, PyRef& value) override;
  asgi::Step take_message(PyObject* block) override;
  PyRef on_returned(PyObject* result) override;

 protected:
  const char* interface_name() const override { return "native"; }

 private:
  enum What : unsigned { Body, NextPiece, Disconnected };

  asgi::Step try_arrived(PyRef& piece);
  asgi::Step try_body(PyRef& value);
  asgi::Step try_next_piece(PyRef& value);
  [[nodiscard]] bool refuse_late();

  std::string collected_;  // of body(), while it is awaited
  PyRef body_;             // the whole, once it is here
  bool streamed_ = false;  // a piece was given: the whole is not to be had
};

// A native coroutine's rest: sends an iterable's pieces. Empty with the error set.
PyRef stream_iterable(Http& http, PyObject* iterable);

}  // namespace prefork::bridge::native
