#include "master/process/title.hpp"

#include <sys/prctl.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

extern char** environ;

namespace prefork::process {
namespace {

// The bytes that the kernel shows as the command line: arguments and then environment, as one piece.
char* start = nullptr;
char* end = nullptr;

}  // namespace

void prepare_title(int argc, char** argv) {
  if (argc == 0) return;
  start = argv[0];
  end = start;
  for (int i = 0; i < argc; ++i) {
    if (argv[i] == end) end += std::strlen(argv[i]) + 1;
  }
  // Never taken down: what is loaded in front of us may ask for a variable when everything else has ended.
  static auto& texts = *new std::vector<std::string>;
  static auto& pointers = *new std::vector<char*>;
  for (char** one = environ; *one != nullptr; ++one) {
    if (*one == end) end += std::strlen(*one) + 1;
    texts.emplace_back(*one);
  }
  pointers.reserve(texts.size() + 1);
  for (auto& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  environ = pointers.data();
}

void set_title(const std::string& title) {
  ::prctl(PR_SET_NAME, "prefork");
  if (end <= start) return;
  const auto room = static_cast<std::size_t>(end - start);
  std::memset(start, 0, room);
  std::copy_n(title.data(), std::min(title.size(), room - 1), start);
}

}  // namespace prefork::process
