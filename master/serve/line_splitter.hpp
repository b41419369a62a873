// Makes lines of the bytes that come through a pipe, so that several workers' output is not mixed inside a line.
// One per pipe, used on the thread that reads it. A line longer than kLongest is handed out in parts.
#pragma once

#include <string>
#include <string_view>

namespace prefork::serve {

class LineSplitter {
 public:
  static constexpr std::size_t kLongest = 64 << 10;

  // Calls take(line) for each whole line, without its line end ("\n" or "\r\n").
  template <class Take>
  void feed(std::string_view bytes, Take&& take) {
    for (auto end = bytes.find('\n'); end != std::string_view::npos; end = bytes.find('\n')) {
      hand_out(bytes.substr(0, end), take);
      bytes.remove_prefix(end + 1);
    }
    while (partial_.size() + bytes.size() > kLongest) {
      const std::size_t room = kLongest - partial_.size();
      hand_out(bytes.substr(0, room), take);
      bytes.remove_prefix(room);
    }
    partial_ += bytes;
  }

  // The pipe is at its end: what is left is a line too.
  template <class Take>
  void finish(Take&& take) {
    if (!partial_.empty()) hand_out({}, take);
  }

 private:
  template <class Take>
  void hand_out(std::string_view rest, Take& take) {
    if (!partial_.empty()) {
      partial_ += rest;
      rest = partial_;
    }
    if (rest.ends_with('\r')) rest.remove_suffix(1);
    take(rest);
    partial_.clear();
  }

  std::string partial_;
};

}  // namespace prefork::serve
