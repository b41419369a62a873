#include "python/bridge/native/port.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "python/bridge/bytes.hpp"

namespace prefork::bridge::native {

bool open_file(PyObject* file, std::uint64_t offset, std::uint64_t length, FilePart& part) {
  PyObject* encoded = nullptr;
  if (PyObject_HasAttrString(file, "fileno") != 0) {
    const int theirs = PyObject_AsFileDescriptor(file);
    if (theirs < 0) return false;
    part.fd = shm::UniqueFd(::fcntl(theirs, F_DUPFD_CLOEXEC, 3));  // the application may close its own at any time
  } else {
    if (PyUnicode_FSConverter(file, &encoded) == 0) return false;
    // Without O_NONBLOCK a FIFO would be waited for.
    part.fd = shm::UniqueFd(::open(PyBytes_AS_STRING(encoded), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  }
  const PyRef path = PyRef::steal(encoded);
  struct stat facts {};
  if (part.fd.get() < 0 || ::fstat(part.fd.get(), &facts) != 0) {
    PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, file);
    return false;
  }
  if (!S_ISREG(facts.st_mode)) {
    PyErr_Format(PyExc_ValueError, "%.200R is no regular file", file);
    return false;
  }
  const auto size = static_cast<std::uint64_t>(facts.st_size);
  part.offset = std::min(offset, size);
  part.length = std::min(length, size - part.offset);
  return true;
}

bool announce_length(ReplyFields& fields, std::uint64_t length) {
  if (fields.length()) return true;
  static PyObject* const kName = PyBytes_FromString("Content-Length");
  const PyRef value = new_bytes(std::to_string(length));
  return value && fields.add(kName, value.get());
}

bool announce_text(ReplyFields& fields) {
  static PyObject* const kName = PyBytes_FromString("Content-Type");
  static PyObject* const kText = PyBytes_FromString("text/plain; charset=utf-8");
  return fields.has(wire::Name::ContentType) || fields.add(kName, kText);
}

bool take_status(PyObject* number, std::uint16_t& status) {
  const long value = PyLong_AsLong(number);
  if (value == -1 && PyErr_Occurred() != nullptr) return false;
  if (value < 200 || value > 999) {
    PyErr_Format(PyExc_ValueError, "%ld is no status of a final reply", value);
    return false;
  }
  status = static_cast<std::uint16_t>(value);
  return true;
}

}  // namespace prefork::bridge::native
