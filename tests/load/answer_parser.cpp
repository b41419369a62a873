#include "answer_parser.hpp"

#include <strings.h>

#include <algorithm>
#include <charconv>

namespace prefork::load {
namespace {

constexpr std::size_t kMaxHead = 64 * 1024;
constexpr std::size_t kMaxLine = 8 * 1024;

bool same_word(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool list_has(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    if (same_word(trimmed(list.substr(0, comma)), word)) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
  return false;
}

template <typename Number>
bool whole_number(std::string_view text, Number& value, int base = 10) {
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return !text.empty() && error == std::errc{} && stop == text.data() + text.size();
}

}  // namespace

void AnswerParser::begin(bool answers_head_method) {
  answers_head_method_ = answers_head_method;
  state_ = State::Head;
  carry_.clear();
  reason_ = "";
}

AnswerParser::Event AnswerParser::bad(const char* reason) {
  reason_ = reason;
  return Event::Bad;
}

AnswerParser::Event AnswerParser::next(std::string_view& input, std::string_view& body) {
  switch (state_) {
    case State::Head: return next_head(input);
    case State::Length: return next_counted(input, body, State::Done);
    case State::UntilClose:
      if (input.empty()) return Event::NeedMore;
      body = input;
      input = {};
      return Event::Body;
    case State::Empty: state_ = State::Done; return Event::Done;
    case State::Done: return Event::Done;
    default: return next_chunked(input, body);
  }
}

AnswerParser::Event AnswerParser::next_head(std::string_view& input) {
  if (input.empty()) return Event::NeedMore;
  std::string_view whole;
  if (carry_.empty()) {
    const auto end = input.find("\r\n\r\n");
    if (end != std::string_view::npos) {
      whole = input.substr(0, end + 4);
      input.remove_prefix(end + 4);
    }
  }
  if (whole.empty()) {
    const auto before = carry_.size();
    carry_.append(input);
    const auto end = carry_.find("\r\n\r\n", before < 3 ? 0 : before - 3);
    if (end == std::string::npos) {
      input = {};
      return carry_.size() > kMaxHead ? bad("head without an end") : Event::NeedMore;
    }
    input.remove_prefix(end + 4 - before);
    carry_.resize(end + 4);
    line_.swap(carry_);
    carry_.clear();
    whole = line_;
  }
  if (!parse_head(whole)) return Event::Bad;
  if (head_.status < 200 && head_.status != 101) return Event::Informational;  // state_ stays Head: the answer follows
  return choose_framing() ? Event::HeadDone : Event::Bad;
}

bool AnswerParser::parse_head(std::string_view head) {
  head_ = AnswerHead{};
  keep_alive_named_ = false;
  auto end = head.find("\r\n");
  if (!parse_status_line(head.substr(0, end))) return false;
  head.remove_prefix(end + 2);
  while (!head.starts_with("\r\n")) {
    end = head.find("\r\n");
    if (!parse_field(head.substr(0, end))) return false;
    head.remove_prefix(end + 2);
  }
  return true;
}

bool AnswerParser::parse_status_line(std::string_view line) {
  reason_ = "status line";
  if (!line.starts_with("HTTP/1.") || line.size() < 12 || (line[7] != '0' && line[7] != '1') || line[8] != ' ')
    return false;
  http10_ = line[7] == '0';
  if (!whole_number(line.substr(9, 3), head_.status) || head_.status < 100) return false;
  return line.size() == 12 || line[12] == ' ';
}

bool AnswerParser::parse_field(std::string_view line) {
  reason_ = "header line";
  const auto colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0 || line[colon - 1] == ' ') return false;
  const auto name = line.substr(0, colon);
  const auto value = trimmed(line.substr(colon + 1));
  if (same_word(name, "Content-Length")) {
    std::uint64_t length = 0;
    reason_ = "Content-Length twice or not a number";
    if (head_.length || !whole_number(value, length)) return false;
    head_.length = length;
  } else if (same_word(name, "Transfer-Encoding")) {
    reason_ = "Transfer-Encoding other than chunked";
    if (!same_word(value, "chunked") || head_.chunked) return false;
    head_.chunked = true;
  } else if (same_word(name, "Connection")) {
    head_.close |= list_has(value, "close");
    keep_alive_named_ |= list_has(value, "keep-alive");
  } else if (same_word(name, "Sec-WebSocket-Accept")) {
    head_.ws_accept = value;
  }
  return true;
}

bool AnswerParser::choose_framing() {
  reason_ = "Content-Length and Transfer-Encoding together";
  if (head_.chunked && head_.length) return false;
  reason_ = "chunked in an HTTP/1.0 answer";
  if (head_.chunked && http10_) return false;
  if (http10_ && !keep_alive_named_) head_.close = true;
  if (answers_head_method_ || head_.status == 101 || head_.status == 204 || head_.status == 304) {
    state_ = State::Empty;
  } else if (head_.chunked) {
    state_ = State::ChunkSize;
  } else if (head_.length) {
    left_ = *head_.length;
    state_ = left_ > 0 ? State::Length : State::Empty;
  } else {
    head_.close = true;
    state_ = State::UntilClose;
  }
  return true;
}

AnswerParser::Event AnswerParser::next_counted(std::string_view& input, std::string_view& body, State after) {
  if (left_ == 0) {
    state_ = after;
    return Event::Done;
  }
  if (input.empty()) return Event::NeedMore;
  body = input.substr(0, std::min<std::uint64_t>(left_, input.size()));
  input.remove_prefix(body.size());
  left_ -= body.size();
  if (left_ == 0 && after != State::Done) state_ = after;
  return Event::Body;
}

// The line up to CR LF, without them; nothing while it is incomplete. A line without CR comes back with its LF, for the
// caller to refuse.
std::optional<std::string_view> AnswerParser::take_line(std::string_view& input) {
  const auto end = input.find('\n');
  if (end == std::string_view::npos) {
    carry_.append(input);
    input = {};
    return std::nullopt;
  }
  carry_.append(input.substr(0, end + 1));
  input.remove_prefix(end + 1);
  line_.swap(carry_);
  carry_.clear();
  if (line_.ends_with("\r\n")) line_.resize(line_.size() - 2);
  return line_;
}

bool AnswerParser::parse_chunk_size(std::string_view line) {
  line = line.substr(0, line.find(';'));
  return whole_number(line, left_, 16);
}

AnswerParser::Event AnswerParser::next_chunked(std::string_view& input, std::string_view& body) {
  while (true) {
    if (state_ == State::ChunkData) return next_counted(input, body, State::ChunkEnd);
    if (carry_.size() > kMaxLine) return bad("chunk line without an end");
    const auto line = take_line(input);
    if (!line) return Event::NeedMore;
    if (line->ends_with('\n')) return bad("LF without CR");
    if (state_ == State::ChunkEnd) {
      if (!line->empty()) return bad("chunk longer than its size");
      state_ = State::ChunkSize;
    } else if (state_ == State::ChunkSize) {
      if (!parse_chunk_size(*line)) return bad("chunk size");
      state_ = left_ > 0 ? State::ChunkData : State::Trailers;
    } else if (line->empty()) {
      state_ = State::Done;
      return Event::Done;
    }
  }
}

}  // namespace prefork::load
