#include "tests/model/arena.hpp"

#include <sys/mman.h>

#include <cstring>
#include <new>

namespace prefork::model {
namespace {

constexpr std::size_t kGrain = 64;

}  // namespace

Arena::Arena(unsigned stacks) : size_(kWorld + kHeap + stacks * kStack) {
  void* memory = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  base_ = static_cast<std::byte*>(memory);
  heap().used = (sizeof(Heap) + kGrain - 1) / kGrain * kGrain;
}

Arena::~Arena() { ::munmap(base_, size_); }

Range Arena::heap_in_use() const { return {base_ + kWorld, base_ + kWorld + heap().used}; }

void* Arena::allocate(std::size_t bytes) {
  const std::size_t blocks = (bytes + sizeof(Block) + kGrain - 1) / kGrain;
  Heap& all = heap();
  if (blocks < 64 && all.free[blocks] != nullptr) {
    void* found = all.free[blocks];
    std::memcpy(&all.free[blocks], found, sizeof(void*));
    std::memset(found, 0, sizeof(void*));
    return found;
  }
  if (all.used + blocks * kGrain > kHeap) throw std::bad_alloc();
  auto* block = reinterpret_cast<Block*>(base_ + kWorld + all.used);
  all.used += blocks * kGrain;
  block->size_class = blocks;
  return block + 1;
}

// What is freed is wiped, so that two states differ by nothing that is dead.
void Arena::release(void* pointer) {
  auto* block = static_cast<Block*>(pointer) - 1;
  std::memset(pointer, 0, block->size_class * kGrain - sizeof(Block));
  if (block->size_class >= 64) return;
  std::memcpy(pointer, &heap().free[block->size_class], sizeof(void*));
  heap().free[block->size_class] = pointer;
}

}  // namespace prefork::model
