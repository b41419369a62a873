// environ["gunicorn.socket"] of a WebSocket handshake: a socket whose other end the master joins to the client's connection as soon as
// something is written to it. Flask-SocketIO and flask-sock speak WebSocket through it, as they do under gunicorn. GIL held.
#pragma once

#include "python/bridge/ref.hpp"
#include "worker/exchange.hpp"

namespace prefork::bridge::wsgi {

class RawSocket {
 public:
  // Puts one into `environ`, or nothing when it cannot be had now. No error is set afterwards.
  void offer(worker::Exchange& exchange, PyObject* environ);
  // The application has done with its request and with the socket.
  void close();

  bool offered() const { return bool(socket_); }

 private:
  PyRef socket_;
};

}  // namespace prefork::bridge::wsgi
