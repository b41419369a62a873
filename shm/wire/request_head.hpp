// A request on its way to a worker: a fixed struct, then bytes, then the field table, then the inline body, in one payload.
// RequestBuilder writes it once, in the master's private memory, while the head is parsed; RequestView reads it on the other side.
//
//   [RequestHead 128][bytes: target, path, values, unknown names …][pad to 4][Field × field_count][inline body]
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "shm/wire/frame.hpp"
#include "shm/wire/names.hpp"

namespace prefork::wire {

enum class Scheme : std::uint8_t { Http = 0, Https = 1 };

enum RequestFlags : std::uint8_t {
  kHasBody = 1,            // a Content-Length above zero or a chunked body was announced
  kChunkedBody = 2,        // the length is not known from the head
  kBodyComplete = 4,       // the inline body is the whole body
  kExpectContinue = 8,     // the client waits for 100 Continue; the master sends it when the body is wanted
  kWebSocket = 16,         // a valid WebSocket handshake
  kUnixPeer = 32,          // the client came over a unix socket: client is empty, server is the socket's path
  kTrailersAccepted = 64,  // the client sent TE: trailers
  kHalfClosed = 128,       // the client has ended its side before this was sent to a worker
};

struct RequestHead {
  std::uint8_t method = 0;         // Method, or 0: method_name has it
  std::uint8_t http_version = 11;  // 10, 11 or 20
  Scheme scheme = Scheme::Http;
  std::uint8_t flags = 0;  // RequestFlags
  std::uint16_t field_count = 0;
  std::uint16_t client_port = 0;
  std::uint16_t server_port = 0;
  std::uint16_t reserved = 0;
  std::uint32_t fields_offset = 0;
  std::uint64_t content_length = 0;  // kUnknownLength when chunked
  std::uint64_t arrived_ns = 0;      // CLOCK_MONOTONIC when the head was complete
  Text method_name;                  // always set
  Text target;                       // as received
  Text raw_path;                     // the path as received, without query
  Text path;                         // percent-decoded
  Text query;                        // without the question mark
  Text host;                         // authority: the absolute target's, else Host
  Text client;                       // address as text; empty on a unix socket
  Text server;                       // address as text, or the unix socket's path
  Text request_id;                   // empty when none is made
  Text body;                         // inline body bytes
  Text script_name;                  // from a trusted forwarder; empty otherwise
  std::uint64_t reserved2 = 0;
};
static_assert(sizeof(RequestHead) == 128);

class RequestBuilder {
 public:
  RequestBuilder() { reset(); }
  void reset();

  RequestHead head;  // filled by the owner while the head arrives; Text members by add_text()

  // Bytes at the end of the byte area. append() continues the last text without a new one.
  Text add_text(std::string_view text);
  std::uint32_t size() const { return static_cast<std::uint32_t>(bytes_.size()); }
  void append(std::string_view text) { bytes_.insert(bytes_.end(), text.begin(), text.end()); }
  void truncate(std::uint32_t size) { bytes_.resize(size); }
  char* data() { return bytes_.data(); }
  std::string_view text(Text where) const { return {bytes_.data() + where.offset, where.length}; }

  std::vector<Field>& fields() { return fields_; }
  const std::vector<Field>& fields() const { return fields_; }
  std::string_view name(const Field& field) const {
    return field.name_id != 0 ? name_text(field.name_id)
                              : std::string_view{bytes_.data() + field.name_offset, field.name_length};
  }

  // Writes the head and the field table; afterwards only the body may grow. Returns the payload.
  void finish();
  bool finished() const { return finished_; }
  void reserve_body(std::size_t bytes) { bytes_.reserve(bytes_.size() + bytes); }
  void append_body(std::span<const std::byte> body);
  void set_flags(std::uint8_t flags);  // after finish(): rewrites the flags in place
  std::span<const std::byte> payload() const {
    return {reinterpret_cast<const std::byte*>(bytes_.data()), bytes_.size()};
  }
  std::size_t memory() const { return bytes_.capacity() + fields_.capacity() * sizeof(Field); }
  void shrink();  // gives back the memory of an unusually large head

 private:
  std::vector<char> bytes_;  // starts with room for the head
  std::vector<Field> fields_;
  bool finished_ = false;
};

class RequestView {
 public:
  RequestView() = default;
  explicit RequestView(std::span<const std::byte> payload) : payload_(payload) {}

  // Nothing when every offset lies inside the payload, else the reason. Call it before anything else.
  [[nodiscard]] const char* validate();

  const RequestHead& head() const { return head_; }
  std::string_view text(Text where) const { return as_text(payload_).substr(where.offset, where.length); }
  Field field(std::size_t index) const {
    Field field;
    __builtin_memcpy(&field, payload_.data() + head_.fields_offset + index * sizeof(Field), sizeof field);
    return field;
  }
  std::string_view name(const Field& field) const {
    return field.name_id != 0 ? name_text(field.name_id) : text({field.name_offset, field.name_length});
  }
  std::string_view value(const Field& field) const { return text(field.value); }
  std::string_view find(Name name) const;  // the first field of that name; empty when there is none
  std::span<const std::byte> body() const { return payload_.subspan(head_.body.offset, head_.body.length); }
  std::span<const std::byte> payload() const { return payload_; }

 private:
  std::span<const std::byte> payload_;
  RequestHead head_;
};

}  // namespace prefork::wire
