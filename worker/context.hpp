// What a worker process is attached to: its region, its bells, the side socket and the settings that the master hands over.
// Made once at the start of the process (or of a fork of the mold) and lives as long as it.
#pragma once

#include <string>
#include <string_view>

#include "shm/channel.hpp"
#include "shm/region.hpp"
#include "shm/wire/frame.hpp"
#include "shm/wire/settings.hpp"

namespace prefork::worker {

// The descriptors and numbers of an attachment. They travel as one argument: geometry, then seven numbers, by commas.
struct Attachment {
  shm::Geometry geometry;
  int region_fd = -1;  // -1: a mold, which serves nobody; its side_fd is its channel to the master
  int own_bell_fd = -1;
  int master_bell_fd = -1;
  int side_fd = -1;         // SOCK_SEQPACKET to the master: descriptors cross here
  int settings_fd = -1;     // Settings text, read to its end once; -1 in a fork of the mold, which has them already
  unsigned worker_id = 0;   // 1-based place among the workers
  unsigned worker_age = 0;  // how many workers were started before this one

  bool is_mold() const { return region_fd < 0; }
  std::string to_text() const;
  // Throws std::runtime_error that says what is wrong: another version's geometry, a malformed number.
  static Attachment from_text(std::string_view text);
};

// The settings behind the attachment's descriptor, which stays open and can be read again; empty without one. Throws std::system_error.
wire::Settings read_settings(const Attachment& attachment);

// A descriptor of the worker's own goes to a high number, closed on exec: applications close ranges of low ones, and the next file that
// they open would get a number that we write to. Where there is none it stays.
int out_of_the_way(int fd);

// Takes the attachment's descriptors over. They are closed when the application starts another program.
class Context {
 public:
  explicit Context(const Attachment& attachment);  // throws std::system_error, std::runtime_error
  Context(const Attachment& attachment, wire::Settings settings);
  shm::WorkerEnd& channel() { return channel_; }
  const wire::Settings& settings() const { return settings_; }
  unsigned worker_id() const { return worker_id_; }
  unsigned worker_age() const { return worker_age_; }
  int side_fd() const { return side_.get(); }

  // False when the application has closed the descriptors that wake us and the master: it cannot be told anything any more.
  bool bells_alive() const;

  // Tells the master that requests may come. Rings.
  void ready(wire::Interface interface, std::uint32_t concurrency);
  bool was_ready() const { return was_ready_; }

  // Says for whoever looks at the region that this is an orderly end. The parts stay: threads may still use them.
  void leave();

  // Sends a descriptor to the master ahead of the File or Socket record that names its serial. False when the socket takes no more now.
  [[nodiscard]] bool send_fd(int fd, std::uint32_t& serial);

 private:
  shm::UniqueFd own_bell_;
  shm::UniqueFd master_bell_;
  shm::UniqueFd side_;
  shm::Region region_;
  shm::WorkerEnd channel_;
  wire::Settings settings_;
  unsigned worker_id_;
  unsigned worker_age_;
  std::uint32_t next_serial_ = 1;
  bool was_ready_ = false;
};

}  // namespace prefork::worker
