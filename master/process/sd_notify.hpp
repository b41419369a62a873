// Talks to systemd (or whoever set NOTIFY_SOCKET): one datagram a message, sd_notify(3) has the words. Without a socket every call
// does nothing. And reads the sockets that systemd opened for us, sd_listen_fds(3).
// Owned by the server, used on its thread. The socket's variables are taken out of the environment, so that workers and what they
// start do not speak in our name.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace prefork::process {

class Notifier {
 public:
  Notifier() = default;
  // "/run/systemd/notify" or "@abstract".
  explicit Notifier(std::string socket) : socket_(std::move(socket)) {}

  // Reads and removes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID.
  static Notifier from_environment();

  // What from_environment() took, as another process of ours needs it that is to speak for the service: KEY=VALUE.
  std::vector<std::string> variables() const;
  // How often the watchdog wants to hear from us: half of what it waits. Empty: it does not.
  std::optional<std::chrono::microseconds> watchdog_interval() const { return watchdog_; }

  // The errno when the message could not be sent, 0 when it was or when nobody listens.
  int ready(std::string_view status = {}) const { return send(with_status("READY=1", status)); }
  int reloading() const;  // with the time at which it began, which Type=notify-reload needs
  int stopping(std::string_view status = {}) const { return send(with_status("STOPPING=1", status)); }
  int status(std::string_view text) const { return send(with_status("", text)); }
  int main_pid(pid_t pid) const { return send("MAINPID=" + std::to_string(pid)); }
  int alive() const { return send("WATCHDOG=1"); }
  int send(std::string_view message) const;

 private:
  static std::string with_status(std::string_view word, std::string_view status);

  std::string socket_;
  std::optional<std::chrono::microseconds> watchdog_;
};

struct InheritedSocket {
  int fd = -1;
  std::string name;  // FileDescriptorName=, "unknown" when there is none
};

// Descriptors 3 and up, when LISTEN_PID is this process; they get FD_CLOEXEC, and the variables are removed. Throws
// std::invalid_argument when the numbers make no sense.
std::vector<InheritedSocket> inherited_sockets();

}  // namespace prefork::process
