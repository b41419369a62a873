#include "master/http/chunk_decoder.hpp"

#include <algorithm>

#include "master/http/characters.hpp"
#include "master/http/h1_policy.hpp"

namespace prefork::http {
namespace {

constexpr std::uint64_t kLongestChunk = ~std::uint64_t{0} >> 1;

}  // namespace

bool ChunkDecoder::refuse(std::uint16_t status, const char* reason) {
  refusal_ = {status, reason};
  return false;
}

ChunkDecoder::Step ChunkDecoder::next(std::span<const char>& in, std::span<const char>& piece, const Limits& limits) {
  if (refusal_) return Step::Bad;
  while (!in.empty()) {
    if (state_ == State::Data) {
      const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, in.size()));
      piece = in.first(length);
      in = in.subspan(length);
      remaining_ -= length;
      received_ += length;
      if (remaining_ == 0) state_ = State::DataCr;
      return Step::Piece;
    }
    const char c = in.front();
    in = in.subspan(1);
    const bool fine = state_ < State::DataCr ? take_size_line(c, limits) : take_line_end_or_trailer(c, limits);
    if (!fine) return Step::Bad;
    if (state_ == State::Done) {
      *this = ChunkDecoder{};
      return Step::Done;
    }
  }
  return Step::NeedMore;
}

// chunk-size [ chunk-ext ] CRLF, one byte.
bool ChunkDecoder::take_size_line(char c, const Limits& limits) {
  if (++line_ > limits.chunk_line) return refuse(400, "Chunk size line is too long");
  switch (state_) {
    case State::SizeFirst:
    case State::Size: return take_size(c, limits);
    case State::SizeLf: return c == '\n' ? start_data() : refuse(400, "Chunk size line ends without CRLF");
    default:
      if (++extensions_ > limits.chunk_extensions) return refuse(400, "Chunk extensions are too long");
      return take_extension(c);
  }
}

bool ChunkDecoder::take_size(char c, const Limits& limits) {
  if (const int digit = hex_digit(c); digit >= 0) {
    if (remaining_ > (kLongestChunk - static_cast<std::uint64_t>(digit)) / 16) return refuse(413, "Chunk is too large");
    remaining_ = remaining_ * 16 + static_cast<std::uint64_t>(digit);
    state_ = State::Size;
    return true;
  }
  if (state_ == State::SizeFirst) return refuse(400, "Chunk size is missing");
  // A whole size: known before any of its bytes, so an upload that is too large stops here.
  if (limits.body != 0 && (received_ > limits.body || remaining_ > limits.body - received_))
    return refuse(413, "Body is too large");
  if (c == '\r')
    state_ = State::SizeLf;
  else if (c == ';')
    state_ = State::ExtensionStart;
  else if (is_blank(c))
    state_ = State::SizeBlank;
  else
    return refuse(400, "Chunk size is invalid");
  return true;
}

// RFC 9112 7.1.1: *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ). White space is allowed around ";" and "=",
// and only there: behind the last word it is refused, for other servers read such a line in two ways.
bool ChunkDecoder::take_extension(char c) {
  switch (state_) {
    case State::SizeBlank:  // behind a size or a value: only another extension may follow
      if (is_blank(c)) return true;
      if (c == ';') return become(State::ExtensionStart);
      break;
    case State::ExtensionStart:
      if (is_blank(c)) return true;
      if (is_token_char(c)) return become(State::ExtensionName);
      break;
    case State::ExtensionName:
      if (is_token_char(c)) return true;
      if (is_blank(c)) return become(State::ExtensionNameBlank);
      [[fallthrough]];
    case State::ExtensionNameBlank:
      if (c == '=') return become(State::ExtensionEquals);
      if (c == ';') return become(State::ExtensionStart);
      if (c == '\r' && state_ == State::ExtensionName) return become(State::SizeLf);
      if (is_blank(c)) return true;
      break;
    case State::ExtensionEquals:
      if (is_blank(c)) return true;
      if (c == '"') return become(State::ExtensionQuoted);
      if (is_token_char(c)) return become(State::ExtensionValue);
      break;
    case State::ExtensionValue:
      if (is_token_char(c)) return true;
      [[fallthrough]];
    case State::ExtensionEnd:
      if (c == ';') return become(State::ExtensionStart);
      if (c == '\r') return become(State::SizeLf);
      if (is_blank(c)) return become(State::SizeBlank);
      break;
    case State::ExtensionQuoted:
      if (c == '"') return become(State::ExtensionEnd);
      if (c == '\\') return become(State::ExtensionEscaped);
      if (is_value_char(c)) return true;
      break;
    case State::ExtensionEscaped:
      if (is_value_char(c)) return become(State::ExtensionQuoted);
      break;
    default: break;
  }
  return refuse(400, "Chunk extension is invalid");
}

bool ChunkDecoder::start_data() {
  line_ = 0;
  return become(remaining_ == 0 ? State::TrailerStart : State::Data);
}

bool ChunkDecoder::take_line_end_or_trailer(char c, const Limits& limits) {
  switch (state_) {
    case State::DataCr: return c == '\r' ? become(State::DataLf) : refuse(400, "Chunk is longer than its size");
    case State::DataLf: return c == '\n' ? become(State::SizeFirst) : refuse(400, "Chunk ends without CRLF");
    case State::EndLf: return c == '\n' ? become(State::Done) : refuse(400, "Trailer section ends without CRLF");
    default:
      if (++trailer_ > limits.trailer) return refuse(431, "Trailer section is too large");
      return take_trailer(c, limits);
  }
}

// field-name ":" field-value CRLF, dropped; or the empty line that ends the body.
bool ChunkDecoder::take_trailer(char c, const Limits& limits) {
  switch (state_) {
    case State::TrailerStart:
      if (c == '\r') return become(State::EndLf);
      if (++trailer_fields_ > limits.trailer_fields) return refuse(431, "Too many trailer fields");
      name_length_ = 0;
      state_ = State::TrailerName;
      [[fallthrough]];
    case State::TrailerName:
      if (c == ':' && name_length_ != 0) return end_trailer_name();
      if (!is_token_char(c)) break;
      if (name_length_ < name_.size()) name_[name_length_] = c;
      if (name_length_ <= name_.size()) ++name_length_;
      return true;
    case State::TrailerValue:
      if (c == '\r') return become(State::TrailerLf);
      if (is_value_char(c)) return true;
      break;
    case State::TrailerLf:
      if (c == '\n') return become(State::TrailerStart);
      break;
    default: break;
  }
  return refuse(400, "Trailer field is invalid");
}

// A trailer that could change framing, routing or authority is refused rather than dropped: whoever sends one tries something.
bool ChunkDecoder::end_trailer_name() {
  const bool known_size = name_length_ <= name_.size();
  if (known_size && is_forbidden_trailer(wire::find_name({name_.data(), name_length_})))
    return refuse(400, "Trailer field is not allowed");
  return become(State::TrailerValue);
}

}  // namespace prefork::http
