// Stands in for libFuzzer in ordinary builds: gives a fuzz target every input of its corpus, whole and cut off at every byte.
// Usage: X_fuzz FILE-OR-FOLDER…; fails when there was no input, because a corpus that was lost would pass otherwise.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

// Cutting a long input everywhere costs the square of its length; most of them are shorter than this.
constexpr std::size_t kLongestCut = 2048;

std::vector<std::filesystem::path> inputs_below(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) return {path};
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) found.push_back(entry.path());
  }
  return found;
}

std::vector<char> read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::filesystem::filesystem_error("cannot read", path, std::make_error_code(std::errc::io_error));
  return {std::istreambuf_iterator<char>(file), {}};
}

// A block of exactly this size, so that AddressSanitizer sees the first byte read past its end.
void run(const std::vector<char>& bytes, std::size_t length) {
  const auto copy = std::make_unique<std::uint8_t[]>(length);
  std::copy_n(bytes.begin(), length, copy.get());
  LLVMFuzzerTestOneInput(copy.get(), length);
}

int replay(int argc, char** argv) {
  std::size_t count = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& path : inputs_below(argv[i])) {
      std::printf("%s\n", path.c_str());
      std::fflush(stdout);  // the last line names the input that crashed
      const auto bytes = read(path);
      const std::size_t cuts = bytes.size() <= kLongestCut ? bytes.size() : 0;
      for (std::size_t length = 0; length < cuts; ++length) run(bytes, length);
      run(bytes, bytes.size());
      ++count;
    }
  }
  if (count == 0) std::fputs("no input was replayed\n", stderr);
  return count == 0 ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return replay(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
