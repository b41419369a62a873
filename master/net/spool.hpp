// A queue of bytes that may grow larger than memory: the front is in memory, the middle in an unlinked temporary file, the end in
// memory again. Request bodies wait here for a worker, replies for a slow reader. File reads and writes run on libuv's threads.
// Owned by an Exchange or a Connection; used on the loop's thread. When the file cannot be written the bytes stay in memory and
// full() says so: the owner stops the source.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "master/net/loop.hpp"
#include "master/net/seldom.hpp"

namespace prefork::net {

// What all spools of a server share: where files go, how much they may hold together, and the memory that is lent to those that
// would need a file else.
struct SpoolBudget {
  std::string directory = "/tmp";
  std::uint64_t limit = std::uint64_t{4} << 30;
  std::uint64_t used = 0;
  std::uint64_t lendable = 64 << 20;
  std::uint64_t lent = 0;
  // A file could not be made, written or read; seldom, however often that happens.
  std::function<void(const std::string&)> report;
  Seldom seldom;
};

class Spool {
 public:
  struct Limits {
    std::uint64_t memory = 256 * 1024;  // before a file is used
    std::uint64_t file = 0;             // of this spool; 0: none is made
    std::uint64_t loan = 0;             // memory on top, while the budget has it to lend
  };

  // `changed` is called from the loop when front() has something again or when bytes have gone to the file; never from within
  // append() or consume().
  Spool(Loop& loop, SpoolBudget& budget, Limits limits, std::function<void()> changed);
  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  void append(std::span<const char> bytes);
  bool empty() const { return size_ == 0; }
  std::uint64_t size() const { return size_; }
  std::uint64_t in_memory() const;
  // More is in memory than should be: stop the source until `changed` is called.
  bool full() const { return in_memory() > 2 * allowance() || stuck(); }
  // No file can take what is too much for memory: only consuming helps.
  bool stuck() const { return in_memory() > allowance() && !can_spill(); }

  // The file could not be read back: all that waited is lost, and whoever it was for must hear of it.
  bool failed() const { return failed_; }

  // The next bytes, empty while they are on their way from the file. consume() takes them off.
  std::span<const char> front() const;
  void consume(std::size_t bytes);

 private:
  struct File;
  struct Job;

  std::uint64_t allowance() const { return limits_.memory + loan_; }
  bool fits_memory(std::uint64_t bytes);
  void repay();
  bool can_spill() const;
  void spill();
  bool refill();
  void on_written(Job& job, long result);
  void give_back(std::uint64_t bytes);
  void on_read(Job& job, long result);
  void lose_all();
  bool open_file();
  void report(const std::string& what, int error);
  bool file_empty() const { return written_ == read_ && job_ == nullptr; }

  Loop& loop_;
  SpoolBudget& budget_;
  Limits limits_;
  std::function<void()> changed_;
  std::deque<std::vector<char>> head_;  // oldest bytes
  std::size_t head_offset_ = 0;         // consumed of head_.front()
  std::uint64_t head_bytes_ = 0;
  std::uint64_t loan_ = 0;  // of the budget's memory
  std::shared_ptr<File> file_;
  std::uint64_t read_ = 0;  // file offsets
  std::uint64_t written_ = 0;
  std::vector<char> tail_;  // newest bytes, not yet in the file
  Job* job_ = nullptr;      // the one file operation under way
  std::uint64_t size_ = 0;
  bool broken_ = false;  // the file failed: no more spilling
  bool failed_ = false;
};

}  // namespace prefork::net
