#include "python/bridge/native/thread_port.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "python/bridge/answer.hpp"
#include "python/bridge/bytes.hpp"

namespace prefork::bridge::native {
namespace {

constexpr std::size_t kBlock = 64 * 1024;

bool refuse_gone() {
  if (PyErr_Occurred() == nullptr) PyErr_SetString(PyExc_BrokenPipeError, "the client is gone");
  return false;
}

// The bytes of a file whose descriptor cannot cross to the master.
bool read_and_push(Reply& reply, const FilePart& file) {
  std::vector<std::byte> block(kBlock);
  auto offset = file.offset;
  auto left = file.length;
  while (left != 0) {
    const auto got =
        ::pread(file.fd.get(), block.data(), static_cast<std::size_t>(std::min<std::uint64_t>(left, kBlock)),
                static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return PyErr_SetFromErrno(PyExc_OSError), false;
    if (got == 0) return true;  // it was cut meanwhile: the reply is found to be short
    const auto pushed = reply.push({block.data(), static_cast<std::size_t>(got)}, false);
    if (pushed != Reply::Pushed::Ok) return pushed == Reply::Pushed::Gone && refuse_gone();
    offset += static_cast<std::uint64_t>(got);
    left -= static_cast<std::uint64_t>(got);
  }
  return true;
}

}  // namespace

void ThreadPort::begin(worker::Exchange& exchange) {
  Reply::begin(exchange);
  input_.begin(exchange);
  reply_status = 200;
}

void ThreadPort::finish() {
  Reply::finish();
  input_.finish();
  reply_fields_.clear();
}

bool ThreadPort::begin_head() {
  Reply::start(reply_status, reply_fields_.fields(), reply_fields_.close(), reply_fields_.length());
  return true;
}

PyRef ThreadPort::write(PyObject* block) {
  const PyRef bytes = block_bytes(block, Blocks::Any);
  if (!bytes) return {};
  if (PyUnicode_Check(block) && !started() && !announce_text(reply_fields_)) return {};
  const auto pushed = push(bytes_of(bytes.get()), false);
  if (pushed == Pushed::Ok) return PyRef::borrow(Py_None);
  if (pushed == Pushed::Gone) (void)refuse_gone();
  return {};
}

bool ThreadPort::send_file(FilePart file) {
  if (!announce_length(reply_fields_, file.length) || !begin_head()) return false;
  if (bodiless() || file.length == 0) return true;
  if (push_file(file.fd.get(), file.offset, file.length)) return !gone() || refuse_gone();
  return read_and_push(*this, file);
}

}  // namespace prefork::bridge::native
