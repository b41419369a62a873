// What an application on a thread returns, sent as the body of its reply: all there, or block by block from an iterable. GIL held.
#pragma once

#include "python/bridge/bytes.hpp"
#include "python/bridge/ref.hpp"
#include "python/bridge/reply.hpp"

namespace prefork::bridge {

// What a body may be made of: bytes objects as PEP 3333 says, or str, bytearray and memoryview too.
enum class Blocks { Bytes, Any };

// list and tuple only, besides bytes: their blocks are all there, so they may go together, and their length is known.
inline bool is_sequence(PyObject* result) { return PyList_CheckExact(result) || PyTuple_CheckExact(result); }

// What Blocks::Any allows for one.
inline bool is_block(PyObject* object) { return PyUnicode_Check(object) || is_bytes_like(object); }

// A block as a bytes object, a new one only when it is converted. Empty with the error set.
PyRef block_bytes(PyObject* block, Blocks allowed);

// These are false with the Python error set. answer_whole() is for bytes and is_sequence().
[[nodiscard]] bool answer_whole(Reply& reply, PyObject* result, Blocks allowed);
[[nodiscard]] bool answer_blocks(Reply& reply, PyObject* result, Blocks allowed);
// The end of a body of which every block was handed over.
[[nodiscard]] bool conclude(Reply& reply);

// close() of what the application returned: once, whatever happened before, and without an error set.
void close_iterable(PyObject* result, const wire::RequestView& request);

// The error that is set ends the request, but never the worker. No error is set afterwards.
void fail_reply(Reply& reply);

}  // namespace prefork::bridge
