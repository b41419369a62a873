#include "runner.hpp"

#include <netdb.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "http_client.hpp"
#include "ws_client.hpp"

namespace prefork::load {
namespace {

using std::chrono::duration;
using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr auto kScanEvery = milliseconds(20);
volatile std::sig_atomic_t interrupted = 0;

void on_signal(int) { interrupted = 1; }

}  // namespace

Address::Address(const Options& options) {
  if (!options.unix_path.empty()) {
    auto* address = reinterpret_cast<sockaddr_un*>(&storage_);
    if (options.unix_path.size() >= sizeof address->sun_path) {
      std::fprintf(stderr, "prefork-load: path of the socket is too long\n");
      std::exit(2);
    }
    address->sun_family = AF_UNIX;
    std::memcpy(address->sun_path, options.unix_path.c_str(), options.unix_path.size() + 1);
    length_ = sizeof(sockaddr_un);
    return;
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(options.host.c_str(), options.port.c_str(), &hints, &found); error != 0) {
    std::fprintf(stderr, "prefork-load: %s:%s: %s\n", options.host.c_str(), options.port.c_str(),
                 ::gai_strerror(error));
    std::exit(2);
  }
  std::memcpy(&storage_, found->ai_addr, found->ai_addrlen);
  length_ = found->ai_addrlen;
  ::freeaddrinfo(found);
}

Runner::Runner(const Options& options)
    : options_(options),
      address_(options),
      mix_(options),
      read_buffer_(256 * 1024, '\0'),
      epoll_fd_(::epoll_create1(EPOLL_CLOEXEC)) {
  tally_.targets.resize(mix_.size());
  for (unsigned id = 0; id < options.connections; ++id) {
    if (options.mode == Mode::WebSocket) {
      clients_.push_back(std::make_unique<WsClient>(*this, id));
    } else {
      clients_.push_back(std::make_unique<HttpClient>(*this, id));
    }
  }
}

Runner::~Runner() {
  clients_.clear();
  ::close(epoll_fd_);
}

double Runner::run() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  start_ = next_due_ = next_scan_ = last_progress_ = Clock::now();
  end_ = start_ + options_.duration;
  for (auto& client : clients_) client->open();
  auto now = start_;
  while (!finished(now)) {
    wait_for_events(now);
    now = Clock::now();
    run_timers(now);
    if (options_.rate > 0) make_due(now);
    if (now >= next_scan_) scan(now);
  }
  for (auto& client : clients_) client->abandon();
  return duration<double>((enough_started() ? last_progress_ : stopped_) - start_).count();
}

void Runner::wait_for_events(Time now) {
  auto until = next_scan_;
  if (!timers_.empty()) until = std::min(until, timers_.top().when);
  if (options_.rate > 0 && !stopping_) until = std::min(until, next_due_);
  const auto left = std::max(Clock::duration::zero(), until - now);
  // Nanoseconds, because at a fixed rate a millisecond's rounding would send requests in bursts.
  const timespec timeout{left.count() / 1'000'000'000, left.count() % 1'000'000'000};
  std::array<epoll_event, 256> events;
  const int ready = ::epoll_pwait2(epoll_fd_, events.data(), static_cast<int>(events.size()), &timeout, nullptr);
  for (int i = 0; i < ready; ++i)
    static_cast<Client*>(events[static_cast<std::size_t>(i)].data.ptr)
        ->on_events(events[static_cast<std::size_t>(i)].events);
}

void Runner::run_timers(Time now) {
  while (!timers_.empty() && timers_.top().when <= now) {
    auto* client = timers_.top().client;
    timers_.pop();
    client->on_timer();
  }
}

void Runner::make_due(Time now) {
  const auto gap = std::chrono::duration_cast<Clock::duration>(duration<double>(1.0 / options_.rate));
  while (!stopping_ && next_due_ <= now && (options_.count == 0 || made_due_ < options_.count)) {
    due_.push_back(next_due_);
    next_due_ += gap;
    ++made_due_;
  }
  if (options_.count > 0 && made_due_ >= options_.count) next_due_ = end_;
  while (!due_.empty() && !waiting_.empty()) {
    auto* client = waiting_.front();
    waiting_.pop_front();
    if (client->wants_request()) client->on_request_due();
  }
}

std::optional<Time> Runner::next_request(Client& client) {
  if (stopping_ || enough_started()) return std::nullopt;
  if (options_.rate <= 0) return Clock::now();
  if (due_.empty()) {
    if (std::find(waiting_.begin(), waiting_.end(), &client) == waiting_.end()) waiting_.push_back(&client);
    return std::nullopt;
  }
  const auto due = due_.front();
  due_.pop_front();
  return due;
}

// Looks at every client's deadline; coarse, because timeouts are counted in seconds and clients in thousands.
void Runner::scan(Time now) {
  next_scan_ = now + kScanEvery;
  // A server that is gone must not hold a counted run until its duration is over.
  const bool hopeless =
      options_.count > 0 && !options_.slow() && now - last_progress_ > options_.timeout + milliseconds(1000);
  if (!stopping_ && (now >= end_ || enough_started() || interrupted || hopeless)) {
    stopping_ = true;
    stopped_ = now;
  }
  for (auto& client : clients_) client->check_deadline(now);
}

bool Runner::finished(Time now) {
  if (!stopping_) return false;
  if (interrupted || options_.slow() || options_.aborting()) {
    if (!enough_started() || interrupted) return true;
    if (options_.slow() && now >= end_) return true;
  }
  return std::all_of(clients_.begin(), clients_.end(), [](const auto& client) { return client->under_way() == 0; });
}

void Runner::count_ok(std::size_t target, Time due) {
  const auto now = Clock::now();
  ++tally_.ok;
  ++tally_.targets[target].ok;
  tally_.targets[target].latency.record(
      static_cast<std::uint64_t>(std::chrono::duration_cast<microseconds>(now - due).count()));
  last_progress_ = now;
}

void Runner::count_failure(Failure kind, unsigned client, const char* detail, std::size_t target) {
  ++tally_.count(kind);
  if (target < tally_.targets.size()) {
    ++tally_.targets[target].failed;
    note_progress();
  }
  if (logged_ >= options_.logged_failures) return;
  ++logged_;
  const auto at = duration<double>(Clock::now() - start_).count();
  std::fprintf(stderr, "%9.3f s client %u: %s: %s%s%s\n", at, client, name_of(kind), detail,
               target < mix_.size() ? " on " : "", target < mix_.size() ? mix_[target].target.c_str() : "");
}

}  // namespace prefork::load
