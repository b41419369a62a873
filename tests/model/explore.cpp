#include "tests/model/explore.hpp"

#include <cstdlib>
#include <cstring>
#include <vector>

#include "tests/model/arena.hpp"
#include "tests/model/atomic.hpp"
#include "tests/model/visited.hpp"

// Saves the callee-saved registers on the stack, leaves the stack pointer at *save and goes on from `load`.
extern "C" void prefork_model_switch(void** save, void* load);
asm(R"(
.text
.globl prefork_model_switch
.type prefork_model_switch, @function
prefork_model_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size prefork_model_switch, .-prefork_model_switch
)");

namespace prefork::model {
namespace {

constexpr std::size_t kMostStores = 8;
constexpr std::size_t kWipe = 4096;

struct DelayedStore {
  void* where;
  std::uint64_t value;
  std::size_t size;
};

// A model thread, without its stack. Copied as it is into every saved state.
struct Fiber {
  void* stack_pointer;
  bool (*ready)(const void*);  // set while it waits
  const void* argument;
  std::uint64_t finished;
  std::uint64_t answer;  // to its last request
  std::uint64_t stores;
  DelayedStore buffer[kMostStores];
};

struct Choice {
  std::uint8_t thread;
  bool flush;  // its oldest delayed store reaches memory
};

struct Label {
  const char* what = "";
  const void* where = nullptr;
  std::uint64_t value = 0;
};

struct Frame {
  std::vector<std::byte> saved;
  Choice choices[2 * kMostThreads];
  std::uint8_t count = 0;
  std::uint8_t next = 0;
  Label label;  // what the choice taken last did
};

// What a model thread asks of the explorer.
struct Request {
  enum Kind { Load, Store, OrderedStore, Drain, Forget, Step, Block, Finish } kind = Step;
  const char* what = "";
  const void* where = nullptr;
  std::size_t size = 0;
  std::uint64_t value = 0;
  bool (*ready)(const void*) = nullptr;
};

struct Name {
  const void* where;
  const char* text;
};

class Explorer {
 public:
  explicit Explorer(const Plan& plan) : plan_(plan), arena_(plan.threads) {}
  Report run();

  // Called from inside a model thread: hands the request over and comes back with its answer, perhaps after others have run.
  // All work is done on the scheduler's stack: what it leaves behind on this one would make equal states look different.
  std::uint64_t call(const Request& request) {
    request_ = request;
    prefork_model_switch(&fibers_[current_].stack_pointer, scheduler_);
    return answer_;
  }
  // A plain pointer: the memory of a string made by a model thread would be the arena's.
  void fail(const char* what) {
    if (failed_ == nullptr) failed_ = what;
  }
  bool is_quiet(const void* where) const {
    for (const Range& range : quiet_) {
      if (where >= range.begin && where < range.end) return true;
    }
    return false;
  }
  unsigned current() const { return current_; }
  bool inside() const { return inside_; }
  bool owns_heap() const { return inside_ || setting_up_; }
  Arena& arena() { return arena_; }
  void* world() const { return arena_.world(); }
  const Plan& plan() const { return plan_; }
  void add_quiet(const void* where, std::size_t size, bool ignored) {
    auto* begin = static_cast<std::byte*>(const_cast<void*>(where));
    keep(quiet_, {begin, begin + size});
    if (ignored) keep(ignored_, {begin, begin + size});
  }
  void add_name(const void* where, const char* text) { keep(names_, {where, text}); }
  std::string trace() const;

 private:
  // Called while the world is set up, when new memory is the arena's; these lists outlive it.
  template <class T>
  void keep(std::vector<T>& list, T item) {
    setting_up_ = false;
    list.push_back(item);
    setting_up_ = true;
  }
  static void flush(Fiber& fiber);
  // What returned calls left there is dead, but would show up in the holes of later frames and make equal states look different.
  static void wipe_below(Fiber& fiber) { std::memset(static_cast<std::byte*>(fiber.stack_pointer) - kWipe, 0, kWipe); }
  bool serve(Fiber& fiber);
  std::uint64_t load(const Fiber& fiber, const Request& request) const;
  bool can_run(std::uint64_t thread) const {
    const Fiber& fiber = fibers_[thread];
    return fiber.finished == 0 && (fiber.ready == nullptr || fiber.ready(fiber.argument));
  }
  void start_fibers();
  void apply(Choice choice);
  void find_choices(Frame& frame);
  void expand(Frame& frame);
  template <class Visit>
  void visit_state(Visit&& visit);
  void save(std::vector<std::byte>& into);
  void restore(const std::vector<std::byte>& from);
  State128 hash();
  std::string describe(const Label& label) const;
  void describe_deadlock();

  Plan plan_;
  Arena arena_;
  Report report_;
  const char* failed_ = nullptr;
  Fiber fibers_[kMostThreads] = {};
  struct {
    std::uint64_t last = 0;  // who ran last
    std::uint64_t preemptions = 0;
  } turn_;
  unsigned current_ = 0;
  bool inside_ = false;
  bool setting_up_ = false;
  void* scheduler_ = nullptr;
  Request request_;
  std::uint64_t answer_ = 0;
  Label label_;
  std::vector<Range> quiet_;
  std::vector<Range> ignored_;
  std::vector<Range> watched_;  // the world without what is ignored
  std::vector<Name> names_;
  Visited visited_;
  std::vector<Frame> frames_;
  std::size_t depth_ = 0;
};

Explorer* explorer = nullptr;

void enter() {
  explorer->plan().run(explorer->world(), explorer->current());
  explorer->call({Request::Finish, "ends", nullptr, 0, 0, nullptr});
}

void Explorer::flush(Fiber& fiber) {
  const DelayedStore oldest = fiber.buffer[0];
  std::memcpy(oldest.where, &oldest.value, oldest.size);
  for (std::size_t i = 1; i < fiber.stores; ++i) fiber.buffer[i - 1] = fiber.buffer[i];
  fiber.buffer[--fiber.stores] = {};
}

std::uint64_t Explorer::load(const Fiber& fiber, const Request& request) const {
  for (std::size_t i = fiber.stores; i-- > 0;) {
    if (fiber.buffer[i].where == request.where) return fiber.buffer[i].value;
  }
  std::uint64_t value = 0;
  std::memcpy(&value, request.where, request.size);
  return value;
}

// Does what the running thread asks for. True when it may go on at once.
bool Explorer::serve(Fiber& fiber) {
  label_ = {request_.what, request_.where, request_.value};
  auto* where = const_cast<void*>(request_.where);
  answer_ = 0;
  switch (request_.kind) {
    case Request::Load: answer_ = label_.value = load(fiber, request_); break;
    case Request::Store:
      if (fiber.stores == kMostStores) flush(fiber);
      fiber.buffer[fiber.stores++] = {where, request_.value, request_.size};
      if (!plan_.delayed_stores) flush(fiber);
      break;
    case Request::OrderedStore:
      while (fiber.stores != 0) flush(fiber);
      std::memcpy(where, &request_.value, request_.size);
      break;
    case Request::Drain:
      while (fiber.stores != 0) flush(fiber);
      return true;
    case Request::Forget: wipe_below(fiber); return true;
    case Request::Step: break;
    case Request::Block:
      fiber.ready = request_.ready;
      fiber.argument = request_.where;
      break;
    case Request::Finish: fiber.finished = 1; break;
  }
  return false;
}

// A stack that prefork_model_switch can take over: six saved registers and the address to go on from.
void Explorer::start_fibers() {
  for (unsigned i = 0; i < plan_.threads; ++i) {
    auto* top = reinterpret_cast<void**>(arena_.stack_top(i)) - 1;  // enter() sees a stack aligned as after a call
    *--top = reinterpret_cast<void*>(&enter);
    for (int registers = 0; registers < 6; ++registers) *--top = nullptr;
    fibers_[i] = {};
    fibers_[i].stack_pointer = top;
  }
}

void Explorer::apply(Choice choice) {
  Fiber& fiber = fibers_[choice.thread];
  if (choice.flush) {
    label_ = {"'s store reaches", fiber.buffer[0].where, fiber.buffer[0].value};
    flush(fiber);
    return;
  }
  if (choice.thread != turn_.last && can_run(turn_.last)) ++turn_.preemptions;
  turn_.last = choice.thread;
  current_ = choice.thread;
  fiber.ready = nullptr;
  fiber.argument = nullptr;
  answer_ = fiber.answer;
  do {
    inside_ = true;
    prefork_model_switch(&scheduler_, fiber.stack_pointer);
    inside_ = false;
  } while (serve(fiber) && failed_ == nullptr);
  fiber.answer = answer_;
  wipe_below(fiber);
}

void Explorer::find_choices(Frame& frame) {
  frame.count = frame.next = 0;
  const bool only_last = turn_.preemptions == plan_.preemptions && can_run(turn_.last);
  for (std::uint8_t i = 0; i < plan_.threads; ++i) {
    if (can_run(i) && (!only_last || i == turn_.last)) frame.choices[frame.count++] = {i, false};
    if (fibers_[i].stores != 0) frame.choices[frame.count++] = {i, true};
  }
}

// Everything that decides how the run goes on, piece by piece.
template <class Visit>
void Explorer::visit_state(Visit&& visit) {
  visit(reinterpret_cast<std::byte*>(fibers_), sizeof(Fiber) * plan_.threads);
  if (plan_.preemptions != kAny) visit(reinterpret_cast<std::byte*>(&turn_), sizeof turn_);
  for (const Range& range : watched_) visit(range.begin, static_cast<std::size_t>(range.end - range.begin));
  const Range heap = arena_.heap_in_use();
  visit(heap.begin, static_cast<std::size_t>(heap.end - heap.begin));
  for (unsigned i = 0; i < plan_.threads; ++i) {
    if (fibers_[i].finished != 0) continue;
    auto* live = static_cast<std::byte*>(fibers_[i].stack_pointer);
    visit(live, static_cast<std::size_t>(arena_.stack_top(i) - live));
  }
}

void Explorer::save(std::vector<std::byte>& into) {
  into.clear();
  visit_state([&](std::byte* at, std::size_t size) { into.insert(into.end(), at, at + size); });
}

void Explorer::restore(const std::vector<std::byte>& from) {
  // The fibers and the heap's size come first and say how long the rest is.
  std::size_t done = 0;
  visit_state([&](std::byte* at, std::size_t size) {
    // The heap's own length may have changed since: its header is in the first bytes of what is copied.
    if (at == arena_.heap_in_use().begin) {
      std::memcpy(at, from.data() + done, sizeof(std::size_t));
      size = static_cast<std::size_t>(arena_.heap_in_use().end - at);
    }
    std::memcpy(at, from.data() + done, size);
    done += size;
  });
}

State128 Explorer::hash() {
  Hash128 hash;
  visit_state([&](std::byte* at, std::size_t size) { hash.add(at, size); });
  return hash.result();
}

Report Explorer::run() {
  explorer = this;
  setting_up_ = true;
  plan_.set_up(arena_.world());
  setting_up_ = false;
  std::byte* at = arena_.world();
  std::byte* const end = at + plan_.world_size;
  while (at < end) {
    Range next{end, end};
    for (const Range& range : ignored_) {
      if (range.begin >= at && range.begin < next.begin) next = range;
    }
    if (at < next.begin) watched_.push_back({at, next.begin});
    at = next.end;
  }
  start_fibers();
  frames_.emplace_back();
  expand(frames_[0]);
  depth_ = 1;
  while (depth_ > 0 && failed_ == nullptr && report_.ok()) {
    Frame& frame = frames_[depth_ - 1];
    if (frame.next == frame.count) {
      --depth_;
      continue;
    }
    restore(frame.saved);
    apply(frame.choices[frame.next++]);
    frame.label = label_;
    ++report_.transitions;
    if (failed_ != nullptr) break;
    if (!visited_.insert(hash())) continue;
    if (frames_.size() == depth_) frames_.emplace_back();
    expand(frames_[depth_]);
    ++depth_;
    report_.depth = std::max(report_.depth, depth_);
  }
  if (failed_ != nullptr) report_.violation = failed_;
  if (!report_.ok()) report_.violation += "\n" + trace();
  report_.states = visited_.size();
  explorer = nullptr;
  return report_;
}

void Explorer::expand(Frame& frame) {
  save(frame.saved);
  find_choices(frame);
  if (frame.count != 0) return;
  for (unsigned i = 0; i < plan_.threads; ++i) {
    if (fibers_[i].finished == 0 && (plan_.may_wait >> i & 1) == 0) return describe_deadlock();
  }
  ++report_.ends;
  plan_.at_end(arena_.world());
}

void Explorer::describe_deadlock() {
  std::string what = "deadlock:";
  for (unsigned i = 0; i < plan_.threads; ++i) {
    if (fibers_[i].finished == 0)
      what += " thread " + std::to_string(i) + " waits" + describe({"", fibers_[i].argument, 0}) + ";";
  }
  report_.violation = what;
}

std::string Explorer::describe(const Label& label) const {
  std::string text = label.what;
  for (const Name& name : names_) {
    if (name.where == label.where) return text + " " + name.text + " (" + std::to_string(label.value) + ")";
  }
  if (label.where != nullptr)
    text += " +" + std::to_string(static_cast<const std::byte*>(label.where) - arena_.world());
  return text + " (" + std::to_string(label.value) + ")";
}

std::string Explorer::trace() const {
  std::string text;
  for (std::size_t i = 0; i < depth_ && i < frames_.size(); ++i) {
    const Frame& frame = frames_[i];
    if (frame.next == 0) continue;
    text += "  thread " + std::to_string(frame.choices[frame.next - 1].thread) + " " + describe(frame.label) + "\n";
  }
  return text;
}

}  // namespace

std::uint64_t atomic_load(const void* where, std::size_t size) {
  if (inside() && !explorer->is_quiet(where)) return explorer->call({Request::Load, "loads", where, size, 0, nullptr});
  std::uint64_t value = 0;
  std::memcpy(&value, where, size);
  return value;
}

void atomic_store(void* where, std::size_t size, std::uint64_t value, bool ordered) {
  if (!inside() || explorer->is_quiet(where)) {
    std::memcpy(where, &value, size);
  } else if (ordered) {
    explorer->call({Request::OrderedStore, "stores at once", where, size, value, nullptr});
  } else {
    explorer->call({Request::Store, "stores", where, size, value, nullptr});
  }
}

void atomic_begin(const void* where) {
  if (inside() && !explorer->is_quiet(where)) drain_stores();
}

void atomic_end(const void* where, std::uint64_t value) {
  if (inside() && !explorer->is_quiet(where)) explorer->call({Request::Step, "modifies", where, 0, value, nullptr});
}

void require(bool condition, const char* what) {
  if (condition) return;
  explorer->fail(what);
  if (explorer->inside()) step(what);
}

void block(bool (*ready)(const void*), const void* argument) {
  explorer->call({Request::Block, "waits", argument, 0, 0, ready});
}
void step(const char* what, std::uint64_t value) { explorer->call({Request::Step, what, nullptr, 0, value, nullptr}); }
void forget_calls() { explorer->call({Request::Forget, "", nullptr, 0, 0, nullptr}); }
void drain_stores() { explorer->call({Request::Drain, "", nullptr, 0, 0, nullptr}); }
unsigned self() { return explorer->current(); }
bool inside() { return explorer != nullptr && explorer->inside(); }
void quiet(const void* where, std::size_t size) { explorer->add_quiet(where, size, false); }
void ignore(const void* where, std::size_t size) { explorer->add_quiet(where, size, true); }
void name(const void* where, const char* text) { explorer->add_name(where, text); }

Report explore(const Plan& plan) { return Explorer(plan).run(); }

std::string where_it_stands() {
  if (explorer == nullptr) return "outside a model\n";
  return "in thread " + std::to_string(explorer->current()) + " of " + explorer->plan().name + "\n" + explorer->trace();
}

// While the heap of a model thread is the arena's.
void* allocate(std::size_t bytes) {
  void* memory = explorer != nullptr && explorer->owns_heap() ? explorer->arena().allocate(bytes) : std::malloc(bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void release(void* pointer) {
  if (pointer == nullptr) return;
  if (explorer != nullptr && explorer->arena().owns(pointer)) return explorer->arena().release(pointer);
  std::free(pointer);
}

}  // namespace prefork::model

void* operator new(std::size_t bytes) { return prefork::model::allocate(bytes); }
void* operator new[](std::size_t bytes) { return prefork::model::allocate(bytes); }
void operator delete(void* pointer) noexcept { prefork::model::release(pointer); }
void operator delete[](void* pointer) noexcept { prefork::model::release(pointer); }
void operator delete(void* pointer, std::size_t) noexcept { prefork::model::release(pointer); }
void operator delete[](void* pointer, std::size_t) noexcept { prefork::model::release(pointer); }
