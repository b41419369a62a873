// The mold: a process that has loaded the application and forks workers from itself when the master asks for one (--preload), so that
// they share its memory. shm/wire/mold.hpp tells what the two say to each other.
//
// A worker is forked twice, and the process in between ends at once: the worker is then a child of the master, which is told of its
// death and whose death it is told of; the end of the mold means nothing to it.
//
// One a process, in the main thread, GIL held.
#pragma once

#include <optional>
#include <string_view>

#include "python/bridge/ref.hpp"
#include "shm/fd.hpp"
#include "shm/packet.hpp"
#include "shm/wire/mold.hpp"
#include "shm/wire/settings.hpp"
#include "worker/context.hpp"

namespace prefork::bridge {

class Mold {
 public:
  // `channel`: to the master. `hooks`: prefork._mold.Mold.
  Mold(shm::UniqueFd channel, PyRef hooks, const wire::Settings& settings);

  // Tells the master that the application is loaded, and does what it asks until it closes the channel or a signal ends this
  // process: nothing. In a worker that was forked it returns that worker's attachment. Throws std::runtime_error when the master
  // makes no sense.
  std::optional<worker::Attachment> serve();

 private:
  void tell(wire::MoldMessage kind, std::string_view text);
  void answer(std::string_view call);
  std::optional<worker::Attachment> fork_worker(shm::Packet& packet);
  void report(unsigned age, int pid);

  shm::UniqueFd channel_;
  PyRef hooks_;
  const wire::Settings& settings_;
};

}  // namespace prefork::bridge
