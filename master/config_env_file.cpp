// env_file: lines KEY=VALUE by the rules of python-dotenv, with which uvicorn reads such files: export, quotes and their escapes,
// comments, ${NAME} and ${NAME:-default}. What the environment has already stays.
#include <algorithm>
#include <fstream>
#include <iterator>

#include "master/config_sources.hpp"

namespace prefork {
namespace {

bool is_line_end(char c) { return c == '\n' || c == '\r'; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\f' || c == '\v'; }
bool is_space(char c) { return is_blank(c) || is_line_end(c); }

char unescaped(char c) {
  static constexpr std::string_view kLetters = "abfnrtv", kMeant = "\a\b\f\n\r\t\v";
  const auto at = kLetters.find(c);
  return at == std::string_view::npos ? c : kMeant[at];
}

class EnvFileReader {
 public:
  EnvFileReader(std::string_view text, std::string shown, const Environment& environment)
      : text_(text), shown_(std::move(shown)), environment_(environment) {}

  std::vector<std::string> read() {
    while (skip(is_space), at_ < text_.size()) read_statement();
    std::vector<std::string> entries;
    for (const auto& [name, value] : values_)
      if (!environment_.contains(name)) entries.push_back(std::string(name).append(1, '=').append(value));
    return entries;
  }

 private:
  void read_statement() {
    const std::size_t start = at_;
    if (!next_is('#')) read_assignment(start);
    skip(is_blank);
    if (next_is('#')) skip([](char c) { return !is_line_end(c); });
    if (at_ < text_.size() && !is_line_end(text_[at_])) refuse(start);
  }

  // A name without a value sets nothing.
  void read_assignment(std::size_t start) {
    if (text_.substr(at_).starts_with("export") && at_ + 6 < text_.size() && is_blank(text_[at_ + 6])) {
      at_ += 6;
      skip(is_blank);
    }
    const std::string name(take([](char c) { return c != '=' && c != '#' && !is_space(c); }));
    if (name.empty()) refuse(start);
    skip(is_blank);
    if (!next_is('=')) return;
    ++at_;
    skip(is_blank);
    values_[name] = expanded(read_value(start));
  }

  std::string read_value(std::size_t start) {
    if (next_is('"') || next_is('\'')) return read_quoted(start);
    std::string_view value = take([](char c) { return !is_line_end(c); });
    for (std::size_t at = 1; at < value.size(); ++at)
      if (value[at] == '#' && is_blank(value[at - 1])) value = value.substr(0, at);
    while (!value.empty() && is_blank(value.back())) value.remove_suffix(1);
    return std::string(value);
  }

  std::string read_quoted(std::size_t start) {
    const char quote = text_[at_++];
    const std::string_view escapable = quote == '"' ? R"(\'"abfnrtv)" : R"(\')";
    std::string value;
    for (; at_ < text_.size() && text_[at_] != quote; ++at_) {
      const bool escape =
          text_[at_] == '\\' && at_ + 1 < text_.size() && escapable.find(text_[at_ + 1]) != std::string_view::npos;
      value += escape ? unescaped(text_[++at_]) : text_[at_];
    }
    if (at_ == text_.size()) refuse(start);
    ++at_;
    return value;
  }

  [[nodiscard]] std::string expanded(std::string_view value) const {
    std::string result;
    while (true) {
      const auto open = value.find("${");
      const auto close = open == std::string_view::npos ? open : value.find('}', open);
      if (close == std::string_view::npos) return result.append(value);
      result.append(value.substr(0, open)).append(looked_up(value.substr(open + 2, close - open - 2)));
      value.remove_prefix(close + 1);
    }
  }

  [[nodiscard]] std::string looked_up(std::string_view expression) const {
    const auto separator = expression.find(":-");
    const std::string name(expression.substr(0, separator));
    if (const auto found = environment_.find(name); found != environment_.end()) return found->second;
    if (const auto found = values_.find(name); found != values_.end()) return found->second;
    return separator == std::string_view::npos ? std::string() : std::string(expression.substr(separator + 2));
  }

  [[nodiscard]] bool next_is(char c) const { return at_ < text_.size() && text_[at_] == c; }

  template <typename Predicate>
  std::string_view take(Predicate belongs) {
    const std::size_t from = at_;
    while (at_ < text_.size() && belongs(text_[at_])) ++at_;
    return text_.substr(from, at_ - from);
  }

  template <typename Predicate>
  void skip(Predicate belongs) {
    (void)take(belongs);
  }

  [[noreturn]] void refuse(std::size_t start) const {
    const std::string_view before = text_.substr(0, start), rest = text_.substr(start);
    throw ConfigError(shown_ + ":" + std::to_string(1 + std::count(before.begin(), before.end(), '\n')) + ": '" +
                          std::string(rest.substr(0, rest.find_first_of("\r\n"))) + "' given; allowed: KEY=VALUE",
                      1);
  }

  std::string_view text_;
  std::string shown_;
  const Environment& environment_;
  std::size_t at_ = 0;
  std::map<std::string, std::string> values_;
};

}  // namespace

std::vector<std::string> read_env_file(const std::string& path, const Environment& environment) {
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return EnvFileReader(text, path, environment).read();
}

}  // namespace prefork
