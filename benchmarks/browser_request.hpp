// A request as a browser sends it: eight headers, a head of about 400 bytes of text, built as the parser builds it.
#pragma once

#include <string>

#include "shm/wire/request_head.hpp"

namespace prefork::benchmarks {

inline void build_browser_request(wire::RequestBuilder& builder) {
  using wire::Name;
  struct Header {
    Name name;
    std::string_view value;
  };
  static constexpr Header kHeaders[] = {
      {Name::Host, "www.example.org"},
      {Name::Connection, "keep-alive"},
      {Name::UserAgent,
       "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36"},
      {Name::Accept, "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"},
      {Name::AcceptEncoding, "gzip, deflate, br"},
      {Name::AcceptLanguage, "en-GB,en;q=0.9"},
      {Name::Cookie, "session=0123456789abcdef0123456789abcdef; theme=dark"},
      {Name::CacheControl, "max-age=0"},
  };
  builder.reset();
  auto& head = builder.head;
  head.method = static_cast<std::uint8_t>(wire::Method::GET);
  head.method_name = builder.add_text("GET");
  head.target = builder.add_text("/");
  head.raw_path = head.path = head.target;
  head.client = builder.add_text("127.0.0.1");
  head.server = head.client;
  for (const Header& header : kHeaders) {
    const auto value = builder.add_text(header.value);
    builder.fields().push_back({static_cast<std::uint16_t>(header.name), 0, 0, value});
    if (header.name == Name::Host) head.host = value;
  }
  builder.finish();
}

}  // namespace prefork::benchmarks
