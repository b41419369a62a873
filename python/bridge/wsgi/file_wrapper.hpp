// wsgi.file_wrapper: an iterable over a file-like object in blocks of 8 KiB that the server knows. A regular file's descriptor crosses
// to the master, which sends the bytes itself; everything else is read. GIL held.
#pragma once

#include <cstdint>
#include <optional>

#include "python/bridge/ref.hpp"

namespace prefork::bridge::wsgi {

// The type, callable as file_wrapper(filelike, block_size=8192). Throws std::runtime_error when Python refuses.
PyTypeObject* file_wrapper_type();

// The rest of a regular file behind a wrapper that nothing was read from through it.
struct WrappedFile {
  int fd = -1;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

// Nothing, with no error set, when the bytes must be read: no plain file object, no regular file, already iterated.
std::optional<WrappedFile> wrapped_file(PyObject* iterable);

}  // namespace prefork::bridge::wsgi
