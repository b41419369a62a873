// A LogDevice that keeps what it is given, for tests.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "master/serve/log_device.hpp"

namespace prefork::serve {

struct Kept {
  std::mutex mutex;
  std::vector<LogChunk> chunks;

  std::string text() {
    const std::lock_guard lock(mutex);
    std::string all;
    for (const LogChunk& chunk : chunks) all += chunk.bytes;
    return all;
  }
};

class MemoryDevice final : public LogDevice {
 public:
  explicit MemoryDevice(Kept& kept) : kept_(kept) {}
  int write(LogChunk& chunk) override {
    const std::lock_guard lock(kept_.mutex);
    chunk.written = chunk.bytes.size();
    kept_.chunks.push_back(chunk);
    return 0;
  }
  std::string_view name() const override { return "memory"; }

 private:
  Kept& kept_;
};

}  // namespace prefork::serve
