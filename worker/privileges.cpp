#include "worker/privileges.hpp"

#include <grp.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

namespace prefork::worker {
namespace {

void require(int result, const char* what) {
  if (result != 0) throw std::system_error(errno, std::system_category(), what);
}

}  // namespace

bool changes_user(const wire::Settings& settings) {
  const auto uid = static_cast<uid_t>(settings.number("uid", -1));
  return uid != static_cast<uid_t>(-1) && uid != ::geteuid();
}

void drop_privileges(const wire::Settings& settings) {
  const auto uid = static_cast<uid_t>(settings.number("uid", -1));
  const auto gid = static_cast<gid_t>(settings.number("gid", -1));
  const bool keep_user = !changes_user(settings);
  const bool keep_group = gid == static_cast<gid_t>(-1) || gid == ::getegid();
  if (keep_user && keep_group) return;
  const gid_t group = keep_group ? ::getegid() : gid;
  // The groups of whoever started the server go too: root's would give away what the user was to protect.
  const std::string user(settings.get("user"));
  if (settings.flag("initgroups") && !user.empty()) {
    require(::initgroups(user.c_str(), group), "initgroups");
  } else if (::geteuid() == 0) {
    require(::setgroups(1, &group), "setgroups");
  }
  if (!keep_group) require(::setgid(gid), "setgid");
  if (!keep_user) require(::setuid(uid), "setuid");
}

}  // namespace prefork::worker
