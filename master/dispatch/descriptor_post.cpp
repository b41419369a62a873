#include "master/dispatch/descriptor_post.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>

namespace prefork::dispatch {

DescriptorPost::~DescriptorPost() {
  for (const auto& [serial, fd] : arrived_) ::close(fd);
}

// A descriptor crosses before its record is published, so it is here or never was sent.
void DescriptorPost::receive() {
  for (;;) {
    std::uint32_t number = 0;
    iovec data{&number, sizeof number};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (::recvmsg(socket_, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != sizeof number) return;
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header == nullptr || header->cmsg_type != SCM_RIGHTS) continue;
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
    arrived_.emplace_back(number, fd);
  }
}

int DescriptorPost::take(std::uint32_t serial) {
  receive();
  while (!arrived_.empty()) {
    const auto [number, fd] = arrived_.front();
    arrived_.pop_front();
    if (number == serial) return fd;
    ::close(fd);
  }
  return -1;
}

}  // namespace prefork::dispatch
