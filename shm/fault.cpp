#include "shm/fault.hpp"

#ifdef PREFORK_FAULTS

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>

namespace prefork::shm {
namespace {

struct Fault {
  std::string point;
  std::string action;
  long nth = 1;
  std::string once;
};

Fault read_fault() {
  const char* text = std::getenv("PREFORK_FAULT");
  if (text == nullptr) return {};
  std::string_view rest = text;
  const auto next = [&rest] {
    const auto part = rest.substr(0, rest.find(':'));
    rest.remove_prefix(part.size() == rest.size() ? rest.size() : part.size() + 1);
    return std::string(part);
  };
  Fault fault{next(), next(), 1, {}};
  if (!rest.empty()) fault.nth = std::strtol(next().c_str(), nullptr, 10);
  fault.once = rest;
  return fault;
}

}  // namespace

void fault_point(const char* name) {
  static Fault fault = read_fault();
  if (fault.point != name || --fault.nth != 0) return;
  if (!fault.once.empty()) {
    const int fd = ::open(fault.once.c_str(), O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) ::close(fd);
    if (fd < 0 && fault.action != "slow") return;
  }
  if (fault.action == "kill") ::raise(SIGKILL);
  if (fault.action == "stop") ::raise(SIGSTOP);
  if (fault.action == "abort") std::abort();
  if (fault.action == "slow") {
    const timespec pause{0, 50'000'000};
    ::nanosleep(&pause, nullptr);
    fault.nth = 1;
  }
}

}  // namespace prefork::shm

#endif
