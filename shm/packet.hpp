// Messages with descriptors between two processes, over a SOCK_SEQPACKET socket: one message a packet, whole or not at all.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shm/fd.hpp"

namespace prefork::shm {

constexpr std::size_t kMaxPacketBytes = 128 * 1024;
constexpr std::size_t kMaxPacketDescriptors = 8;

struct Packet {
  std::string text;
  std::vector<UniqueFd> descriptors;  // closed at exec
};

// Nothing: none is there now, or a signal came (errno says which). End: the other side is gone.
enum class Received { Packet, Nothing, End };

// `flags` as for sendmsg and recvmsg, MSG_DONTWAIT for one. A send that fails leaves errno.
[[nodiscard]] bool send_packet(int socket, std::string_view text, std::span<const int> descriptors, int flags = 0);
[[nodiscard]] Received receive_packet(int socket, Packet& packet, int flags = 0);

// The same into room that the caller has: `length` bytes came, and what did not fit is lost. `descriptors` holds what came along and
// nothing else; its memory is kept from call to call.
[[nodiscard]] Received receive_packet(int socket, std::span<std::byte> room, std::size_t& length,
                                      std::vector<UniqueFd>& descriptors, int flags = 0);

}  // namespace prefork::shm
