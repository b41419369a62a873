// Reads the chunked transfer coding (RFC 9112 7.1) and its trailer section. Hands out data where it lies in the caller's
// buffer. Extensions are read and ignored; trailer fields are checked and dropped (RFC 9110 6.5.1 forbids merging them).
// llhttp could read chunks too, but it refuses the white space around extensions that RFC 9112 7.1.1 obliges a server to
// accept, and lets a size have any number of leading zeros.
#pragma once

#include <cstdint>
#include <span>

#include "master/http/limits.hpp"
#include "master/http/refusal.hpp"

namespace prefork::http {

class ChunkDecoder {
 public:
  enum class Step : std::uint8_t { NeedMore, Piece, Done, Bad };

  void reset();
  // Takes from the front of `in`. After Piece: `piece` is the data. After Done: `in` starts behind the body. After Bad: refusal().
  [[nodiscard]] Step next(std::span<const char>& in, std::span<const char>& piece, const Limits& limits);
  Refusal refusal() const { return refusal_; }

 private:
  enum class State : std::uint8_t {
    SizeFirst, Size, ExtensionGap, ExtensionName, ExtensionEquals, ExtensionValue, ExtensionQuoted, ExtensionEscaped, SizeLf,
    Data, DataCr, DataLf, TrailerStart, TrailerName, TrailerValue, TrailerLf, EndLf,
  };

  std::uint64_t remaining_ = 0;   // the size being read, then the data still to come
  std::uint64_t received_ = 0;
  std::uint32_t line_ = 0;        // bytes of this chunk's line, or of this trailer line
  std::uint32_t extensions_ = 0;
  std::uint32_t trailer_ = 0;
  std::uint32_t trailer_fields_ = 0;
  Refusal refusal_;
  State state_ = State::SizeFirst;
};

}  // namespace prefork::http
