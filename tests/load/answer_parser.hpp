// Takes HTTP/1 answers apart as bytes come in, and believes none of it: what RFC 9112 forbids a server to send is Bad.
// One per connection; begin() before each answer. Pull style: next() consumes a prefix of the input and says what it was.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace prefork::load {

struct AnswerHead {
  int status = 0;
  bool close = false;  // the server announced that it hangs up after this answer
  bool chunked = false;
  std::optional<std::uint64_t> length;
  std::string ws_accept;  // Sec-WebSocket-Accept
};

class AnswerParser {
 public:
  enum class Event {
    NeedMore,
    Informational,  // a 1xx other than 101 went by
    HeadDone,       // head() is valid
    Body,           // `body` is set
    Done,           // the answer is whole
    Bad,            // reason() says why
  };

  void begin(bool answers_head_method);
  Event next(std::string_view& input, std::string_view& body);

  // The connection ended here: true when that is how this answer ends.
  bool ends_with_connection() const { return state_ == State::UntilClose; }
  bool started() const { return state_ != State::Head || !carry_.empty(); }
  bool head_done() const { return state_ != State::Head; }
  const AnswerHead& head() const { return head_; }
  const char* reason() const { return reason_; }

 private:
  enum class State { Head, Length, ChunkSize, ChunkData, ChunkEnd, Trailers, UntilClose, Empty, Done };

  Event next_head(std::string_view& input);
  Event next_chunked(std::string_view& input, std::string_view& body);
  Event next_counted(std::string_view& input, std::string_view& body, State after);
  bool parse_head(std::string_view head);
  bool parse_status_line(std::string_view line);
  bool parse_field(std::string_view line);
  bool choose_framing();
  bool parse_chunk_size(std::string_view line);
  std::optional<std::string_view> take_line(std::string_view& input);
  Event bad(const char* reason);

  State state_ = State::Head;
  AnswerHead head_;
  bool answers_head_method_ = false;
  bool http10_ = false;
  bool keep_alive_named_ = false;
  std::uint64_t left_ = 0;  // of the body or of the chunk
  std::string carry_;       // a head or line that was cut by the end of a read
  std::string line_;
  const char* reason_ = "";
};

}  // namespace prefork::load
