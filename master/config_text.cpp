// Values as text for people and programs: Python literals and JSON.
#include <cstdio>

#include "master/config_value.hpp"
#include "master/serve/json_text.hpp"

namespace prefork {
namespace {

using Kind = SettingValue::Kind;

std::string python_string(std::string_view text) {
  const char quote = text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos ? '"' : '\'';
  std::string result(1, quote);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == quote || c == '\\')
      (result += '\\') += c;
    else if (c == '\n')
      result += "\\n";
    else if (c == '\t')
      result += "\\t";
    else if (c == '\r')
      result += "\\r";
    else if (byte < 0x20 || byte == 0x7f) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", byte);
      result += escaped;
    } else
      result += c;
  }
  return result + quote;
}

// Lists and maps have the same punctuation in both languages; only their texts differ.
template <class Quote>
std::string collection(const SettingValue& value, Quote quote) {
  const bool map = value.kind == Kind::Map;
  std::string text(1, map ? '{' : '[');
  for (std::size_t at = 0; at < value.items.size(); ++at) {
    if (at > 0) text += map && at % 2 == 1 ? ": " : ", ";
    text += quote(value.items[at]);
  }
  return text + (map ? '}' : ']');
}

}  // namespace

std::string python_literal(const SettingValue& value) {
  switch (value.kind) {
    case Kind::None: return "None";
    case Kind::Bool: return value.text == "true" ? "True" : "False";
    case Kind::Text: return python_string(value.text);
    case Kind::List:
    case Kind::Map: return collection(value, python_string);
    default: return value.text;
  }
}

std::string json_text(const SettingValue& value) {
  switch (value.kind) {
    case Kind::None: return "null";
    case Kind::Bool:
    case Kind::Int:
    case Kind::Float: return value.text;
    case Kind::List:
    case Kind::Map: return collection(value, serve::json_string);
    default: return serve::json_string(value.text);
  }
}

}  // namespace prefork
