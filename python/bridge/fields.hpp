// The headers of an application's reply: checked, and kept as views into bytes objects that are kept alive. GIL held.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "python/bridge/ref.hpp"
#include "shm/wire/reply_head.hpp"

namespace prefork::bridge {

// The room that the head of one reply has. The master takes heads of a MiB and replaces a worker that sends more: an application's
// mistake must stay an exception.
class HeadRoom {
 public:
  // These are false with the error set when there is no more.
  [[nodiscard]] bool take(const wire::ReplyField& field);
  [[nodiscard]] bool take(std::string_view reason);
  void clear() { bytes_ = 0; }

 private:
  [[nodiscard]] bool take_bytes(std::size_t bytes);
  std::size_t bytes_ = 0;  // that the head takes in a record
};

class ReplyFields {
 public:
  ReplyFields() = default;
  ~ReplyFields() { clear(); }
  ReplyFields(const ReplyFields&) = delete;
  ReplyFields& operator=(const ReplyFields&) = delete;

  // Adds any iterable of [name, value] pairs of bytes. Fields that are the server's own business are left out. False with the error set.
  [[nodiscard]] bool take(PyObject* headers);
  // Adds one field, of which name and value may be str or bytes; add_all() an iterable of such pairs. False with the error set.
  [[nodiscard]] bool add(PyObject* name, PyObject* value);
  [[nodiscard]] bool add_all(PyObject* headers);
  // Adds a field whose value is checked. False with the error set.
  [[nodiscard]] bool take_value(std::string_view name, wire::Name id, PyObject* value);
  void clear();

  const std::vector<wire::ReplyField>& fields() const { return fields_; }
  bool has(wire::Name id) const;
  bool close() const { return close_; }  // Connection: close was among them
  std::optional<std::uint64_t> length() const { return length_; }

 private:
  [[nodiscard]] bool take_pair(PyObject* name, PyObject* value);
  [[nodiscard]] bool take_known(PyObject* name, PyObject* value, std::string_view text);
  [[nodiscard]] static bool refuse_value(PyObject* name, PyObject* value);
  [[nodiscard]] bool push(const wire::ReplyField& field);
  void keep(PyObject* object);

  std::vector<wire::ReplyField> fields_;
  std::vector<PyObject*> owned_;
  HeadRoom room_;
  bool close_ = false;
  std::optional<std::uint64_t> length_;
};

// Visible characters, spaces, tabs and obs-text (RFC 9110 5.5): CR, LF and NUL would let a value write lines of its own.
bool is_field_value(std::string_view text);

// Whether `close` is among the options of a Connection field.
bool lists_close(std::string_view list);

// A Content-Length. False, with no error set, when it is no number.
[[nodiscard]] bool parse_length(std::string_view text, std::uint64_t& length);

}  // namespace prefork::bridge
