#include "shm/region.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <boost/interprocess/mapped_region.hpp>
#include <cerrno>
#include <string>
#include <system_error>

namespace prefork::shm {
namespace {

namespace bi = boost::interprocess;

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::system_category(), what); }

// What mapped_region asks of a memory object: its descriptor.
struct Descriptor {
  int fd;
  bi::mapping_handle_t get_mapping_handle() const { return {fd, false}; }
};

#ifdef PREFORK_POSIX_SHM
// A name that lives only until the next line: the object itself has no name, like a memfd.
UniqueFd make_object(const char*) {
  for (int attempt = 0;; ++attempt) {
    const std::string name = "/prefork-" + std::to_string(::getpid()) + '-' + std::to_string(attempt);
    const int fd = ::shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) {
      ::shm_unlink(name.c_str());
      return UniqueFd(fd);
    }
    if (errno != EEXIST || attempt > 1000) fail("shm_open for a region");
  }
}
// Such an object cannot be sealed: a worker that truncates it takes the master down. Systems with memfd_create do not use this.
void seal(int) {}
#else
UniqueFd make_object(const char* name) {
  // Newer kernels want to be told that nothing in it is a program; older ones do not know the flag.
#ifdef MFD_NOEXEC_SEAL
  constexpr unsigned kNoExec = MFD_NOEXEC_SEAL;
#else
  constexpr unsigned kNoExec = 8;
#endif
  int fd = ::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | kNoExec);
  if (fd < 0 && errno == EINVAL) fd = ::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) fail("memfd_create for a region");
  return UniqueFd(fd);
}
void seal(int fd) {
  // A worker that truncates the object must not be able to kill the master with SIGBUS; nor may it add seals of its own.
  if (::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) fail("sealing a region");
}
#endif

}  // namespace

struct Region::Mapping {
  bi::mapped_region region;
};

Region::Region(UniqueFd fd, std::uint64_t bytes, bool writable) : fd_(std::move(fd)) {
  try {
    mapping_ = std::make_unique<Mapping>(
        Mapping{bi::mapped_region(Descriptor{fd_.get()}, writable ? bi::read_write : bi::read_only, 0, bytes)});
  } catch (const bi::interprocess_exception& error) {
    throw std::system_error(error.get_native_error(), std::system_category(), "mapping a region");
  }
#ifdef MADV_DONTFORK
  // An application's own children must not keep the region alive or scribble over it.
  if (::madvise(mapping_->region.get_address(), mapping_->region.get_size(), MADV_DONTFORK) != 0)
    fail("keeping a region from children");
#endif
}

Region::Region(Region&&) noexcept = default;
Region& Region::operator=(Region&&) noexcept = default;
Region::~Region() = default;

std::span<std::byte> Region::bytes() const {
  return {static_cast<std::byte*>(mapping_->region.get_address()), mapping_->region.get_size()};
}

UniqueFd Region::make(std::uint64_t bytes, const char* name) {
  UniqueFd fd = make_object(name);
  if (::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) {
    const int error = errno;
    const std::string what = std::to_string(bytes) + " bytes of shared memory";
    throw std::system_error(error, std::system_category(), what + (error == EFBIG ? " (see ulimit -f)" : ""));
  }
  seal(fd.get());
  return fd;
}

Region Region::create(std::uint64_t bytes) { return Region(make(bytes, "prefork"), bytes, true); }

namespace {
// A mapping past the end of its object would be a SIGBUS later instead of an error now.
void require_size(int fd, std::uint64_t bytes) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) fail("attaching to a region");
  if (static_cast<std::uint64_t>(status.st_size) < bytes)
    throw std::system_error(EINVAL, std::system_category(), "a region is smaller than its geometry");
}
}  // namespace

Region Region::attach(UniqueFd fd, std::uint64_t bytes) {
  require_size(fd.get(), bytes);
  return Region(std::move(fd), bytes, true);
}

Region Region::attach_read_only(UniqueFd fd, std::uint64_t bytes) {
  require_size(fd.get(), bytes);
  return Region(std::move(fd), bytes, false);
}

}  // namespace prefork::shm
