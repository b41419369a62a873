#include "python/bridge/asgi/scope.hpp"

#include <cstdlib>
#include <initializer_list>
#include <stdexcept>

#include "python/bridge/bytes.hpp"
#include "python/bridge/names.hpp"
#include "shm/wire/characters.hpp"

namespace prefork::bridge::asgi {
namespace {

using wire::Name;

struct Keys {
  PyObject* type = interned("type");
  PyObject* asgi = interned("asgi");
  PyObject* http_version = interned("http_version");
  PyObject* server = interned("server");
  PyObject* client = interned("client");
  PyObject* scheme = interned("scheme");
  PyObject* method = interned("method");
  PyObject* root_path = interned("root_path");
  PyObject* path = interned("path");
  PyObject* raw_path = interned("raw_path");
  PyObject* query_string = interned("query_string");
  PyObject* headers = interned("headers");
  PyObject* state = interned("state");
  PyObject* extensions = interned("extensions");
  PyObject* subprotocols = interned("subprotocols");
  PyObject* http = interned("http");
  PyObject* https = interned("https");
  PyObject* websocket = interned("websocket");
  PyObject* ws = interned("ws");
  PyObject* wss = interned("wss");
  PyObject* v10 = interned("1.0");
  PyObject* v11 = interned("1.1");
  PyObject* v2 = interned("2");
};

const Keys& keys() {
  static const Keys table;
  return table;
}

bool put(const PyRef& dict, PyObject* key, const PyRef& value) {
  return value && PyDict_SetItem(dict.get(), key, value.get()) == 0;
}
bool put(const PyRef& dict, PyObject* key, PyObject* value) { return PyDict_SetItem(dict.get(), key, value) == 0; }

PyRef empty_dicts(std::initializer_list<const char*> names) {
  PyRef dict = PyRef::steal(PyDict_New());
  for (const char* name : names) {
    const PyRef value = PyRef::steal(PyDict_New());
    if (!dict || !put(dict, interned(name), value)) throw std::runtime_error("Python has no memory for a scope");
  }
  return dict;
}

PyRef pair(std::string_view address, PyRef second) {
  PyRef first = latin1(address);
  if (!first || !second) return {};
  return PyRef::steal(PyTuple_Pack(2, first.get(), second.get()));
}

PyRef method_of(const wire::RequestView& request) {
  const auto id = static_cast<wire::Method>(request.head().method);
  return id == wire::Method::Unknown ? latin1(request.text(request.head().method_name))
                                     : PyRef::borrow(names().method(id));
}

PyRef client_of(const wire::RequestView& request) {
  const auto& head = request.head();
  if (head.client.length == 0) return PyRef::borrow(Py_None);
  return pair(request.text(head.client), PyRef::steal(PyLong_FromLong(head.client_port)));
}

PyRef lower_name(std::string_view name) {
  PyRef bytes = new_bytes(name);
  if (!bytes) return {};
  char* const text = PyBytes_AS_STRING(bytes.get());
  for (std::size_t i = 0; i < name.size(); ++i) {
    text[i] = wire::lower(text[i]);
  }
  return bytes;
}

// Every name of every Sec-WebSocket-Protocol line, in order.
PyRef subprotocols(const wire::RequestView& request) {
  PyRef list = PyRef::steal(PyList_New(0));
  for (std::size_t i = 0; list && i < request.head().field_count; ++i) {
    const auto field = request.field(i);
    if (field.name_id != static_cast<std::uint16_t>(Name::SecWebSocketProtocol)) continue;
    wire::for_each_member(request.value(field), [&](std::string_view name) {
      const PyRef text = list ? latin1(name) : PyRef{};
      if (!text || PyList_Append(list.get(), text.get()) != 0) list.reset();
    });
  }
  return list;
}

}  // namespace

bool sends_files(const wire::Settings& settings) { return settings.get("sendfile", "1") == "1"; }

Scopes::Scopes(const wire::Settings& settings, PyRef state) : state_(std::move(state)) {
  asgi_ = PyRef::steal(Py_BuildValue("{s:s,s:s}", "version", "3.0", "spec_version", "2.5"));
  http_ = empty_dicts({"http.response.early_hint"});
  trailers_ = empty_dicts({"http.response.early_hint", "http.response.trailers"});
  if (sends_files(settings)) {
    const PyRef files = empty_dicts({"http.response.pathsend", "http.response.zerocopysend"});
    if (PyDict_Update(http_.get(), files.get()) != 0 || PyDict_Update(trailers_.get(), files.get()) != 0)
      throw std::runtime_error("Python has no memory for a scope");
  }
  websocket_ = empty_dicts({"websocket.http.response"});
  const char* const variable = std::getenv("SCRIPT_NAME");
  root_path_text_ = settings.get("root_path");
  if (root_path_text_.empty() && variable != nullptr) root_path_text_ = variable;
  while (!root_path_text_.empty() && root_path_text_.back() == '/') root_path_text_.pop_back();
  root_path_ = utf8(root_path_text_);
  if (!asgi_ || !root_path_) throw std::runtime_error("Python has no memory for a scope");
}

PyRef Scopes::headers(const wire::RequestView& request) {
  const auto count = request.head().field_count;
  PyRef list = PyRef::steal(PyList_New(count));
  for (std::size_t i = 0; list && i < count; ++i) {
    const auto field = request.field(i);
    PyRef name =
        field.name_id != 0 ? PyRef::borrow(names().lower_bytes(field.name_id)) : lower_name(request.name(field));
    PyRef value = new_bytes(request.value(field));
    PyObject* const item = name && value ? PyTuple_New(2) : nullptr;
    if (item == nullptr) return {};
    PyTuple_SET_ITEM(item, 0, name.release());
    PyTuple_SET_ITEM(item, 1, value.release());
    PyList_SET_ITEM(list.get(), static_cast<Py_ssize_t>(i), item);
  }
  return list;
}

PyRef Scopes::server(const wire::RequestView& request) {
  const auto& head = request.head();
  const auto name = request.text(head.server);
  if (!server_ || server_port_ != head.server_port || server_name_ != name) {
    PyRef port =
        (head.flags & wire::kUnixPeer) != 0 ? PyRef::borrow(Py_None) : PyRef::steal(PyLong_FromLong(head.server_port));
    server_ = pair(name, std::move(port));
    server_name_ = name;
    server_port_ = head.server_port;
  }
  return server_.share();
}

PyRef Scopes::root_path(const wire::RequestView& request) {
  std::string_view text = request.text(request.head().script_name);
  while (!text.empty() && text.back() == '/') text.remove_suffix(1);
  return text.empty()
             ? root_path_.share()
             : PyRef::steal(PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "replace"));
}

// The path has the root path in front: a proxy may have passed it on or taken it off.
PyRef Scopes::path(const wire::RequestView& request, PyObject* root) {
  const auto text = request.text(request.head().path);
  PyRef path = PyRef::steal(PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "replace"));
  if (!path || PyUnicode_GET_LENGTH(root) == 0) return path;
  const Py_ssize_t length = PyUnicode_GET_LENGTH(root);
  const Py_ssize_t begins = PyUnicode_Tailmatch(path.get(), root, 0, length, -1);
  if (begins < 0) return {};
  const bool there =
      begins == 1 && (PyUnicode_GET_LENGTH(path.get()) == length || PyUnicode_ReadChar(path.get(), length) == '/');
  return there ? std::move(path) : PyRef::steal(PyUnicode_Concat(root, path.get()));
}

PyRef Scopes::extensions(const wire::RequestView& request, bool websocket) {
  const auto& head = request.head();
  const bool trailers = (head.flags & wire::kTrailersAccepted) != 0 && head.http_version != 10;
  return PyRef::steal(PyDict_Copy((websocket ? websocket_ : trailers ? trailers_ : http_).get()));
}

PyRef Scopes::build(const wire::RequestView& request) {
  const auto& head = request.head();
  const auto& key = keys();
  const bool websocket = (head.flags & wire::kWebSocket) != 0;
  const bool secure = head.scheme == wire::Scheme::Https;
  PyRef scope = PyRef::steal(PyDict_New());
  const PyRef root = root_path(request);
  if (!scope || !root) return {};
  const bool built =
      put(scope, key.type, websocket ? key.websocket : key.http) &&
      put(scope, key.asgi, PyRef::steal(PyDict_Copy(asgi_.get()))) &&
      put(scope, key.http_version,
          head.http_version == 11   ? key.v11
          : head.http_version == 10 ? key.v10
                                    : key.v2) &&
      put(scope, key.server, server(request)) && put(scope, key.client, client_of(request)) &&
      put(scope, key.scheme, websocket ? (secure ? key.wss : key.ws) : (secure ? key.https : key.http)) &&
      put(scope, key.root_path, root) && put(scope, key.path, path(request, root.get())) &&
      put(scope, key.raw_path, new_bytes(request.text(head.raw_path))) &&
      put(scope, key.query_string, new_bytes(request.text(head.query))) && put(scope, key.headers, headers(request)) &&
      put(scope, key.state, PyRef::steal(PyDict_Copy(state_.get()))) &&
      put(scope, key.extensions, extensions(request, websocket)) &&
      (websocket ? put(scope, key.subprotocols, subprotocols(request)) : put(scope, key.method, method_of(request)));
  return built ? std::move(scope) : PyRef{};
}

}  // namespace prefork::bridge::asgi
