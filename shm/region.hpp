// A piece of memory that the master and one worker share: anonymous, sealed against shrinking, mapped for as long as this lives.
// The master creates one for each worker process and hands the descriptor over; the worker maps it. A region dies with its worker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "shm/fd.hpp"

namespace prefork::shm {

class Region {
 public:
  // Both throw std::system_error, or boost::interprocess::interprocess_exception turned into one.
  static Region create(std::uint64_t bytes);                    // zeroed
  static UniqueFd make(std::uint64_t bytes, const char* name);  // the same without mapping it
  static Region attach(UniqueFd fd, std::uint64_t bytes);       // fails when the object is smaller than `bytes`
  static Region attach_read_only(UniqueFd fd, std::uint64_t bytes);

  Region(Region&&) noexcept;
  Region& operator=(Region&&) noexcept;
  ~Region();

  std::span<std::byte> bytes() const;
  int fd() const { return fd_.get(); }

 private:
  struct Mapping;
  Region(UniqueFd fd, std::uint64_t bytes, bool writable);

  UniqueFd fd_;
  std::unique_ptr<Mapping> mapping_;
};

}  // namespace prefork::shm
