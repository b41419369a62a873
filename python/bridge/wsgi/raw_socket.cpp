#include "python/bridge/wsgi/raw_socket.hpp"

#include <sys/socket.h>

#include <array>

#include "shm/fd.hpp"

namespace prefork::bridge::wsgi {
namespace {

PyRef python_socket(shm::UniqueFd& fd) {
  const PyRef module = PyRef::steal(PyImport_ImportModule("socket"));
  PyRef made =
      module ? PyRef::steal(PyObject_CallMethod(module.get(), "socket", "iiii", AF_UNIX, SOCK_STREAM, 0, fd.get()))
             : PyRef{};
  if (made) (void)fd.release();
  return made;
}

}  // namespace

void RawSocket::offer(worker::Exchange& exchange, PyObject* environ) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) return;
  shm::UniqueFd ours(ends[0]);
  const shm::UniqueFd theirs(ends[1]);
  PyRef made = python_socket(ours);
  if (made && exchange.send_socket(theirs.get()) && PyErr_Occurred() == nullptr &&
      PyDict_SetItemString(environ, "gunicorn.socket", made.get()) == 0) {
    socket_ = std::move(made);
  }
  PyErr_Clear();
}

// By its methods: the application may have closed it, and its number may be another file's by now.
void RawSocket::close() {
  if (!socket_) return;
  for (const char* const step : {"shutdown", "close"}) {
    const PyRef done = PyRef::steal(*step == 's' ? PyObject_CallMethod(socket_.get(), step, "i", SHUT_RDWR)
                                                 : PyObject_CallMethod(socket_.get(), step, nullptr));
    if (!done) PyErr_Clear();
  }
  socket_.reset();
}

}  // namespace prefork::bridge::wsgi
