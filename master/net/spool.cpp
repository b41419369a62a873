#include "master/net/spool.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "shm/fd.hpp"

#include "shm/fault.hpp"

namespace prefork::net {
namespace {

constexpr std::size_t kReadPiece = 256 * 1024;

}  // namespace

struct Spool::File {
  shm::UniqueFd fd;
};

// One read or write on libuv's threads. It outlives its spool: `owner` is then null and the result is dropped.
struct Spool::Job {
  uv_fs_t request{};
  Spool* owner = nullptr;
  std::shared_ptr<File> file;
  std::vector<char> bytes;
  bool writing = false;
};

Spool::Spool(Loop& loop, SpoolBudget& budget, Limits limits, std::function<void()> changed)
    : loop_(loop), budget_(budget), limits_(limits), changed_(std::move(changed)) {}

Spool::~Spool() {
  if (job_ != nullptr) job_->owner = nullptr;
  budget_.used -= written_ - read_;
  budget_.lent -= loan_;
}

std::uint64_t Spool::in_memory() const {
  return head_bytes_ + tail_.size() + (job_ != nullptr && job_->writing ? job_->bytes.size() : 0);
}

// Whether so many bytes in memory are within bounds, with what can be borrowed for them.
bool Spool::fits_memory(std::uint64_t bytes) {
  if (bytes <= allowance()) return true;
  const std::uint64_t more = bytes - allowance();
  if (loan_ + more > limits_.loan || budget_.lent + more > budget_.lendable) return false;
  loan_ += more;
  budget_.lent += more;
  return true;
}

void Spool::repay() {
  const std::uint64_t needed = head_bytes_ - std::min(head_bytes_, limits_.memory);
  if (needed >= loan_) return;
  budget_.lent -= loan_ - needed;
  loan_ = needed;
}

bool Spool::can_spill() const { return !broken_ && written_ - read_ < limits_.file && budget_.used < budget_.limit; }

void Spool::append(std::span<const char> bytes) {
  if (bytes.empty() || failed_) return;
  size_ += bytes.size();
  const bool straight = tail_.empty() && file_empty();
  if (straight && (fits_memory(head_bytes_ + bytes.size()) || !can_spill())) {
    head_.emplace_back(bytes.begin(), bytes.end());
    head_bytes_ += bytes.size();
    return;
  }
  tail_.insert(tail_.end(), bytes.begin(), bytes.end());
  spill();
  if (head_.empty()) (void)refill();  // no file takes them, so nothing would bring them back
}

void Spool::report(const std::string& what, int error) {
  if (budget_.report && budget_.seldom.tells(loop_.now_ms())) budget_.report(what + ": " + std::strerror(error));
}

bool Spool::open_file() {
  if (file_) return true;
  int fd = ::open(budget_.directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0) {
    std::string name = budget_.directory + "/prefork-XXXXXX";
    fd = ::mkostemp(name.data(), O_CLOEXEC);
    if (fd >= 0) ::unlink(name.c_str());
  }
  if (fd < 0) {
    broken_ = true;
    report("cannot make a temporary file in " + budget_.directory, errno);
    return false;
  }
  file_ = std::make_shared<File>();
  file_->fd.reset(fd);
  return true;
}

// Starts writing the tail, when nothing else is under way.
void Spool::spill() {
  PREFORK_FAULT_POINT("master.spool");
  if (job_ != nullptr || tail_.empty() || !can_spill() || !open_file()) return;
  job_ = new Job;
  job_->owner = this;
  job_->file = file_;
  job_->bytes.swap(tail_);
  job_->writing = true;
  job_->request.data = job_;
  uv_buf_t buffer = uv_buf_init(job_->bytes.data(), static_cast<unsigned>(job_->bytes.size()));
  uv_fs_write(loop_.uv(), &job_->request, file_->fd.get(), &buffer, 1, static_cast<std::int64_t>(written_),
              [](uv_fs_t* request) {
                const std::unique_ptr<Job> job(static_cast<Job*>(request->data));
                if (job->owner != nullptr) job->owner->on_written(*job, request->result);
                uv_fs_req_cleanup(request);
              });
}

void Spool::on_written(Job& job, long result) {
  job_ = nullptr;
  const auto done = static_cast<std::size_t>(std::max(result, 0L));
  written_ += done;
  budget_.used += done;
  if (done < job.bytes.size()) {
    // Disk full or gone: what was not written goes back before the tail and stays in memory.
    tail_.insert(tail_.begin(), job.bytes.begin() + static_cast<std::ptrdiff_t>(done), job.bytes.end());
    if (done == 0) {
      broken_ = true;
      report("cannot write a temporary file in " + budget_.directory, static_cast<int>(-result));
    }
  }
  if (head_bytes_ != 0) {
    spill();
  } else {
    (void)refill();
  }
  changed_();
}

// Gets the oldest bytes into memory: straight from the tail (true: they are there), else by a read from the file.
bool Spool::refill() {
  if (job_ != nullptr) return false;
  if (read_ < written_) {
    job_ = new Job;
    job_->owner = this;
    job_->file = file_;
    job_->bytes.resize(std::min<std::uint64_t>(kReadPiece, written_ - read_));
    job_->request.data = job_;
    uv_buf_t buffer = uv_buf_init(job_->bytes.data(), static_cast<unsigned>(job_->bytes.size()));
    uv_fs_read(loop_.uv(), &job_->request, file_->fd.get(), &buffer, 1, static_cast<std::int64_t>(read_),
               [](uv_fs_t* request) {
                 const std::unique_ptr<Job> job(static_cast<Job*>(request->data));
                 if (job->owner != nullptr) job->owner->on_read(*job, request->result);
                 uv_fs_req_cleanup(request);
               });
    return false;
  }
  if (tail_.empty()) return false;
  head_bytes_ += tail_.size();
  head_.push_back(std::move(tail_));
  tail_ = {};
  return true;
}

void Spool::on_read(Job& job, long result) {
  job_ = nullptr;
  if (result <= 0) {
    broken_ = true;
    report("cannot read a temporary file back", static_cast<int>(-result));
    lose_all();
    return changed_();
  }
  job.bytes.resize(static_cast<std::size_t>(result));
  give_back(job.bytes.size());
  head_bytes_ += job.bytes.size();
  head_.push_back(std::move(job.bytes));
  spill();
  changed_();
}

void Spool::lose_all() {
  failed_ = true;
  budget_.used -= written_ - read_;
  read_ = written_;
  head_.clear();
  tail_.clear();
  head_offset_ = head_bytes_ = size_ = 0;
  repay();
}

// What has been read back takes no disk any more: a reply of any length passes through a file of bounded size.
void Spool::give_back(std::uint64_t bytes) {
  ::fallocate(file_->fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(read_),
              static_cast<off_t>(bytes));
  read_ += bytes;
  budget_.used -= bytes;
}

std::span<const char> Spool::front() const {
  if (head_.empty()) return {};
  return std::span<const char>(head_.front()).subspan(head_offset_);
}

void Spool::consume(std::size_t bytes) {
  size_ -= bytes;
  head_bytes_ -= bytes;
  head_offset_ += bytes;
  if (head_offset_ == head_.front().size()) {
    head_.pop_front();
    head_offset_ = 0;
  }
  repay();
  if (head_.empty() && size_ != 0) (void)refill();
}

}  // namespace prefork::net
