// Counters and small values by name, in memory that every worker maps and that outlives each of them; the applications' own. The master
// makes it and never looks into it. Memory of zeros is an empty table, so nobody has to set it up.
//
//   [used 128][Entry 256 × entries][data: two buffers a value]
//
// Any number of processes and threads. A process may die at any point: what it had begun is taken over or forgotten, and what it had
// finished stays. Nothing is ever removed: an Entry's address means the same name for ever.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "shm/atomic.hpp"
#include "shm/fd.hpp"

namespace prefork::shm {

inline constexpr std::size_t kLongestSharedName = 63;

struct SharedEntry {
  static constexpr std::uint64_t kFree = 0, kCounter = 1, kValue = 2;  // greater: the process that writes the name

  // Written once, by whoever makes the entry.
  Atomic<std::uint64_t> state;
  std::uint64_t data_offset;  // of a value: two buffers of {length, capacity bytes}
  std::uint32_t capacity;     // of a value
  std::uint8_t name_length;
  char name[kLongestSharedName];
  // Written all the time, on lines of their own.
  alignas(kLine) Atomic<std::uint64_t> number;  // the count, or the value's version: 0 until it is set
  Atomic<std::uint64_t> writer;                 // of a value: the process that writes it now, or 0
};
static_assert(sizeof(SharedEntry) == 2 * kLine);

enum class SharedFailure {
  None,
  Full,      // no room for another name
  Mismatch,  // the name is of the other kind, or of a value of another capacity
  Busy,      // the process that is at it stands still
  TooLong,   // the bytes are more than the value's capacity
  Moved,     // the version is not the expected one
};

class SharedTable {
 public:
  // Sealed memory of zeros. Throws std::system_error.
  static UniqueFd create(std::uint64_t bytes);

  // Maps it for as long as the process lives; the process's children have it too. Throws std::system_error.
  explicit SharedTable(int fd);
  // Over memory that outlives this and is aligned to kLine.
  explicit SharedTable(std::span<std::byte> memory);

  // The entry of that name, made if there is none. Null with the reason. A name has 1 to kLongestSharedName bytes.
  SharedEntry* counter(std::string_view name, SharedFailure& failure);
  SharedEntry* value(std::string_view name, std::uint32_t capacity, SharedFailure& failure);

  // Returns the new count; it wraps around.
  static std::int64_t add(SharedEntry& counter, std::int64_t amount);
  static std::int64_t count(const SharedEntry& counter);
  // Returns the count that was.
  static std::int64_t exchange(SharedEntry& counter, std::int64_t count);

  // The bytes and their version, as one set() left them; version 0 and nothing before the first.
  std::uint64_t get(const SharedEntry& value, std::string& bytes) const;
  static std::uint64_t version(const SharedEntry& value);
  // The new version; 0 with the reason. `expected`: only if the version is still that one.
  std::uint64_t set(SharedEntry& value, std::span<const std::byte> bytes, std::optional<std::uint64_t> expected,
                    SharedFailure& failure);

  std::size_t entries() const { return entries_; }

 private:
  SharedEntry* find(std::string_view name, std::uint64_t kind, std::uint32_t capacity, SharedFailure& failure);
  SharedEntry* make(SharedEntry& entry, std::string_view name, std::uint64_t kind, std::uint32_t capacity,
                    SharedFailure& failure);
  bool allocate(std::uint32_t capacity, std::uint64_t& offset);
  SharedEntry& entry(std::size_t index) const;
  Atomic<std::uint64_t>* words(const SharedEntry& value, std::uint64_t version) const;

  std::span<std::byte> memory_;
  std::size_t entries_ = 0;
};

}  // namespace prefork::shm
