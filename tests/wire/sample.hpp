// The request and the reply of shm/wire/README.md, and copies of exact size, so that a sanitizer sees one byte too far.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "shm/wire/reply_head.hpp"
#include "shm/wire/request_head.hpp"

namespace prefork::wire::testing {

inline RequestBuilder sample_request() {
  RequestBuilder builder;
  builder.head.method = static_cast<std::uint8_t>(Method::POST);
  builder.head.http_version = 11;
  builder.head.flags = kHasBody;
  builder.head.client_port = 40000;
  builder.head.server_port = 8000;
  builder.head.content_length = 5;
  builder.head.arrived_ns = 1;
  builder.head.method_name = builder.add_text("POST");
  builder.head.target = builder.add_text("/a%20b?x=1");
  builder.head.raw_path = {builder.head.target.offset, 6};
  builder.head.path = builder.add_text("/a b");
  builder.head.query = {builder.head.target.offset + 7, 3};
  builder.head.client = builder.add_text("127.0.0.1");
  builder.head.server = builder.head.client;
  const auto host = builder.add_text("example.org");
  builder.head.host = host;
  builder.fields().push_back({static_cast<std::uint16_t>(Name::Host), 0, 0, host});
  const auto length = builder.add_text("5");
  builder.fields().push_back({static_cast<std::uint16_t>(Name::ContentLength), 0, 0, length});
  const auto name = builder.add_text("x-tint");
  const auto value = builder.add_text("blue");
  builder.fields().push_back({0, static_cast<std::uint16_t>(name.length), name.offset, value});
  builder.finish();
  builder.append_body(as_bytes("hello"));
  builder.set_flags(static_cast<std::uint8_t>(kHasBody | kBodyComplete));
  return builder;
}

inline std::vector<std::byte> sample_reply() {
  std::vector<std::byte> memory(512);
  ReplyWriter writer(memory, 201, 2, 0);
  writer.reason("Made");
  writer.field("Content-Type", "text/plain", Name::ContentType);
  writer.field("X-Tint", "red", Name::Unknown);
  writer.body(as_bytes("done"));
  memory.resize(writer.finish());
  return memory;
}

struct ExactCopy {
  explicit ExactCopy(std::span<const std::byte> from) : size(from.size()), bytes(std::make_unique<std::byte[]>(size)) {
    std::copy(from.begin(), from.end(), bytes.get());
  }
  std::span<std::byte> span() const { return {bytes.get(), size}; }
  std::size_t size;
  std::unique_ptr<std::byte[]> bytes;
};

}  // namespace prefork::wire::testing
