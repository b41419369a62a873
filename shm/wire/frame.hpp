// The kinds of records that cross a channel and what their tags mean. A stream is one request and its reply (or one WebSocket):
// it is named by slot and generation in both directions. shm/wire/README.md has the pictures.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

namespace prefork::wire {

inline constexpr std::uint32_t kWireVersion = 2;

enum class Kind : std::uint16_t {
  Padding = 0,  // the ring's own
  Head =
      1,  // both ways: a request head (with an inline body) or a final reply head (likewise). kMore: continued by the next Head of the slot
  Body = 2,      // both ways: bytes of a body. kEnd: the last. kAbort with kEnd: cut short, never falsely ended
  Credit = 3,    // both ways: CreditRecord: the receiver of a body takes so many more bytes
  Cancel = 4,    // master to worker: CancelRecord: nobody waits for the reply any more
  Message = 5,   // both ways: a WebSocket message, kText or binary. kMore: continued by the next Message of the slot
  Close = 6,     // both ways: CloseRecord and reason: the WebSocket's end
  Interim = 7,   // worker to master: a reply head with a 1xx status
  File = 8,      // worker to master: FileRecord: body bytes from a descriptor sent over the side socket. kEnd as Body
  Trailers = 9,  // worker to master: a reply head with only fields, before the Body with kEnd
  Ready = 10,    // worker to master: ReadyRecord
  Drain = 11,    // master to worker: finish what is started, then exit
  Retire =
      12,  // worker to master: asks to be replaced, because somebody has told it to go (max-requests and the like are the master's)
  Socket =
      13,  // worker to master: SocketRecord: the stream socket sent over the side socket is the connection's other end, if the application uses it
  kCount
};

enum Flags : std::uint16_t {
  kMore = 1,   // this record is continued
  kEnd = 2,    // the stream's last body byte is in this record (or before it)
  kAbort = 4,  // with kEnd: the body is broken off
  kText = 8,   // Message: UTF-8 text
};

inline constexpr std::uint64_t kUnknownLength = ~std::uint64_t{0};

// Bytes of the payload, by offset from its start.
struct Text {
  std::uint32_t offset = 0;
  std::uint32_t length = 0;
};

// One header field. A known name crosses as its id (names.hpp); then a request's field has no name bytes.
struct Field {
  std::uint16_t name_id = 0;
  std::uint16_t name_length = 0;
  std::uint32_t name_offset = 0;
  Text value;
};
static_assert(sizeof(Field) == 16);

struct CreditRecord {
  std::uint64_t bytes = 0;
};

// What may lie in a worker of one WebSocket that its application has not received. A message is charged at least the part that lets
// `most` of them lie there; both sides reckon alike.
constexpr std::uint64_t kMessageWindow = 1 << 20;
constexpr std::uint64_t message_charge(std::uint64_t bytes, std::uint64_t most) {
  const std::uint64_t least = kMessageWindow / (most == 0 ? 1 : most);
  return bytes > least ? bytes : least;
}

// HalfClosed cancels nothing: the client has ended its side and still reads; ASGI tells http.disconnect.
enum class CancelReason : std::uint32_t { ClientGone = 1, TimedOut = 2, HalfClosed = 3 };
struct CancelRecord {
  CancelReason reason = CancelReason::ClientGone;
  std::uint32_t reserved = 0;
};

struct CloseRecord {
  std::uint16_t code = 1005;
  std::uint16_t reason_length = 0;  // the reason follows
  std::uint32_t reserved = 0;
};

struct FileRecord {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::uint32_t serial = 0;  // of the descriptor on the side socket
  std::uint32_t reserved = 0;
};

struct SocketRecord {
  std::uint32_t serial = 0;  // of the descriptor on the side socket
  std::uint32_t reserved = 0;
};

enum class Interface : std::uint32_t { Native = 0, Wsgi = 1, Asgi = 2, Echo = 3 };
struct ReadyRecord {
  std::uint32_t wire_version = kWireVersion;
  std::uint32_t pid = 0;
  Interface interface = Interface::Echo;
  std::uint32_t concurrency = 1;  // threads, or requests in flight on an event loop
};

// A fixed-size record out of a payload; false when the payload is too short.
template <class T>
[[nodiscard]] bool read_record(std::span<const std::byte> payload, T& record) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (payload.size() < sizeof(T)) return false;
  __builtin_memcpy(&record, payload.data(), sizeof(T));
  return true;
}

inline std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline std::span<const std::byte> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

}  // namespace prefork::wire
