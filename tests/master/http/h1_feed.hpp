// Feeds bytes to an H1Parser cut in a given way and writes down everything it says, so that two ways of cutting can be compared.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "master/http/h1_parser.hpp"
#include "shm/wire/request_head.hpp"

namespace prefork::http::testing {

struct Message {
  std::string method, target, raw_path, path, query, host;
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body;
  std::uint64_t content_length = 0;
  int version = 0;
  int flags = 0;
  bool keep_alive = false, upgrade = false, complete = false;

  bool operator==(const Message&) const = default;

  std::string field(std::string_view name) const {  // the first; "<none>" when there is none
    for (const auto& [have, value] : fields) {
      if (have == name) return value;
    }
    return "<none>";
  }
};

struct Outcome {
  std::vector<Message> messages;
  int status = 0;  // of the refusal
  std::string reason;
  bool clean_end = false;  // the client may end its side here

  bool operator==(const Outcome&) const = default;
  bool refused() const { return status != 0; }
};

// Settings that make every rule reachable with short messages.
inline Limits limits_from(std::uint8_t choice) {
  Limits limits;
  if ((choice & 1) != 0) limits.permit_obsolete_folding = true;
  if ((choice & 2) != 0) limits.permit_unconventional_http_method = limits.permit_unconventional_http_version = true;
  if ((choice & 4) != 0) limits.header_map = (choice & 8) != 0 ? HeaderMap::Refuse : HeaderMap::Dangerous;
  if ((choice & 16) != 0) limits.body = 20;
  if ((choice & 32) != 0) {
    limits.request_line = 60;
    limits.fields = 4;
    limits.field_size = 40;
    limits.chunk_line = 12;
    limits.chunk_extensions = 16;
    limits.trailer = 24;
    limits.trailer_fields = 2;
  }
  if ((choice & 64) != 0) limits.head = 120;
  return limits;
}

inline Message read_head(wire::RequestBuilder& builder, const H1Parser& parser) {
  builder.finish();
  wire::RequestView view(builder.payload());
  Message message;
  if (const char* why = view.validate()) {
    message.method = why;
    return message;
  }
  const wire::RequestHead& head = view.head();
  const auto text = [&](wire::Text where) { return std::string(view.text(where)); };
  message.method = text(head.method_name);
  message.target = text(head.target);
  message.raw_path = text(head.raw_path);
  message.path = text(head.path);
  message.query = text(head.query);
  message.host = text(head.host);
  message.content_length = head.content_length;
  message.version = head.http_version;
  message.flags = head.flags;
  message.keep_alive = parser.keep_alive();
  message.upgrade = parser.upgrade();
  for (std::size_t i = 0; i < head.field_count; ++i) {
    const wire::Field field = view.field(i);
    message.fields.emplace_back(view.name(field), view.value(field));
  }
  return message;
}

// `next_piece(left)` says how many bytes the next buffer has, 1 to left.
inline Outcome feed_all(std::string_view bytes, const Limits& limits,
                        const std::function<std::size_t(std::size_t)>& next_piece, bool trusted = false) {
  H1Parser parser(limits);
  parser.trust_forwarder(trusted);
  wire::RequestBuilder builder;
  parser.begin(builder);
  Outcome outcome;
  while (!bytes.empty()) {
    // A heap copy of just this piece: a sanitizer sees a read beyond it.
    const std::vector<char> piece(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(next_piece(bytes.size())));
    bytes.remove_prefix(piece.size());
    std::span<const char> in(piece);
    for (Feed feed = parser.feed(in);; feed = parser.feed(in)) {
      if (feed == Feed::NeedMore) break;
      if (feed == Feed::BadRequest) {
        outcome.status = parser.refusal().status;
        outcome.reason = parser.refusal().reason;
        return outcome;
      }
      if (feed == Feed::HeadDone) outcome.messages.push_back(read_head(builder, parser));
      if (feed == Feed::BodyPiece) outcome.messages.back().body.append(parser.piece().data(), parser.piece().size());
      if (feed == Feed::MessageDone) {
        outcome.messages.back().complete = true;
        builder.reset();
        parser.begin(builder);
      }
    }
  }
  // What needs no byte more is said without one.
  std::span<const char> nothing;
  while (parser.in_body()) {
    if (parser.feed(nothing) != Feed::MessageDone) break;
    outcome.messages.back().complete = true;
    builder.reset();
    parser.begin(builder);
  }
  outcome.clean_end = parser.take_eof();
  return outcome;
}

inline Outcome feed_whole(std::string_view bytes, const Limits& limits = {}, bool trusted = false) {
  return feed_all(
      bytes, limits, [](std::size_t left) { return left; }, trusted);
}

inline Outcome feed_bytewise(std::string_view bytes, const Limits& limits = {}, bool trusted = false) {
  return feed_all(
      bytes, limits, [](std::size_t) { return std::size_t{1}; }, trusted);
}

// Pieces of random length, short ones more often.
inline Outcome feed_split(std::string_view bytes, const Limits& limits, std::uint32_t seed, bool trusted = false) {
  std::minstd_rand random(seed + 1);
  return feed_all(
      bytes, limits,
      [&](std::size_t left) { return 1 + random() % std::min<std::size_t>(left, std::size_t{1} << (random() % 8)); },
      trusted);
}

}  // namespace prefork::http::testing
