// Reads the chunked transfer coding (RFC 9112 7.1) and its trailer section. Hands out data where it lies in the caller's
// buffer. Extensions are read and ignored; trailer fields are checked and dropped (RFC 9110 6.5.1 forbids merging them).
// Part of H1Parser. llhttp could read chunks too, but it refuses the white space around extensions that RFC 9112 7.1.1 obliges
// a server to accept, and lets a size have any number of leading zeros.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "master/http/limits.hpp"
#include "master/http/refusal.hpp"

namespace prefork::http {

class ChunkDecoder {
 public:
  enum class Step : std::uint8_t { NeedMore, Piece, Done, Bad };

  // Takes from the front of `in`. Piece: `piece` is the data, never empty. Done: `in` starts behind the body, and the decoder is
  // ready for another. Bad: refusal(), and nothing else from then on.
  [[nodiscard]] Step next(std::span<const char>& in, std::span<const char>& piece, const Limits& limits);
  Refusal refusal() const { return refusal_; }

 private:
  enum class State : std::uint8_t {
    // the size line
    SizeFirst,
    Size,
    SizeBlank,
    ExtensionStart,
    ExtensionName,
    ExtensionNameBlank,
    ExtensionEquals,
    ExtensionValue,
    ExtensionQuoted,
    ExtensionEscaped,
    ExtensionEnd,
    SizeLf,
    Data,
    // behind the data, and behind the last chunk
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    Done,
  };

  bool take_size_line(char c, const Limits& limits);
  bool take_size(char c, const Limits& limits);
  bool take_extension(char c);
  bool start_data();
  bool take_line_end_or_trailer(char c, const Limits& limits);
  bool take_trailer(char c, const Limits& limits);
  bool end_trailer_name();
  bool refuse(std::uint16_t status, const char* reason);
  bool become(State state) {
    state_ = state;
    return true;
  }

  std::uint64_t remaining_ = 0;  // the size being read, then the data still to come
  std::uint64_t received_ = 0;   // data of the whole body
  Refusal refusal_;
  std::uint32_t line_ = 0;        // bytes of this size line
  std::uint32_t extensions_ = 0;  // of all size lines
  std::uint32_t trailer_ = 0;     // bytes of the trailer section
  std::uint32_t trailer_fields_ = 0;
  State state_ = State::SizeFirst;
  std::uint8_t name_length_ = 0;  // of this trailer field; more than the array is a name that no table has
  std::array<char, 30> name_;
};

}  // namespace prefork::http
