// All memory that the model threads can change: the world, their heap, their stacks. At one place for the whole run, so that a copy put
// back restores every pointer in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace prefork::model {

struct Range {
  std::byte* begin;
  std::byte* end;
};

class Arena {
 public:
  static constexpr std::size_t kWorld = 256 * 1024;
  static constexpr std::size_t kHeap = 256 * 1024;
  static constexpr std::size_t kStack = 64 * 1024;

  explicit Arena(unsigned stacks);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  std::byte* world() const { return base_; }
  std::byte* stack_top(unsigned index) const { return base_ + kWorld + kHeap + (index + 1) * kStack; }
  bool owns(const void* pointer) const { return pointer >= base_ && pointer < base_ + size_; }

  void* allocate(std::size_t bytes);
  void release(void* pointer);
  Range heap_in_use() const;

 private:
  // Freed blocks by size class, and the first byte never used: at the heap's beginning, so that they are saved with it.
  struct Heap {
    std::size_t used;
    void* free[64];
  };
  struct Block {
    std::size_t size_class;
    std::size_t reserved;
  };
  Heap& heap() const { return *reinterpret_cast<Heap*>(base_ + kWorld); }

  std::byte* base_;
  std::size_t size_;
};

}  // namespace prefork::model
