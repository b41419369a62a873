#include "master/serve/access_format.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

#include "master/http/characters.hpp"
#include "master/http/h1_writer.hpp"

namespace prefork::serve {
namespace {

constexpr std::string_view kOurs = "queue, service, worker, generation, request-id, client";
constexpr std::uint32_t kWidest = 1000;

}  // namespace

AccessFormat::AccessFormat(std::string_view format) : format_(format) { parse(); }

void AccessFormat::fail(std::size_t at, const std::string& why) const {
  throw std::invalid_argument("'" + format_ + "' given; column " + std::to_string(at + 1) + ": " + why);
}

void AccessFormat::parse() {
  const std::string_view text{format_};
  for (std::size_t at = 0; at < text.size();) {
    const auto percent = std::min(text.find('%', at), text.size());
    add_literal(text.substr(at, percent - at));
    if (percent == text.size()) return;
    if (text.substr(percent).starts_with("%%")) {
      add_literal("%");
      at = percent + 2;
    } else {
      at = parse_atom(percent);
    }
  }
}

void AccessFormat::add_literal(std::string_view text) {
  if (text.empty()) return;
  if (!code_.empty() && code_.back().op == Op::Literal) {
    code_.back().length += static_cast<std::uint32_t>(text.size());
  } else {
    Instruction& literal = code_.emplace_back();
    literal.op = Op::Literal;
    literal.begin = static_cast<std::uint32_t>(literals_.size());
    literal.length = static_cast<std::uint32_t>(text.size());
  }
  literals_ += text;
}

// %(key)s: returns where it ends.
std::size_t AccessFormat::parse_atom(std::size_t at) {
  const std::string_view text{format_};
  if (at + 1 >= text.size() || text[at + 1] != '(')
    fail(at, "a % starts an atom like %(h)s; a percent sign is written %%");
  std::size_t end = at + 2;
  for (unsigned depth = 1; depth != 0; ++end) {
    if (end == text.size()) fail(at, "the atom has no closing parenthesis");
    if (text[end] == '(') ++depth;
    if (text[end] == ')') --depth;
  }
  Instruction instruction = atom(text.substr(at + 2, end - at - 3));
  end = parse_conversion(end, instruction);
  code_.push_back(instruction);
  return end;
}

std::size_t AccessFormat::parse_conversion(std::size_t at, Instruction& instruction) {
  const std::string_view text{format_};
  const std::size_t start = at;
  const auto number = [&] {
    std::uint32_t value = 0;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at)
      value = std::min(value * 10 + static_cast<std::uint32_t>(text[at] - '0'), kWidest + 1);
    if (value > kWidest) fail(start, "a width or precision above " + std::to_string(kWidest));
    return static_cast<std::uint16_t>(value);
  };
  for (; at < text.size() && text[at] == '-'; ++at) instruction.left = true;
  instruction.width = number();
  if (at < text.size() && text[at] == '.') {
    ++at;
    instruction.precision = number();
  }
  if (at == text.size()) fail(start, "the atom has no conversion; write %(h)s");
  const bool whole_number =
      instruction.op == Op::Status || instruction.op == Op::Bytes || instruction.op == Op::Seconds ||
      instruction.op == Op::Micros || instruction.op == Op::Millis || instruction.op == Op::QueueTime ||
      instruction.op == Op::ServiceTime || instruction.op == Op::WorkerId || instruction.op == Op::Generation;
  if (text[at] == 's') return at + 1;
  if (text[at] != 'd') fail(at, std::string("the conversion is s, and d for numbers, not '") + text[at] + "'");
  if (!whole_number) fail(at, "this atom is a text, not a number: its conversion is s");
  if (instruction.precision != kWhole) fail(at, "a number has no precision");
  return at + 1;
}

AccessFormat::Instruction AccessFormat::atom(std::string_view key) {
  Instruction instruction;
  const auto field = [&](const char* name) {
    instruction.op = Op::RequestFieldJoined;
    instruction.slot = slot(request_, name);
    return instruction;
  };
  const auto close = key.rfind('}');
  if (key.starts_with('{') && close != std::string_view::npos && close + 2 == key.size()) {
    return braced_atom(key, http::lowered(key.substr(1, close - 1)), http::lower(key.back()));
  }
  if (key == "f") return field("referer");
  if (key == "a") return field("user-agent");
  if (key == "u") {
    field("authorization");
    instruction.op = Op::User;
    return instruction;
  }
  static constexpr struct {
    std::string_view key;
    Op op;
  } kAtoms[] = {{"h", Op::RemoteAddress}, {"l", Op::Nothing}, {"t", Op::Time},           {"r", Op::RequestLine},
                {"m", Op::Method},        {"U", Op::Path},    {"q", Op::Query},          {"H", Op::Protocol},
                {"s", Op::Status},        {"b", Op::Bytes},   {"B", Op::Bytes},          {"T", Op::Seconds},
                {"D", Op::Micros},        {"M", Op::Millis},  {"L", Op::DecimalSeconds}, {"p", Op::Pid}};
  for (const auto& known : kAtoms) {
    if (known.key == key) {
      instruction.op = known.op;
      return instruction;
    }
  }
  warnings_.push_back("access_log_format: %(" + std::string(key) + ")s is no atom and is always '-'");
  return instruction;
}

AccessFormat::Instruction AccessFormat::braced_atom(std::string_view key, std::string name, char kind) {
  Instruction instruction;
  switch (kind) {
    case 'i':
      instruction.op = Op::RequestField;
      instruction.slot = slot(request_, std::move(name));
      return instruction;
    case 'o':
      instruction.op = Op::ReplyField;
      instruction.slot = slot(reply_, std::move(name));
      return instruction;
    case 'e': return environ_atom(name);
    case 'x': break;
    default:
      warnings_.push_back("access_log_format: %(" + std::string(key) + ")s is no atom and is always '-'");
      return instruction;
  }
  static constexpr struct {
    std::string_view name;
    Op op;
  } kAtoms[] = {{"queue", Op::QueueTime},       {"service", Op::ServiceTime},  {"worker", Op::WorkerId},
                {"generation", Op::Generation}, {"request-id", Op::RequestId}, {"client", Op::Client}};
  for (const auto& known : kAtoms) {
    if (known.name == name) {
      instruction.op = known.op;
      return instruction;
    }
  }
  throw std::invalid_argument("'" + format_ + "' given; {" + name +
                              "}x is not known; these are: " + std::string(kOurs));
}

// What the master knows itself needs no help of the worker; the rest does.
AccessFormat::Instruction AccessFormat::environ_atom(const std::string& name) {
  static constexpr struct {
    std::string_view name;
    Op op;
  } kVariables[] = {{"request_method", Op::Method},     {"raw_uri", Op::RawUri},
                    {"request_uri", Op::RawUri},        {"server_protocol", Op::Protocol},
                    {"remote_addr", Op::RemoteAddress}, {"remote_port", Op::RemotePort},
                    {"query_string", Op::Query},        {"path_info", Op::Path},
                    {"script_name", Op::ScriptName},    {"server_name", Op::ServerName},
                    {"server_port", Op::ServerPort},    {"wsgi.url_scheme", Op::Scheme}};
  Instruction instruction;
  for (const auto& variable : kVariables) {
    if (variable.name == name) {
      instruction.op = variable.op;
      return instruction;
    }
  }
  const bool content = name == "content_type" || name == "content_length";
  if (content || name.starts_with("http_")) {
    std::string field = content ? name : name.substr(5);
    std::replace(field.begin(), field.end(), '_', '-');
    instruction.op = Op::RequestFieldJoined;
    instruction.slot = slot(request_, field);
    return instruction;
  }
  instruction.op = Op::EnvironField;
  instruction.slot = slot(environ_, name);
  return instruction;
}

std::string environ_carrier(std::string_view name) {
  std::string field(http::kEnvironCarrier);
  for (const char c : name) field += http::is_token({&c, 1}) ? http::lower(c) : '_';
  return field;
}

std::uint8_t AccessFormat::slot(std::vector<FieldName>& names, std::string name) {
  for (std::size_t at = 0; at < names.size(); ++at) {
    if (names[at].text == name) return static_cast<std::uint8_t>(at);
  }
  if (names.size() == kMostFields)
    throw std::invalid_argument("'" + format_ + "' given; more than " + std::to_string(kMostFields) +
                                " fields of one kind");
  const wire::Name id = &names == &environ_ ? wire::Name::Unknown : wire::find_name(name);
  names.push_back({id, std::move(name)});
  return static_cast<std::uint8_t>(names.size() - 1);
}

}  // namespace prefork::serve
