// Runs a few threads of shipped code through every interleaving, with stores delayed as x86-TSO allows.
//
// The threads are fibers whose stacks, heap and shared memory lie in one arena. Between two atomic operations (or calls of the
// kernel or of a mutex, which interpose.cpp stands in for) a thread runs alone; after each of them the explorer chooses who goes on,
// or whose oldest delayed store reaches memory. It takes every choice in turn: it saves the arena before, restores it afterwards, and
// remembers every state that it has been in, so that each is expanded once.
//
// What it finds: require() that fails, a broken promise, a crash, and deadlock: nobody can go on and somebody has not finished.
// A lost wake-up is such a deadlock, because polls never time out here. What it does not find: threads that run in circles for ever.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <string>

namespace prefork::model {

inline constexpr unsigned kMostThreads = 5;
inline constexpr std::uint64_t kAny = ~std::uint64_t{0};

struct Report {
  std::uint64_t states = 0;
  std::uint64_t transitions = 0;
  std::uint64_t ends = 0;  // states in which all had finished
  std::size_t depth = 0;
  std::string violation;  // empty: none
  bool ok() const { return violation.empty(); }
};

// Inside a thread or at_end(): what must hold.
void require(bool condition, const char* what);

// Inside a thread: waits until `ready` says true; then goes on without a gap.
void block(bool (*ready)(const void*), const void* argument);
void step(const char* what, std::uint64_t value = 0);  // somebody else may go on
void drain_stores();
// Wipes what calls that have returned left on the stack. Not needed for the result; it makes equal states look equal.
void forget_calls();
unsigned self();
bool inside();  // a model thread is running

// At set-up: memory whose atomics nobody races for: operations on it happen at once.
void quiet(const void* where, std::size_t size);
// At set-up: quiet memory that nobody decides anything by: it is neither saved nor compared.
void ignore(const void* where, std::size_t size);
// At set-up: a name for messages.
void name(const void* where, const char* text);

struct Plan {
  const char* name;
  unsigned threads;
  unsigned may_wait;          // bits of threads that may be left waiting at the end
  bool delayed_stores;        // false: every store reaches memory at once
  std::uint64_t preemptions;  // how often a thread that could go on is interrupted by another, at most; kAny: no bound
  std::size_t world_size;
  void (*set_up)(void* memory);
  void (*run)(void* world, unsigned thread);
  void (*at_end)(void* world);
};
Report explore(const Plan& plan);
std::string where_it_stands();  // for a message: the thread that runs, and the steps that led there

// A World has the constants of a Plan, is made by its default constructor, and has run(thread) and at_end().
template <class World>
Report explore() {
  return explore(Plan{World::kName, World::kThreads, World::kMayWait, World::kDelayedStores, World::kPreemptions,
                      sizeof(World), [](void* memory) { new (memory) World(); },
                      [](void* world, unsigned thread) { static_cast<World*>(world)->run(thread); },
                      [](void* world) { static_cast<World*>(world)->at_end(); }});
}

// For main(): runs the models that are named (all when none is), prints what was explored, and returns 0 when all hold.
// With --caught first it returns 0 when one of them does not: a mutant was caught.
struct Model {
  const char* name;
  Report (*explore)();
};
int run_models(int argc, char** argv, const Model* models, std::size_t count);

}  // namespace prefork::model
