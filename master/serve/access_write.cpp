// Runs the instructions of an AccessFormat. About 20 appends a line: what is here runs once a request.
#include <array>
#include <charconv>
#include <ctime>

#include "master/http/characters.hpp"
#include "master/http/utf8.hpp"
#include "master/serve/access_format.hpp"

namespace prefork::serve {
namespace {

// Without an early exit, so that the compiler makes vector code of it.
bool plain(std::string_view text) {
  unsigned special = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    special |=
        static_cast<unsigned>(byte < 0x20) | static_cast<unsigned>(byte == '"') | static_cast<unsigned>(byte >= 0x7f);
  }
  return special == 0;
}

// The log stays UTF-8, one line an entry, whatever clients send.
void append_escaped(std::string& out, std::string_view text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  while (!text.empty()) {
    const auto byte = static_cast<unsigned char>(text.front());
    std::size_t length = byte >= 0x80 ? http::utf8_length(text) : 1;
    if (byte == '"') {
      out += "\\\"";
    } else if (length == 0 || byte < 0x20 || byte == 0x7f) {
      length = 1;
      out += "\\x";
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
}

void append_text(std::string& out, std::string_view text) {
  if (plain(text)) [[likely]] {
    out += text;
  } else {
    append_escaped(out, text);
  }
}

void append_number(std::string& out, std::uint64_t number) {
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

void append_or_dash(std::string& out, std::string_view text) {
  if (text.empty()) {
    out += '-';
  } else {
    append_text(out, text);
  }
}

}  // namespace

void AccessClock::set(std::uint64_t unix_us) {
  const std::uint64_t second = unix_us / 1'000'000;
  micros_ = static_cast<std::uint32_t>(unix_us % 1'000'000);
  if (second == second_) return;
  second_ = second;
  const auto time = static_cast<std::time_t>(second);
  std::tm parts{};
  char text[64];
  localtime_r(&time, &parts);
  // Month names of the C locale: the process never calls setlocale.
  clf_.assign(text, std::strftime(text, sizeof text, "[%d/%b/%Y:%H:%M:%S %z]", &parts));
  gmtime_r(&time, &parts);
  utc_.assign(text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts));
}

// Has no initialisers on purpose: it lies on the stack of every request, and only what gather() sets is read.
struct AccessFormat::Values {
  struct Value {
    const char* data;
    std::size_t length;
    std::uint32_t count;

    std::string_view last() const { return {data, length}; }
  };
  std::array<Value, kMostFields> request, reply, environ;

  // One walk over the fields for all names.
  static void gather(const http::FieldList& fields, const std::vector<FieldName>& names,
                     std::array<Value, kMostFields>& values) {
    for (std::size_t at = 0; at < names.size(); ++at) values[at] = Value{nullptr, 0, 0};
    if (names.empty()) return;
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const http::FieldRef field = fields[i];
      for (std::size_t at = 0; at < names.size(); ++at) {
        const bool known = field.id != wire::Name::Unknown && names[at].id != wire::Name::Unknown;
        if (known ? field.id != names[at].id : !http::same_name(field.name, names[at].text)) continue;
        values[at] = Value{field.value.data(), field.value.size(), values[at].count + 1};
      }
    }
  }
};

namespace {

// As the environ has it: fields of one name are one list.
std::string joined(const http::FieldList& fields, const FieldName& name) {
  std::string all;
  bool first = true;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const http::FieldRef field = fields[i];
    if (!http::same_name(field.name, name.text)) continue;
    if (!first) all += name.id == wire::Name::Cookie ? "; " : ",";
    all += field.value;
    first = false;
  }
  return all;
}

void pad(std::string& out, std::size_t start, std::size_t width, std::size_t precision, bool left) {
  if (out.size() - start > precision) out.resize(start + precision);
  const std::size_t length = out.size() - start;
  if (length < width) out.insert(left ? out.size() : start, width - length, ' ');
}

}  // namespace

void AccessFormat::write(const AccessEntry& entry, const AccessClock& clock, std::string& out) const {
  Values values;
  Values::gather(entry.request_fields, request_, values.request);
  Values::gather(entry.reply_fields, reply_, values.reply);
  Values::gather(entry.environ_fields, environ_, values.environ);
  for (const Instruction& instruction : code_) {
    if (instruction.op == Op::Literal) {
      out.append(literals_, instruction.begin, instruction.length);
      continue;
    }
    const std::size_t start = out.size();
    run(instruction, entry, values, clock, out);
    if (instruction.width != 0 || instruction.precision != kWhole) [[unlikely]] {
      pad(out, start, instruction.width, instruction.precision, instruction.left);
    }
  }
}

void AccessFormat::run(const Instruction& instruction, const AccessEntry& entry, const Values& values,
                       const AccessClock& clock, std::string& out) const {
  const auto field = [&](const Values::Value& value) {
    if (value.count == 0) {
      out += '-';
    } else {
      append_text(out, value.last());
    }
  };
  const auto of_worker = [&](std::uint64_t number) {
    if (entry.worker_pid == 0) {
      out += '-';
    } else {
      append_number(out, number);
    }
  };
  const std::uint8_t slot = instruction.slot;
  switch (instruction.op) {
    case Op::Literal:
    case Op::Nothing: out += '-'; return;
    case Op::RemoteAddress: return append_or_dash(out, entry.remote_address);
    case Op::User: {
      const auto& value = values.request[slot];
      return append_or_dash(out, value.count == 0 ? std::string{} : basic_auth_user(value.last()));
    }
    case Op::Time: out += clock.clf(); return;
    case Op::RequestLine:
      append_text(out, entry.method);
      out += ' ';
      append_text(out, entry.raw_uri);
      out += ' ';
      out += entry.protocol;
      return;
    case Op::Method: return append_text(out, entry.method);
    case Op::Path: return append_text(out, entry.path);
    case Op::Query: return append_text(out, entry.query);
    case Op::Protocol: return append_text(out, entry.protocol);
    case Op::Status: return append_number(out, entry.status);
    case Op::Bytes: return append_number(out, entry.body_bytes);
    case Op::Seconds: return append_number(out, entry.total_us / 1'000'000);
    case Op::Micros: return append_number(out, entry.total_us);
    case Op::Millis: return append_number(out, entry.total_us / 1000);
    case Op::DecimalSeconds: {
      append_number(out, entry.total_us / 1'000'000);
      const std::size_t point = out.size();
      append_number(out, 1'000'000 + entry.total_us % 1'000'000);
      out[point] = '.';
      return;
    }
    case Op::Pid:
      out += '<';
      of_worker(entry.worker_pid);
      out += '>';
      return;
    case Op::RequestField: return field(values.request[slot]);
    case Op::RequestFieldJoined:
      if (values.request[slot].count > 1) [[unlikely]]
        return append_text(out, joined(entry.request_fields, request_[slot]));
      return field(values.request[slot]);
    case Op::ReplyField: return field(values.reply[slot]);
    case Op::EnvironField: return field(values.environ[slot]);
    case Op::RemotePort: return append_number(out, entry.remote_port);
    case Op::RawUri: return append_text(out, entry.raw_uri);
    case Op::ServerName: return append_or_dash(out, entry.server_name);
    case Op::ServerPort: return append_number(out, entry.server_port);
    case Op::ScriptName: return append_text(out, entry.script_name);
    case Op::Scheme: return append_text(out, entry.scheme);
    case Op::QueueTime: return of_worker(entry.queue_us);
    case Op::ServiceTime: return of_worker(entry.service_us);
    case Op::WorkerId: return of_worker(entry.worker_id);
    case Op::Generation: return of_worker(entry.worker_generation);
    case Op::RequestId: return append_or_dash(out, entry.request_id);
    case Op::Client: return append_or_dash(out, entry.client.empty() ? entry.remote_address : entry.client);
  }
}

}  // namespace prefork::serve
