#include "python/bridge/wsgi/environ.hpp"

#include <charconv>
#include <cstdlib>
#include <stdexcept>

#include "python/bridge/bytes.hpp"
#include "python/bridge/wsgi/errors.hpp"
#include "version.hpp"
#include "worker/clock.hpp"

namespace prefork::bridge::wsgi {
namespace {

using wire::Name;

constexpr std::array<const char*, 14> kSlotNames{
    "REQUEST_METHOD", "SCRIPT_NAME",     "PATH_INFO",          "QUERY_STRING",      "SERVER_NAME",
    "SERVER_PORT",    "SERVER_PROTOCOL", "wsgi.url_scheme",    "REMOTE_ADDR",       "REMOTE_PORT",
    "RAW_URI",        "REQUEST_URI",     "prefork.request_id", "prefork.queue_time"};

void must(bool ok) {
  if (!ok) throw std::runtime_error("Python has no memory for an environ");
}

void set(PyObject* dict, const char* key, PyRef value) {
  const PyRef name = PyRef::steal(interned(key));
  must(value && PyDict_SetItem(dict, name.get(), value.get()) == 0);
}

// "kit.example:8080" and "[::1]:8080" apart; the port is empty when there is none.
void split_host(std::string_view host, std::string_view& name, std::string_view& port) {
  const auto bracket = host.rfind(']');
  const auto colon = host.rfind(':');
  const bool has_port = colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
  name = has_port ? host.substr(0, colon) : host;
  port = has_port ? host.substr(colon + 1) : std::string_view{};
}

std::string_view protocol_of(std::uint8_t version) {
  return version == 11 ? "HTTP/1.1" : version == 10 ? "HTTP/1.0" : "HTTP/2";
}

}  // namespace

EnvironFacts::EnvironFacts(const wire::Settings& settings, unsigned threads, PyObject* file_wrapper) {
  common_ = PyRef::steal(PyDict_New());
  must(bool(common_));
  PyObject* const dict = common_.get();
  // Every key that every environ has, so that the copy has its final size from the start.
  for (const char* name : kSlotNames) set(dict, name, latin1(""));
  set(dict, "SERVER_SOFTWARE", latin1("prefork/" PREFORK_VERSION));
  set(dict, "wsgi.version", PyRef::steal(Py_BuildValue("(ii)", 1, 0)));
  set(dict, "wsgi.errors", new_errors());
  set(dict, "wsgi.multithread", PyRef::borrow(threads > 1 ? Py_True : Py_False));
  set(dict, "wsgi.multiprocess",
      PyRef::borrow(settings.number("workers", 1) > 1 || settings.flag("multiprocess") ? Py_True : Py_False));
  set(dict, "wsgi.run_once", PyRef::borrow(Py_False));
  set(dict, "wsgi.input_terminated", PyRef::borrow(Py_True));
  set(dict, "wsgi.file_wrapper", PyRef::borrow(file_wrapper));
  set(dict, "prefork.worker", PyRef::steal(PyLong_FromLong(settings.number("worker_id", 1))));
  const char* const variable = std::getenv("SCRIPT_NAME");
  script_name_ = settings.get("root_path", variable != nullptr ? variable : "");
  while (!script_name_.empty() && script_name_.back() == '/') script_name_.pop_back();
  const auto hooks = settings.get("hooks");
  lists_fields_ = hooks.find("pre_request") != hooks.npos || hooks.find("post_request") != hooks.npos;
}

PyRef EnvironFacts::new_template() const { return PyRef::steal(PyDict_Copy(common_.get())); }

Environ::Environ(const EnvironFacts& facts, const Handles& handles) : facts_(facts), template_(facts.new_template()) {
  static_assert(kSlotNames.size() == kSlots);
  must(bool(template_));
  for (std::size_t i = 0; i < kSlots; ++i) {
    keys_[i] = PyRef::steal(interned(kSlotNames[i]));
    values_[i] = PyDict_GetItem(template_.get(), keys_[i].get());
  }
  set(template_.get(), "wsgi.input", PyRef::borrow(handles.input_object()));
  set(template_.get(), "wsgi.early_hints", PyRef::borrow(handles.early_hints()));
  set(template_.get(), "prefork.client_disconnected", PyRef::borrow(handles.client_disconnected()));
}

bool Environ::put_object(Slot slot, PyRef value) {
  if (!value || PyDict_SetItem(template_.get(), keys_[slot].get(), value.get()) != 0) return false;
  values_[slot] = value.get();
  return true;
}

bool Environ::put(Slot slot, std::string_view text) {
  return holds(values_[slot], text) || put_object(slot, latin1(text));
}

bool Environ::put_number(Slot slot, unsigned& last, unsigned number) {
  if (last == number && number != 0) return true;
  std::array<char, 12> text{};
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), number);
  (void)error;
  last = number;
  return put(slot, {text.data(), static_cast<std::size_t>(end - text.data())});
}

bool Environ::put_method(const wire::RequestView& request) {
  const auto id = static_cast<wire::Method>(request.head().method);
  if (id == wire::Method::Unknown) return put(Method, request.text(request.head().method_name));
  PyObject* const method = names().method(id);
  return values_[Method] == method || put_object(Method, PyRef::borrow(method));
}

// SCRIPT_NAME ends where a segment of the path ends: "/app" is no prefix of "/apple".
bool Environ::put_path(const wire::RequestView& request, bool& mismatch) {
  std::string_view script = request.text(request.head().script_name);
  if (script.empty()) script = facts_.script_name();
  while (!script.empty() && script.back() == '/') script.remove_suffix(1);
  std::string_view path = request.text(request.head().path);
  if (!script.empty()) {
    if (path.substr(0, script.size()) != script || (path.size() > script.size() && path[script.size()] != '/')) {
      mismatch = true;
      return false;
    }
    path.remove_prefix(script.size());
  }
  return put(ScriptName, script) && put(PathInfo, path);
}

bool Environ::put_peers(const wire::RequestView& request) {
  const auto& head = request.head();
  if ((head.flags & wire::kUnixPeer) == 0) {
    return put(RemoteAddr, request.text(head.client)) && put_number(RemotePort, client_port_, head.client_port) &&
           put(ServerName, head.server.length != 0 ? request.text(head.server) : "localhost") &&
           put_number(ServerPort, server_port_, head.server_port);
  }
  // Behind a unix socket only the client knows which server it asked for.
  std::string_view name, port;
  split_host(request.text(head.host), name, port);
  client_port_ = server_port_ = 0;
  return put(RemoteAddr, "") && put(RemotePort, "") && put(ServerName, name.empty() ? "localhost" : name) &&
         put(ServerPort, !port.empty()                        ? port
                         : head.scheme == wire::Scheme::Https ? "443"
                                                              : "80");
}

bool Environ::put_target(const wire::RequestView& request) {
  const auto target = request.text(request.head().target);
  if (holds(values_[RawUri], target)) return true;
  PyRef text = latin1(target);
  return text && put_object(RawUri, text.share()) && put_object(RequestUri, std::move(text));
}

// Seconds from the whole head's arrival to the moment that the application is called.
bool Environ::put_queue_time(const wire::RequestView& request) {
  const auto arrived = request.head().arrived_ns;
  const auto now = worker::precise_ns();
  return put_object(QueueTime, PyRef::steal(PyFloat_FromDouble(
                                   arrived == 0 || now < arrived ? 0.0 : static_cast<double>(now - arrived) * 1e-9)));
}

bool Environ::put_header(std::uint16_t id, std::string_view value) {
  PyObject* const key = names().environ_key(id);
  if (key == nullptr) return true;
  PyRef text;
  if (seen_.test(id)) {
    // A field that came twice is one value; cookies have a separator of their own (RFC 6265 5.4).
    const char* const form = id == static_cast<std::uint16_t>(Name::Cookie) ? "%U; %U" : "%U,%U";
    const PyRef more = latin1(value);
    if (more) text = PyRef::steal(PyUnicode_FromFormat(form, headers_[id], more.get()));
  } else {
    seen_.set(id);
    if (in_template_.test(id) && holds(headers_[id], value)) return true;
    text = latin1(value);
  }
  if (!text || PyDict_SetItem(template_.get(), key, text.get()) != 0) return false;
  in_template_.set(id);
  headers_[id] = text.get();
  return true;
}

bool Environ::drop_stale() {
  const auto stale = in_template_ & ~seen_;
  if (stale.none()) return true;
  for (std::size_t id = stale._Find_first(); id < kNameCount; id = stale._Find_next(id)) {
    headers_[id] = nullptr;
    in_template_.reset(id);
    if (PyDict_DelItem(template_.get(), names().environ_key(static_cast<std::uint16_t>(id))) != 0) return false;
  }
  return true;
}

bool Environ::put_unknown(PyObject* environ, const wire::RequestView& request) {
  std::string name;
  for (std::size_t i = 0; unknown_ != 0 && i < request.head().field_count; ++i) {
    const auto field = request.field(i);
    if (field.name_id != 0) continue;
    --unknown_;
    if (!environ_key(request.name(field), name)) continue;
    const PyRef key = latin1(name);
    PyRef value = latin1(request.value(field));
    if (!key || !value) return false;
    if (PyObject* const before = PyDict_GetItemWithError(environ, key.get()); before != nullptr) {
      value = PyRef::steal(PyUnicode_FromFormat("%U,%U", before, value.get()));
    } else if (PyErr_Occurred() != nullptr) {
      return false;
    }
    if (!value || PyDict_SetItem(environ, key.get(), value.get()) != 0) return false;
  }
  return true;
}

bool Environ::put_fields(PyObject* environ, const wire::RequestView& request) {
  const auto count = request.head().field_count;
  const PyRef fields = PyRef::steal(PyList_New(static_cast<Py_ssize_t>(count)));
  if (!fields) return false;
  std::string name;
  for (std::size_t i = 0; i < count; ++i) {
    const auto field = request.field(i);
    name.assign(request.name(field));
    for (char& c : name) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 0x20) : c;
    const PyRef key = latin1(name);
    const PyRef value = latin1(request.value(field));
    PyObject* const pair = key && value ? PyTuple_Pack(2, key.get(), value.get()) : nullptr;
    if (pair == nullptr) return false;
    PyList_SET_ITEM(fields.get(), static_cast<Py_ssize_t>(i), pair);
  }
  return PyDict_SetItemString(environ, "prefork.fields", fields.get()) == 0;
}

PyRef Environ::build(const wire::RequestView& request, bool& mismatch) {
  const auto& head = request.head();
  seen_.reset();
  unknown_ = 0;
  for (std::size_t i = 0; i < head.field_count; ++i) {
    const auto field = request.field(i);
    if (field.name_id == 0) {
      ++unknown_;
    } else if (!put_header(field.name_id, request.value(field))) {
      return {};
    }
  }
  const bool put_all = drop_stale() && put_method(request) && put_path(request, mismatch) &&
                       put(Query, request.text(head.query)) && put_peers(request) &&
                       put(Protocol, protocol_of(head.http_version)) &&
                       put(Scheme, head.scheme == wire::Scheme::Https ? "https" : "http") && put_target(request) &&
                       put(RequestId, request.text(head.request_id)) && put_queue_time(request);
  if (!put_all) return {};
  PyRef environ = PyRef::steal(PyDict_Copy(template_.get()));
  if (!environ || (unknown_ != 0 && !put_unknown(environ.get(), request))) return {};
  if (facts_.lists_fields() && !put_fields(environ.get(), request)) return {};
  return environ;
}

}  // namespace prefork::bridge::wsgi
