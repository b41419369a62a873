#include "shm/shared_table.hpp"

#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>
#include <thread>

#include "shm/process_token.hpp"
#include "shm/region.hpp"

namespace prefork::shm {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kHeader = kLine;
constexpr std::size_t kMostEntries = 65'536;
constexpr std::uint64_t kLastKind = SharedEntry::kValue;
constexpr auto kPatience = std::chrono::seconds(5);        // with a process that stands still
constexpr auto kLookAfter = std::chrono::milliseconds(1);  // then the other process may be dead

std::uint64_t hash_of(std::string_view name) {
  std::uint64_t hash = 14'695'981'039'346'656'037ULL;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1'099'511'628'211ULL;
  return hash ^ (hash >> 29);
}

std::size_t rounded(std::size_t bytes) { return (bytes + 7) / 8 * 8; }

// The words that a buffer has: its length, then the bytes.
std::size_t buffer_words(std::uint32_t capacity) { return 1 + rounded(capacity) / 8; }

// Waits for a word that another process holds. True: it may be tried again, or the owner is dead and `owner` can be replaced.
class Patience {
 public:
  bool wait(std::uint64_t owner, bool& dead) {
    const auto waited = Clock::now() - since_;
    dead = waited > kLookAfter && !token_alive(owner);
    if (dead) return true;
    if (waited > kPatience) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(20));
    return true;
  }

 private:
  Clock::time_point since_ = Clock::now();
};

}  // namespace

UniqueFd SharedTable::create(std::uint64_t bytes) { return Region::make(bytes, "prefork-shared"); }

SharedTable::SharedTable(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) throw std::system_error(errno, std::system_category(), "the shared memory");
  const auto bytes = static_cast<std::size_t>(status.st_size);
  void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) throw std::system_error(errno, std::system_category(), "mapping the shared memory");
  *this = SharedTable(std::span(static_cast<std::byte*>(memory), bytes));
}

// A quarter of it is names.
SharedTable::SharedTable(std::span<std::byte> memory) : memory_(memory) {
  const std::size_t room = memory.size() - std::min(memory.size(), kHeader);
  entries_ =
      std::min({kMostEntries, std::max<std::size_t>(room / 4 / sizeof(SharedEntry), 1), room / sizeof(SharedEntry)});
}

SharedEntry& SharedTable::entry(std::size_t index) const {
  return *reinterpret_cast<SharedEntry*>(memory_.data() + kHeader + index * sizeof(SharedEntry));
}

SharedEntry* SharedTable::counter(std::string_view name, SharedFailure& failure) {
  return find(name, SharedEntry::kCounter, 0, failure);
}

SharedEntry* SharedTable::value(std::string_view name, std::uint32_t capacity, SharedFailure& failure) {
  return find(name, SharedEntry::kValue, capacity, failure);
}

// The first free entry on a name's way is where it goes, and nothing is removed: two processes that want the same name meet there.
SharedEntry* SharedTable::find(std::string_view name, std::uint64_t kind, std::uint32_t capacity,
                               SharedFailure& failure) {
  const auto first = entries_ == 0 ? 0 : hash_of(name) % entries_;
  for (std::size_t step = 0; step < entries_; ++step) {
    SharedEntry& entry = this->entry((first + step) % entries_);
    Patience patience;
    for (;;) {
      // acquire: pairs with release in make(). The name is whole.
      auto state = entry.state.load(std::memory_order_acquire);
      bool dead = state == SharedEntry::kFree;
      if (state > kLastKind && !patience.wait(state, dead)) return failure = SharedFailure::Busy, nullptr;
      if (dead) {
        // acq_rel: one process writes the name, the others see its token; acquire when it fails: as above.
        if (!entry.state.compare_exchange_strong(state, process_token(), std::memory_order_acq_rel,
                                                 std::memory_order_acquire))
          continue;
        return make(entry, name, kind, capacity, failure);
      }
      if (state > kLastKind) continue;
      if (std::string_view(entry.name, entry.name_length) != name) break;
      const bool same = state == kind && (kind != SharedEntry::kValue || capacity <= entry.capacity);
      failure = same ? SharedFailure::None : SharedFailure::Mismatch;
      return same ? &entry : nullptr;
    }
  }
  failure = SharedFailure::Full;
  return nullptr;
}

SharedEntry* SharedTable::make(SharedEntry& entry, std::string_view name, std::uint64_t kind, std::uint32_t capacity,
                               SharedFailure& failure) {
  std::uint64_t offset = 0;
  if (kind == SharedEntry::kValue && !allocate(capacity, offset)) {
    // release: as below. The entry is free again.
    entry.state.store(SharedEntry::kFree, std::memory_order_release);
    failure = SharedFailure::Full;
    return nullptr;
  }
  entry.data_offset = offset;
  entry.capacity = capacity;
  entry.name_length = static_cast<std::uint8_t>(name.size());
  std::memcpy(entry.name, name.data(), name.size());
  // release: pairs with acquire in find(). Publishes the name and where the data are.
  entry.state.store(kind, std::memory_order_release);
  failure = SharedFailure::None;
  return &entry;
}

// What a process takes here and does not live to use is lost.
bool SharedTable::allocate(std::uint32_t capacity, std::uint64_t& offset) {
  auto& used = *reinterpret_cast<Atomic<std::uint64_t>*>(memory_.data());
  const std::uint64_t bytes = 2 * buffer_words(capacity) * 8;
  const std::uint64_t start = kHeader + entries_ * sizeof(SharedEntry);
  // relaxed: only the number counts.
  auto taken = used.load(std::memory_order_relaxed);
  do {
    if (start + taken + bytes > memory_.size()) return false;
    // relaxed: as above.
  } while (!used.compare_exchange_weak(taken, taken + bytes, std::memory_order_relaxed, std::memory_order_relaxed));
  offset = start + taken;
  return true;
}

std::int64_t SharedTable::add(SharedEntry& counter, std::int64_t amount) {
  // relaxed: a count says nothing about other memory.
  const auto before = counter.number.fetch_add(static_cast<std::uint64_t>(amount), std::memory_order_relaxed);
  return static_cast<std::int64_t>(before + static_cast<std::uint64_t>(amount));
}

std::int64_t SharedTable::count(const SharedEntry& counter) {
  // relaxed: as in add().
  return static_cast<std::int64_t>(counter.number.load(std::memory_order_relaxed));
}

std::int64_t SharedTable::exchange(SharedEntry& counter, std::int64_t count) {
  // relaxed: as in add().
  return static_cast<std::int64_t>(
      counter.number.exchange(static_cast<std::uint64_t>(count), std::memory_order_relaxed));
}

// ---------------------------------------------------------------------------------------------------- values

Atomic<std::uint64_t>* SharedTable::words(const SharedEntry& value, std::uint64_t version) const {
  return reinterpret_cast<Atomic<std::uint64_t>*>(memory_.data() + value.data_offset) +
         (version & 1) * buffer_words(value.capacity);
}

std::uint64_t SharedTable::version(const SharedEntry& value) {
  // acquire: pairs with release in set().
  return value.number.load(std::memory_order_acquire);
}

// Versions take turns in two buffers, so that a writer that dies, or is slow, leaves the last version alone. A reader that is overtaken
// twice sees a word of the version after the next one, and with it that the version has moved.
std::uint64_t SharedTable::get(const SharedEntry& value, std::string& bytes) const {
  for (;;) {
    const auto before = version(value);
    bytes.clear();
    if (before == 0) return 0;
    const auto* const from = words(value, before);
    // acquire: pairs with release in set(): who sees a word of a later version sees that the version before it was published.
    const auto length = std::min<std::uint64_t>(from[0].load(std::memory_order_acquire), value.capacity);
    bytes.resize(rounded(length));
    for (std::size_t i = 0; i < bytes.size() / 8; ++i) {
      // acquire: as above.
      const std::uint64_t word = from[1 + i].load(std::memory_order_acquire);
      std::memcpy(bytes.data() + i * 8, &word, sizeof word);
    }
    bytes.resize(length);
    if (version(value) == before) return before;
  }
}

std::uint64_t SharedTable::set(SharedEntry& value, std::span<const std::byte> bytes,
                               std::optional<std::uint64_t> expected, SharedFailure& failure) {
  if (bytes.size() > value.capacity) return failure = SharedFailure::TooLong, 0;
  const auto self = process_token();
  Patience patience;
  std::uint64_t owner = 0;
  // acq_rel: pairs with release below. One process writes at a time; acquire when it fails: who that is.
  while (!value.writer.compare_exchange_strong(owner, self, std::memory_order_acq_rel, std::memory_order_acquire)) {
    bool dead = false;
    if (!patience.wait(owner, dead)) return failure = SharedFailure::Busy, 0;
    if (!dead) owner = 0;  // else: takes over from the process that died
  }
  const auto before = version(value);
  const bool go = !expected || *expected == before;
  if (go) {
    auto* const to = words(value, before + 1);
    // release: pairs with acquire in get(): who sees this word sees that the version is `before` at least.
    to[0].store(bytes.size(), std::memory_order_release);
    for (std::size_t at = 0; at < bytes.size(); at += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes.data() + at, std::min<std::size_t>(8, bytes.size() - at));
      // release: as above.
      to[1 + at / 8].store(word, std::memory_order_release);
    }
    // release: pairs with acquire in version(). Publishes the bytes.
    value.number.store(before + 1, std::memory_order_release);
  }
  // release: pairs with the compare-exchange above. The next writer sees the version.
  value.writer.store(0, std::memory_order_release);
  failure = go ? SharedFailure::None : SharedFailure::Moved;
  return go ? before + 1 : 0;
}

}  // namespace prefork::shm
