#include "master/process/environment.hpp"

#include <algorithm>
#include <string_view>

extern char** environ;

namespace prefork::process {
namespace {

// The first of two equal names is what a process sees.
bool replaced(std::string_view pair, const std::vector<std::string>& by) {
  const auto name = pair.substr(0, pair.find('=') + 1);
  return std::any_of(by.begin(), by.end(), [name](const std::string& one) { return one.starts_with(name); });
}

}  // namespace

std::vector<char*> environment_with(const std::vector<std::string>& pairs) {
  std::vector<char*> environment;
  for (char** one = environ; *one != nullptr; ++one) {
    if (!replaced(*one, pairs)) environment.push_back(*one);
  }
  for (const std::string& one : pairs) environment.push_back(const_cast<char*>(one.c_str()));
  environment.push_back(nullptr);
  return environment;
}

}  // namespace prefork::process
