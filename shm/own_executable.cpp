#include "shm/own_executable.hpp"

#include <limits.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <string_view>
#include <system_error>

namespace prefork::shm {
namespace {

namespace fs = std::filesystem;

// Before anybody changes the directory, to which that name may be relative.
std::string started_file() {
  const auto* name = reinterpret_cast<const char*>(::getauxval(AT_EXECFN));
  if (name == nullptr) return {};
  std::error_code error;
  const fs::path file = fs::absolute(name, error);
  return error ? std::string() : file.string();
}

const std::string started = started_file();

}  // namespace

std::string own_executable() {
  std::array<char, PATH_MAX> path{};
  const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size());
  if (length > 0) {
    std::string whole(path.data(), static_cast<std::size_t>(length));
    constexpr std::string_view kDeleted = " (deleted)";
    if (whole.ends_with(kDeleted)) whole.resize(whole.size() - kDeleted.size());
    return whole;
  }
  std::error_code error;
  const fs::path real = fs::canonical(started, error);
  return error ? started : real.string();
}

}  // namespace prefork::shm
