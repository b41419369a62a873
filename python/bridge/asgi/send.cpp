// What send() takes for an HTTP response, and the records that it becomes.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "python/bridge/asgi/http.hpp"
#include "python/bridge/asgi/loop.hpp"
#include "python/bridge/asgi/message.hpp"
#include "python/bridge/asgi/scope.hpp"
#include "python/bridge/bytes.hpp"
#include "python/bridge/error.hpp"
#include "python/bridge/log.hpp"
#include "python/bridge/names.hpp"
#include "python/bridge/signals.hpp"

namespace prefork::bridge::asgi {
namespace {

constexpr std::string_view kPrefix = "http.response.";

// An int of a message that is not negative. False with the error set; `value` stays as it is when the key is missing.
bool take_number(PyObject* message, PyObject* key, std::uint64_t& value, bool& there) {
  PyObject* const number = message_get(message, key);
  there = number != nullptr;
  if (!there) return PyErr_Occurred() == nullptr;
  value = PyLong_AsUnsignedLongLong(number);
  return value != static_cast<unsigned long long>(-1) || PyErr_Occurred() == nullptr;
}

}  // namespace

void ResponseWriter::begin(std::uint16_t status) {
  status_ = status;
  started_ = true;
}

void ResponseWriter::body_is(PyRef bytes, bool more) {
  body_ = std::move(bytes);
  body_left_ = body_ ? bytes_of(body_.get()) : std::span<const std::byte>{};
  take_last(more);
}

void ResponseWriter::file_is(shm::UniqueFd fd, std::uint64_t offset, std::uint64_t length) {
  (void)take_file(std::move(fd), offset, length, false);
}

bool ResponseWriter::start(PyObject* message) {
  static PyObject* const kStatus = interned("status");
  static PyObject* const kHeaders = interned("headers");
  static PyObject* const kTrailers = interned("trailers");
  if (started_) return unexpected_message("http.response.start", "the response has started already");
  PyObject* const status = message_get(message, kStatus);
  if (status == nullptr || !PyLong_Check(status)) {
    if (PyErr_Occurred() == nullptr)
      PyErr_SetString(PyExc_TypeError, "http.response.start must have a status that is an int");
    return false;
  }
  const long number = PyLong_AsLong(status);
  if (number < 200 || number > 999) {
    if (PyErr_Occurred() == nullptr) PyErr_Format(PyExc_ValueError, "%ld is no status of a final response", number);
    return false;
  }
  const auto trailers = message_flag(message, kTrailers);
  if (!trailers) return false;
  PyObject* const headers = message_get(message, kHeaders);
  if (PyErr_Occurred() != nullptr || (headers != nullptr && !fields_.take(headers))) {
    fields_.clear();
    return false;
  }
  status_ = static_cast<std::uint16_t>(number);
  wants_trailers_ = *trailers;
  started_ = true;
  return true;
}

bool ResponseWriter::expect_body(const char* type) {
  if (!started_) return unexpected_message(type, "http.response.start must come first");
  if (body_over_)
    return unexpected_message(type, complete_ ? "the response is complete" : "http.response.trailers must follow");
  return true;
}

bool ResponseWriter::take_bytes(PyObject* body) {
  body_ = PyBytes_CheckExact(body) ? PyRef::borrow(body) : PyRef{};
  if (!body_) {
    if (!is_bytes_like(body)) {
      PyErr_Format(PyExc_TypeError, "a body must be bytes, not %.100s", Py_TYPE(body)->tp_name);
      return false;
    }
    body_ = PyRef::steal(PyBytes_FromObject(body));  // what can change is copied: some of it may go later
    if (!body_) return false;
  }
  body_left_ = bytes_of(body_.get());
  return true;
}

void ResponseWriter::take_last(bool more) {
  head_due_ = true;
  if (more) return;
  body_over_ = true;
  complete_ = !wants_trailers_;
}

bool ResponseWriter::body(PyObject* message) {
  static PyObject* const kBody = interned("body");
  static PyObject* const kMoreBody = interned("more_body");
  if (!expect_body("http.response.body")) return false;
  PyObject* const body = message_get(message, kBody);
  const auto more = PyErr_Occurred() == nullptr ? message_flag(message, kMoreBody) : std::nullopt;
  if (!more || (body != nullptr && !take_bytes(body))) return false;
  take_last(*more);
  return true;
}

bool ResponseWriter::trailers(PyObject* message) {
  static PyObject* const kHeaders = interned("headers");
  static PyObject* const kMoreTrailers = interned("more_trailers");
  if (!body_over_ || !wants_trailers_)
    return unexpected_message("http.response.trailers", "it was not announced, or the body is not over");
  if (complete_) return unexpected_message("http.response.trailers", "the response is complete");
  PyObject* const headers = message_get(message, kHeaders);
  const auto more = PyErr_Occurred() == nullptr ? message_flag(message, kMoreTrailers) : std::nullopt;
  if (!more || (headers != nullptr && !trailer_fields_.take(headers))) return false;
  complete_ = !*more;
  trailers_due_ = complete_;
  return true;
}

bool ResponseWriter::take_file(shm::UniqueFd fd, std::uint64_t offset, std::uint64_t length, bool more) {
  if (length != 0) {
    file_ = std::move(fd);
    file_offset_ = offset;
    file_length_ = length;
    file_left_ = true;
  }
  take_last(more);
  return true;
}

bool ResponseWriter::pathsend(PyObject* message) {
  static PyObject* const kPath = interned("path");
  if (!expect_body("http.response.pathsend")) return false;
  PyObject* const path = message_get(message, kPath);
  if (path == nullptr) {
    if (PyErr_Occurred() == nullptr) PyErr_SetString(PyExc_ValueError, "http.response.pathsend must have a path");
    return false;
  }
  PyObject* encoded = nullptr;
  if (PyUnicode_FSConverter(path, &encoded) == 0) return false;
  const PyRef owned = PyRef::steal(encoded);
  // Without O_NONBLOCK a FIFO would hold the event loop until somebody writes to it.
  shm::UniqueFd fd(::open(PyBytes_AS_STRING(encoded), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat facts {};
  if (fd.get() < 0 || ::fstat(fd.get(), &facts) != 0) {
    PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
    return false;
  }
  if (!S_ISREG(facts.st_mode)) {
    PyErr_Format(PyExc_ValueError, "http.response.pathsend: %.200R is no regular file", path);
    return false;
  }
  return take_file(std::move(fd), 0, static_cast<std::uint64_t>(facts.st_size), false);
}

bool ResponseWriter::zerocopysend(PyObject* message) {
  static PyObject* const kFile = interned("file");
  static PyObject* const kOffset = interned("offset");
  static PyObject* const kCount = interned("count");
  static PyObject* const kMoreBody = interned("more_body");
  if (!expect_body("http.response.zerocopysend")) return false;
  PyObject* const file = message_get(message, kFile);
  if (file == nullptr) {
    if (PyErr_Occurred() == nullptr) PyErr_SetString(PyExc_ValueError, "http.response.zerocopysend must have a file");
    return false;
  }
  const int theirs = PyObject_AsFileDescriptor(file);
  if (theirs < 0) return false;
  std::uint64_t offset = 0, count = 0;
  bool has_offset = false, has_count = false;
  if (!take_number(message, kOffset, offset, has_offset) || !take_number(message, kCount, count, has_count))
    return false;
  const auto more = message_flag(message, kMoreBody);
  if (!more) return false;
  struct stat facts {};
  if (::fstat(theirs, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    PyErr_SetString(PyExc_ValueError, "http.response.zerocopysend: the file is no regular file");
    return false;
  }
  if ((::fcntl(theirs, F_GETFL) & O_ACCMODE) == O_WRONLY) {
    PyErr_SetString(PyExc_ValueError, "http.response.zerocopysend: the file is not open for reading");
    return false;
  }
  if (!has_offset) {
    const off_t at = ::lseek(theirs, 0, SEEK_CUR);
    offset = at < 0 ? 0 : static_cast<std::uint64_t>(at);
  }
  const auto size = static_cast<std::uint64_t>(facts.st_size);
  const auto left = size - std::min(size, offset);
  count = has_count ? std::min(count, left) : left;
  // The application may close its own at any time.
  shm::UniqueFd ours(::fcntl(theirs, F_DUPFD_CLOEXEC, 3));
  if (ours.get() < 0) {
    PyErr_SetFromErrno(PyExc_OSError);
    return false;
  }
  if (!has_offset)
    (void)::lseek(theirs, static_cast<off_t>(offset + count), SEEK_SET);  // as reading it would have done
  return take_file(std::move(ours), offset, count, *more);
}

void ResponseWriter::replace_by(std::uint16_t status) {
  fields_.clear();
  trailer_fields_.clear();
  static PyObject* const kText = PyBytes_FromString("text/plain; charset=utf-8");
  static PyObject* const kServerError = PyBytes_FromString("Internal Server Error");
  static PyObject* const kForbidden = PyBytes_FromString("Forbidden");
  static PyObject* const kUnavailable = PyBytes_FromString("Service Unavailable");
  (void)fields_.take_value("Content-Type", wire::Name::ContentType, kText);
  body_ = PyRef::borrow(status == 403 ? kForbidden : status == 503 ? kUnavailable : kServerError);
  body_left_ = bytes_of(body_.get());
  file_left_ = wants_trailers_ = trailers_due_ = false;
  status_ = status;
  started_ = head_due_ = body_over_ = complete_ = true;
}

void ResponseWriter::drop() {
  body_left_ = {};
  body_.reset();
  file_ = {};
  file_left_ = trailers_due_ = false;
}

ResponseWriter::Flushed ResponseWriter::flush(Loop& loop, worker::StreamId id, std::uint64_t& credit, bool& sent_end) {
  auto& outbox = loop.outbox();
  std::size_t taken = 0;
  if (head_due_ && !head_out_) {
    const bool end = complete_ && !file_left_ && !trailers_due_;
    const auto flags = static_cast<std::uint8_t>((fields_.close() ? wire::kReplyClose : 0) |
                                                 (wants_trailers_ ? wire::kReplyTrailers : 0));
    if (!outbox.try_head(id, {status_, flags, {}, fields_.fields()}, body_left_, end, credit, taken))
      return Flushed::NoRoom;
    head_out_ = true;
    credit -= taken;
    end_out_ = end && taken == body_left_.size();
    body_left_ = body_left_.subspan(taken);
    if (!end_out_) loop.ring();
  }
  while (!body_left_.empty()) {
    const bool end = complete_ && !file_left_ && !trailers_due_;
    if (!outbox.try_body(id, body_left_, end, credit, taken)) return Flushed::NoRoom;
    if (taken == 0) return Flushed::NoCredit;
    credit -= taken;
    end_out_ = end && taken == body_left_.size();
    body_left_ = body_left_.subspan(taken);
    if (!end_out_) loop.ring();
  }
  body_.reset();
  if (file_left_) {
    const bool end = complete_ && !trailers_due_;
    if (!outbox.has_room_for_descriptor(id)) return Flushed::NoRoom;
    std::uint32_t serial = 0;
    if (!loop.context().send_fd(file_.get(), serial)) return Flushed::NoDescriptor;
    if (!outbox.try_file(id, {file_offset_, file_length_, serial, 0}, end)) return Flushed::NoRoom;
    file_left_ = false;
    file_ = {};
    end_out_ = end;
    loop.ring();
  }
  if (trailers_due_) {
    if (!outbox.try_trailers(id, trailer_fields_.fields())) return Flushed::NoRoom;
    trailers_due_ = false;
  }
  if (complete_ && !end_out_) {
    if (!outbox.try_body(id, {}, true, 0, taken)) return Flushed::NoRoom;
    end_out_ = true;
  }
  sent_end = end_out_;
  return Flushed::All;
}

Step Http::take_message(PyObject* message) {
  const auto type = message_type(message);
  if (!type) return Step::Error;
  if (gone_) return refuse_gone(), Step::Error;
  if (ended_) return unexpected_message(*type, "the response is complete"), Step::Error;
  if (breaking_ || response_.pending()) return Step::Wait;  // another task's message is still on its way
  const bool response = type->substr(0, kPrefix.size()) == kPrefix;
  const auto kind = response ? type->substr(kPrefix.size()) : std::string_view{};
  bool taken = false;
  if (kind == "start") {
    taken = response_.start(message);
  } else if (kind == "body") {
    taken = response_.body(message);
  } else if (kind == "trailers") {
    taken = response_.trailers(message);
  } else if (kind == "pathsend") {
    taken = response_.pathsend(message);
  } else if (kind == "zerocopysend") {
    taken = response_.zerocopysend(message);
  } else if (kind == "early_hint") {
    return send_hint(message);
  } else {
    taken = unexpected_message(*type, "an HTTP response has no such message");
  }
  if (!taken) return Step::Error;
  return Step::Done;
}

Step Http::send_hint(PyObject* message) {
  static PyObject* const kLinks = interned("links");
  if (response_.head_out())
    return unexpected_message("http.response.early_hint", "the response has begun"), Step::Error;
  PyObject* const links = message_get(message, kLinks);
  const PyRef list = links != nullptr ? PyRef::steal(PySequence_Tuple(links)) : PyRef{};
  if (!list) {
    if (PyErr_Occurred() == nullptr) PyErr_SetString(PyExc_ValueError, "http.response.early_hint must have links");
    return Step::Error;
  }
  ReplyFields fields;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(list.get()); ++i) {
    if (!fields.take_value("Link", wire::Name::Link, PyTuple_GET_ITEM(list.get(), i))) return Step::Error;
  }
  if (job_.view.head().http_version == 10) return Step::Done;  // RFC 9110 15.2: no 1xx for HTTP/1.0
  if (!loop_.outbox().try_interim(id(), {103, 0, "Early Hints", fields.fields()})) return starved();
  loop_.ring();
  return Step::Done;
}

// A middleware that holds the start back until a body comes, and knows no other messages, swallows a file.
std::string Http::reason_for_silence() const {
  if (response_.started() || !sends_files(loop_.context().settings())) return {};
  return "; a middleware that does not know http.response.pathsend? See --no-sendfile";
}

Step HttpConversation::flush() {
  if (gone_) return refuse_gone(), Step::Error;
  if (ended_ || !response_.pending()) return Step::Done;
  bool sent_end = false;
  switch (response_.flush(loop_, id(), stream().send_credit, sent_end)) {
    case ResponseWriter::Flushed::NoRoom: return starved();
    case ResponseWriter::Flushed::NoCredit: return Step::Wait;
    case ResponseWriter::Flushed::NoDescriptor: loop_.try_again_soon(*this); return Step::Wait;
    case ResponseWriter::Flushed::All: break;
  }
  if (sent_end) end();
  return Step::Done;
}

void HttpConversation::conclude(bool failed) {
  if (response_.complete()) return;               // what is left of it goes when there is room
  const bool told_of_end = stream().half_closed;  // it may well leave it at that
  if (response_.head_out()) {
    if (!failed && !told_of_end) {
      log(Level::Error,
          std::string(interface_name()) + " application returned without completing its response: " + description());
    }
    response_.drop();
    return break_off();
  }
  if (!failed && !told_of_end)
    log(Level::Error, std::string(interface_name()) + " application returned without a response: " + description() +
                          reason_for_silence());
  response_.replace_by(quitting() ? 503 : 500);
  if (flush() == Step::Error) PyErr_Clear();
}

}  // namespace prefork::bridge::asgi
