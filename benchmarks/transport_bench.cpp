// Request and reply through the whole transport: a 400-byte head out, a 200-byte reply back, EchoApp between.
//   one thread      both ends in turn: encode, ring, claim, validate, EchoApp, ring, validate; CPU time, no system call
//   two processes   on one core and on two, in batches of 1, 8 and 64, beside a bare two-way eventfd ping-pong of two
//                   processes like them in the same run: on one core CPU time of both, on two cores time as it passes
// Usage: transport_bench [--benchmark_out=FILE] [--seconds=S]; JSON in the format of Google Benchmark.
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

#include "benchmarks/browser_request.hpp"
#include "worker/echo_app.hpp"
#include "worker/sync_runner.hpp"

namespace prefork::benchmarks {
namespace {

using namespace shm;
using Clock = std::chrono::steady_clock;

constexpr int kOwnCore = 0;

struct Result {
  std::string name;
  double ns;
};

void pin(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  (void)::sched_setaffinity(0, sizeof set, &set);
}

double ns_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double, std::nano>(to - from).count();
}

// Of this thread: what others do on the same core does not count.
double cpu_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// The middle of several runs: one that was disturbed does not count.
double middle(std::vector<double> runs) {
  std::sort(runs.begin(), runs.end());
  return runs[runs.size() / 2];
}

UniqueFd copy(int fd) { return UniqueFd(::dup(fd)); }

struct Link {
  Geometry geometry;
  Region region = Region::create(Layout(geometry).total);
  BellFds worker_bell = make_bell();
  BellFds master_bell = make_bell();
  std::array<UniqueFd, 2> sides;

  Link() {
    std::array<int, 2> ends{};
    PREFORK_CHECK(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) == 0, "a socket pair");
    sides[0] = UniqueFd(ends[0]);
    sides[1] = UniqueFd(ends[1]);
  }
  worker::Attachment attachment() {
    return {geometry,
            copy(region.fd()).release(),
            copy(worker_bell.wait.get()).release(),
            copy(master_bell.signal_fd()).release(),
            copy(sides[1].get()).release(),
            -1,
            1,
            1};
  }
};

// A 200-byte reply: fields of a usual size and a short body.
class Answer : public worker::Application {
 public:
  void handle(worker::Exchange& exchange) override {
    static constexpr wire::ReplyField kFields[] = {
        {"Content-Type", "text/html; charset=utf-8", wire::Name::ContentType},
        {"Content-Length", "13", wire::Name::ContentLength},
        {"Cache-Control", "no-store", wire::Name::CacheControl}};
    (void)exchange.send_head({200, 0, {}, kFields}, wire::as_bytes("Hello, World!"), true);
  }
};

// The master's part, as WorkerLink does it, without HTTP.
class Master {
 public:
  explicit Master(Link& link)
      : end_(Parts(link.region.bytes(), link.geometry), link.master_bell.wait.get(), link.worker_bell.signal_fd()) {}

  // Requests from slot `pushed` up to `count`, as many as there is room for now; the first slot that was not pushed.
  std::uint32_t push(std::uint32_t pushed, std::uint32_t count) {
    for (; pushed < count; ++pushed) {
      build_browser_request(builder_);
      const auto payload = builder_.payload();
      const auto room = end_.requests.try_claim(length_ = static_cast<std::uint32_t>(payload.size()));
      if (room.data() == nullptr) break;
      std::copy(payload.begin(), payload.end(), room.begin());
      end_.claims.offer(pushed, ++generation_);
      end_.requests.commit({static_cast<std::uint16_t>(wire::Kind::Head), 0, pushed, generation_}, length_);
    }
    end_.requests.publish();
    end_.worker_bell.ring();
    return pushed;
  }

  std::uint32_t drain() {
    Record record;
    std::uint32_t replies = 0;
    while (end_.replies.peek(record) == Peek::Record) {
      if (record.tag.kind == static_cast<std::uint16_t>(wire::Kind::Head)) {
        wire::ReplyView view(record.payload);
        PREFORK_CHECK(view.validate() == nullptr && view.head().status == 200, "a reply is valid");
        wire::ReplyField field;
        for (std::size_t i = 0; i < view.head().field_count; ++i) sum_ += view.field(i, field) ? field.value.size() : 0;
        sum_ += view.body().size();
        ++replies;
      }
      end_.replies.release();
    }
    if (replies != 0 && end_.replies.settle()) end_.worker_bell.ring();
    return replies;
  }

  void round(std::uint32_t batch) {
    // What starts over at the ring's beginning leaves little room until the worker has gone past the padding.
    std::uint32_t pushed = push(0, batch);
    for (std::uint32_t replied = 0; replied < batch;) {
      const std::uint32_t now = drain();
      replied += now;
      if (pushed < batch && end_.requests.would_fit(length_)) {
        pushed = push(pushed, batch);
      } else if (now == 0) {
        const bool refused = pushed < batch;
        (void)sleep_unless(
            end_.own_bell,
            [&] { return end_.replies.anything_now() || (refused && end_.requests.request_room(length_)); }, 10000);
      }
    }
  }

 private:
  MasterEnd end_;
  wire::RequestBuilder builder_;
  std::uint32_t generation_ = 0;
  std::uint32_t length_ = 0;
  std::uint64_t sum_ = 0;
};

// Both ends on one thread: what the code costs, without a wake-up.
double one_thread(std::uint32_t batch, double seconds) {
  Link link;
  Master master(link);
  worker::Context context(link.attachment(), wire::Settings{});
  worker::SyncRunner runner(context);
  worker::Crew& crew = runner.crew();
  worker::SleepHooks hooks;
  Answer application;
  const auto serve = [&] {
    for (std::uint32_t i = 0; i < batch; ++i) {
      worker::Job job;
      (void)crew.until(hooks, worker::Crew::For::Request, [&] { return crew.inbox().take(job); });
      {
        worker::Exchange exchange(context, crew, hooks, job, 256 * 1024);
        application.handle(exchange);
      }
      (void)crew.until(hooks, worker::Crew::For::Request, [&] {
        crew.inbox().close(job);
        return true;
      });
    }
  };
  std::vector<double> runs;
  for (int run = 0; run < 9; ++run) {
    std::uint64_t requests = 0;
    const double cpu_before = cpu_ns();
    const auto start = Clock::now();
    const auto until = start + std::chrono::duration<double>(seconds / 9);
    Clock::time_point now;
    do {
      for (int i = 0; i < 50; ++i) {
        PREFORK_CHECK(master.push(0, batch) == batch, "there is room for a batch");
        serve();
        PREFORK_CHECK(master.drain() == batch, "every request was answered");
        requests += batch;
      }
      now = Clock::now();
    } while (now < until);
    runs.push_back((cpu_ns() - cpu_before) / static_cast<double>(requests));
  }
  return middle(runs);
}

// A child that ends with this process, pinned to a core.
template <class Body>
pid_t child(int core, Body&& body) {
  const pid_t pid = ::fork();
  PREFORK_CHECK(pid >= 0, "fork");
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    pin(core);
    body();
    ::_exit(0);
  }
  return pid;
}

void end(pid_t pid) {
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
}

// Rounds in turns with the ping-pong, so that both see the same machine.
struct PingPong {
  BellFds there = make_bell();
  BellFds back = make_bell();
  pid_t pid;

  explicit PingPong(int core)
      : pid(child(core, [this] {
          for (;;) {
            (void)wait_bell(there.wait.get(), -1);
            drain_bell(there.wait.get());
            signal_bell(back.signal_fd());
          }
        })) {}
  ~PingPong() { end(pid); }
  void round() {
    signal_bell(there.signal_fd());
    (void)wait_bell(back.wait.get(), -1);
    drain_bell(back.wait.get());
  }
};

// Of a child and of this thread together.
double cpu_ns_with(pid_t child) {
  clockid_t clock{};
  timespec spent{};
  if (::clock_getcpuclockid(child, &clock) != 0 || ::clock_gettime(clock, &spent) != 0) return 0;
  return cpu_ns() + static_cast<double>(spent.tv_sec) * 1e9 + static_cast<double>(spent.tv_nsec);
}

// Nanoseconds a round. On one core the processor's time of both processes: one of them always runs, and others may want the core
// too. On two cores time as it passes, because there a wake-up is mostly waiting.
template <class Round>
double timed(double seconds, bool one_core, pid_t child, Round&& round) {
  std::uint64_t rounds = 0;
  const auto start = Clock::now();
  const double cpu_before = cpu_ns_with(child);
  const auto until = start + std::chrono::duration<double>(seconds);
  Clock::time_point now;
  do {
    for (int i = 0; i < 20; ++i) round();
    rounds += 20;
    now = Clock::now();
  } while (now < until);
  return (one_core ? cpu_ns_with(child) - cpu_before : ns_between(start, now)) / static_cast<double>(rounds);
}

void two_processes(const std::string& where, int core, double seconds, std::vector<Result>& results) {
  const bool one_core = core == kOwnCore;
  PingPong ping_pong(core);
  Link link;
  Master master(link);
  const pid_t worker_pid = child(core, [&] {
    worker::Context context(link.attachment(), wire::Settings{});
    worker::SyncRunner runner(context);
    worker::SleepHooks hooks;
    Answer application;
    (void)runner.serve(hooks, application);
  });
  master.round(1);
  for (const std::uint32_t batch : {1u, 8u, 64u}) {
    std::vector<double> ours, bare;
    for (int run = 0; run < 9; ++run) {
      bare.push_back(timed(seconds / 18, one_core, ping_pong.pid, [&] { ping_pong.round(); }));
      ours.push_back(timed(seconds / 18, one_core, worker_pid, [&] { master.round(batch); }) / batch);
    }
    const std::string name = "two_processes/" + where + "/batch:" + std::to_string(batch);
    results.push_back({name, middle(ours)});
    if (batch == 1) {
      results.push_back({"ping_pong/" + where, middle(bare)});
      std::printf("%-40s %10.3f times the bare ping-pong\n", name.c_str(), middle(ours) / middle(bare));
    }
  }
  end(worker_pid);
}

void write_json(const std::string& path, const std::vector<Result>& results) {
  std::FILE* out = std::fopen(path.c_str(), "w");
  if (out == nullptr) {
    std::perror(path.c_str());
    std::exit(1);
  }
  utsname machine{};
  ::uname(&machine);
  std::fprintf(out,
               "{\n \"context\": {\"host_name\": \"%s\", \"machine\": \"%s\", \"num_cpus\": %u, \"compiler\": "
               "\"%s\"},\n \"benchmarks\": [\n",
               machine.nodename, machine.machine, std::thread::hardware_concurrency(), __VERSION__);
  for (std::size_t i = 0; i < results.size(); ++i) {
    std::fprintf(out,
                 "  {\"name\": \"%s\", \"run_type\": \"iteration\", \"real_time\": %.3f, \"time_unit\": \"ns\"}%s\n",
                 results[i].name.c_str(), results[i].ns, i + 1 < results.size() ? "," : "");
  }
  std::fputs(" ]\n}\n", out);
  std::fclose(out);
}

int run(int argc, char** argv) {
  std::string out;
  double seconds = 1.0;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word.rfind("--benchmark_out=", 0) == 0) out = word.substr(16);
    if (word.rfind("--seconds=", 0) == 0) seconds = std::atof(argv[i] + 10);
  }
  std::vector<Result> results;
  pin(kOwnCore);
  for (const std::uint32_t batch : {1u, 8u, 32u, 64u}) {
    results.push_back({"one_thread/batch:" + std::to_string(batch), one_thread(batch, seconds)});
  }
  two_processes("one_core", kOwnCore, seconds, results);
  if (std::thread::hardware_concurrency() > 1) two_processes("two_cores", kOwnCore + 1, seconds, results);
  for (const Result& result : results) std::printf("%-40s %10.1f ns a request\n", result.name.c_str(), result.ns);
  if (!out.empty()) write_json(out, results);
  return 0;
}

}  // namespace
}  // namespace prefork::benchmarks

int main(int argc, char** argv) { return prefork::benchmarks::run(argc, argv); }
