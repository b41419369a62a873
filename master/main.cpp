#include <cstdio>

#include "version.hpp"

int main() {
  std::puts("prefork " PREFORK_VERSION);
  return 0;
}
