#include "master/dispatch/descriptor_post.hpp"

#include <sys/socket.h>

#include <span>

#include "shm/packet.hpp"

namespace prefork::dispatch {

DescriptorPost::Taken DescriptorPost::take(std::uint32_t serial) {
  for (unsigned looked_at = 0; looked_at < kMostPassedOver; ++looked_at) {
    std::uint32_t number = 0;
    std::size_t length = 0;
    const auto received =
        shm::receive_packet(socket_, std::as_writable_bytes(std::span(&number, 1)), length, beside_, MSG_DONTWAIT);
    if (received != shm::Received::Packet) return {};
    if (length != sizeof number || number != serial || beside_.size() > 1) continue;
    if (beside_.empty()) return {{}, true};
    return {std::move(beside_.front()), true};
  }
  return {};
}

}  // namespace prefork::dispatch
