// A request as a WSGI environ: a copy of a template dict. The template keeps what the last request through it had, so a value that
// comes again (address, host, browser headers on a kept connection) costs a comparison, and a known name is never hashed or made.
// One template for one Handles; GIL held.
//
// Invariant: the template holds, of the names in wire/names.hpp, exactly those of the request that build() was called for; other
// names never get into it. So nothing of one request can be seen by the next.
#pragma once

#include <array>
#include <bitset>
#include <string>

#include "python/bridge/names.hpp"
#include "python/bridge/ref.hpp"
#include "python/bridge/wsgi/objects.hpp"
#include "shm/wire/settings.hpp"

namespace prefork::bridge::wsgi {

// What is the same for all requests of a worker.
class EnvironFacts {
 public:
  // Throws std::runtime_error when Python refuses.
  EnvironFacts(const wire::Settings& settings, unsigned threads, PyObject* file_wrapper);

  PyRef new_template() const;
  const std::string& script_name() const { return script_name_; }

  // Whether environs have "prefork.fields", all fields of the request as [(NAME, value), …] in their order: only where a hook of
  // requests is set, which shows them as req.headers.
  bool lists_fields() const { return lists_fields_; }

 private:
  PyRef common_;
  bool lists_fields_ = false;
  std::string script_name_;  // --root-path or $SCRIPT_NAME, without a slash at its end
};

class Environ {
 public:
  // Throws std::runtime_error when Python refuses.
  Environ(const EnvironFacts& facts, const Handles& handles);

  // Empty: the Python error is set, or `mismatch` is: the path does not begin with the script name.
  PyRef build(const wire::RequestView& request, bool& mismatch);

 private:
  enum Slot : std::size_t {
    Method,
    ScriptName,
    PathInfo,
    Query,
    ServerName,
    ServerPort,
    Protocol,
    Scheme,
    RemoteAddr,
    RemotePort,
    RawUri,
    RequestUri,
    RequestId,
    QueueTime,
    kSlots
  };
  static constexpr std::size_t kExtra = 64;  // unknown names of a request that are remembered for the second pass

  [[nodiscard]] bool put(Slot slot, std::string_view text);
  [[nodiscard]] bool put_object(Slot slot, PyRef value);
  [[nodiscard]] bool put_number(Slot slot, unsigned& last, unsigned number);
  [[nodiscard]] bool put_method(const wire::RequestView& request);
  [[nodiscard]] bool put_path(const wire::RequestView& request, bool& mismatch);
  [[nodiscard]] bool put_peers(const wire::RequestView& request);
  [[nodiscard]] bool put_target(const wire::RequestView& request);
  [[nodiscard]] bool put_queue_time(const wire::RequestView& request);
  [[nodiscard]] bool put_header(std::uint16_t id, std::string_view value);
  [[nodiscard]] bool drop_stale();
  [[nodiscard]] bool put_unknown(PyObject* environ, const wire::RequestView& request);
  [[nodiscard]] bool put_fields(PyObject* environ, const wire::RequestView& request);

  const EnvironFacts& facts_;
  PyRef template_;
  std::array<PyRef, kSlots> keys_;          // interned
  std::array<PyObject*, kSlots> values_{};  // what the template has; owned by it
  unsigned server_port_ = 0;                // what ServerPort and RemotePort say
  unsigned client_port_ = 0;
  std::array<PyObject*, kNameCount> headers_{};  // what the template has; owned by it
  std::bitset<kNameCount> in_template_;
  std::bitset<kNameCount> seen_;  // in this request
  std::size_t unknown_ = 0;       // fields of this request with names that are not in the table
};

}  // namespace prefork::bridge::wsgi
