// gunicorn's access_log_format, compiled once into a list of instructions.
// Constant after construction, so that all loops share one; write() touches nothing but its arguments.
//
// Atoms are %(x)s as in gunicorn:
//   h remote address   l -   u user of Basic auth   t time   r request line   m method   U path   q query   H protocol   s status
//   b B bytes of the body   f Referer   a User-Agent   T D M L seconds, microseconds, milliseconds, decimal seconds   p <pid>
//   {name}i {name}o {name}e   request field, reply field, environ variable, in any case
//   {name}x   ours: queue and service (microseconds), worker, generation, request-id, client (behind trusted proxies)
// As in gunicorn what is missing and unknown atoms are "-", a quote becomes \", and of repeated fields {name}i takes the last
// while f, a and {http_name}e see them joined. Unlike gunicorn, control bytes become \x0a and so on: a decoded path or user
// could forge lines otherwise; bytes beyond ASCII stay as they came; and a unix peer is "-", not nothing.
// The conversion may have a width and a precision, %(s)-5s; numbers may be %(D)d.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "master/serve/access_entry.hpp"

namespace prefork::serve {

// The times of a log line as texts, made once a second. One per loop.
class AccessClock {
 public:
  void set(std::uint64_t unix_us);
  std::string_view clf() const { return clf_; }  // [01/Jul/2026:12:00:00 +0000]
  std::string_view utc() const { return utc_; }  // 2026-07-01T12:00:00
  std::uint32_t micros() const { return micros_; }

 private:
  std::uint64_t second_ = ~std::uint64_t{0};
  std::uint32_t micros_ = 0;
  std::string clf_;
  std::string utc_;
};

// A field that the format asks for.
struct FieldName {
  wire::Name id = wire::Name::Unknown;
  std::string text;  // lower case
};

// How a worker's reply carries an environ variable that only the application sets (python/prefork/_environ_notes.py); such a field
// is for the access log, not for the client.
std::string environ_carrier(std::string_view name);

class AccessFormat {
 public:
  static constexpr std::size_t kMostFields = 32;  // of each kind

  // Throws std::invalid_argument that says what is wrong and where.
  explicit AccessFormat(std::string_view format);

  // Appends the line without its end.
  void write(const AccessEntry& entry, const AccessClock& clock, std::string& out) const;

  // What must be collected for AccessEntry.
  std::span<const FieldName> request_names() const { return request_; }
  std::span<const FieldName> reply_names() const { return reply_; }
  std::span<const FieldName> environ_names() const { return environ_; }
  // Sentences about atoms that will always be "-".
  std::span<const std::string> warnings() const { return warnings_; }

 private:
  enum class Op : std::uint8_t {
    Literal,
    Nothing,
    RemoteAddress,
    User,
    Time,
    RequestLine,
    Method,
    Path,
    Query,
    Protocol,
    Status,
    Bytes,
    Seconds,
    Micros,
    Millis,
    DecimalSeconds,
    Pid,
    RequestField,
    RequestFieldJoined,
    ReplyField,
    EnvironField,
    RemotePort,
    RawUri,
    ServerName,
    ServerPort,
    ScriptName,
    Scheme,
    QueueTime,
    ServiceTime,
    WorkerId,
    Generation,
    RequestId,
    Client
  };
  struct Instruction {
    Op op = Op::Nothing;
    bool left = false;      // padded on the right
    std::uint8_t slot = 0;  // of a field
    std::uint16_t width = 0;
    std::uint16_t precision = kWhole;
    std::uint32_t begin = 0;  // of a literal
    std::uint32_t length = 0;
  };
  static constexpr std::uint16_t kWhole = 0xffff;
  struct Values;

  void parse();
  std::size_t parse_atom(std::size_t at);
  std::size_t parse_conversion(std::size_t at, Instruction& instruction);
  void add_literal(std::string_view text);
  Instruction atom(std::string_view key);
  Instruction braced_atom(std::string_view key, std::string name, char kind);
  Instruction environ_atom(const std::string& name);
  std::uint8_t slot(std::vector<FieldName>& names, std::string name);
  [[noreturn]] void fail(std::size_t at, const std::string& why) const;

  void run(const Instruction& instruction, const AccessEntry& entry, const Values& values, const AccessClock& clock,
           std::string& out) const;

  std::string format_;
  std::string literals_;
  std::vector<Instruction> code_;
  std::vector<FieldName> request_, reply_, environ_;
  std::vector<std::string> warnings_;
};

// The user of "Basic ..." credentials, "" when there is none: like gunicorn, which takes what Python's base64 and UTF-8 decoders take.
std::string basic_auth_user(std::string_view authorization);

}  // namespace prefork::serve
