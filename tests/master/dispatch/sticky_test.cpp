// --sticky: a key stays with its worker, and nobody waits behind it.
#include "master/dispatch/sticky.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <set>

#include "tests/master/dispatch/fake_worker.hpp"

namespace prefork::dispatch {
namespace {

using fake::Client;
using fake::Record;
using fake::Worker;
using Paths = std::vector<std::string>;

class StickyTest : public ::testing::Test {
 protected:
  StickyTest() {
    policy.sticky = "header:X-Key";
    dispatcher.set_policy(policy);
  }

  void turn() {
    (void)dispatcher.before_sleep();
    dispatcher.after_sleep();
  }
  Worker& worker(std::uint32_t concurrency = 1) {
    Worker& one = workers.emplace_back(dispatcher);
    one.ready(concurrency);
    turn();
    return one;
  }
  Client& submit(std::string_view path, std::string_view key) {
    Client& client = clients.emplace_back(path);
    auto& request = client.exchange.request;
    request.reset();
    request.head.method = static_cast<std::uint8_t>(wire::Method::GET);
    request.head.target = request.head.raw_path = request.head.path = request.add_text(path);
    if (!key.empty()) {
      const wire::Text name = request.add_text("x-key");
      request.fields().push_back({0, static_cast<std::uint16_t>(name.length), name.offset, request.add_text(key)});
    }
    request.finish();
    dispatcher.submit(client.exchange);
    turn();
    return client;
  }
  // Answers what the worker has; the paths.
  Paths serve(Worker& worker) {
    Paths served;
    for (const Record& record : worker.start()) {
      served.push_back(record.path());
      EXPECT_TRUE(worker.reply(record, 200, "ok"));
    }
    turn();
    return served;
  }
  // A key whose first request goes to that worker.
  std::string key_of(Worker& wanted) {
    for (int i = 0;; ++i) {
      const std::string key = "key-" + std::to_string(i);
      submit("/", key);
      bool there = false;
      for (Worker& one : workers) there |= !serve(one).empty() && &one == &wanted;
      if (there) return key;
    }
  }

  net::Loop loop;
  net::DeadlineWheel wheel{loop};
  Policy policy;
  std::deque<Client> clients;
  Dispatcher dispatcher{loop, wheel, policy};
  std::deque<Worker> workers;
};

TEST_F(StickyTest, KeepsAKeyOnItsWorker) {
  Worker& one = worker();
  Worker& two = worker();
  const std::string a = key_of(one), b = key_of(two);
  for (int i = 0; i < 10; ++i) {
    submit("/a", a);
    EXPECT_EQ(serve(one), Paths{"/a"});
    EXPECT_EQ(serve(two), Paths{});
    submit("/b", b);
    EXPECT_EQ(serve(one), Paths{});
    EXPECT_EQ(serve(two), Paths{"/b"});
  }
}

TEST_F(StickyTest, WaitsForItsWorkerAndNobodyWaitsBehindIt) {
  Worker& one = worker();
  const std::string a = "key";
  submit("/slow", a);
  const auto slow = one.start();  // nothing was finished: it gets nothing ahead
  ASSERT_EQ(slow.size(), 1u);
  Worker& two = worker();
  submit("/next", a);
  submit("/third", a);
  submit("/other", "");
  EXPECT_EQ(serve(two), Paths{"/other"});
  EXPECT_EQ(serve(two), Paths{});
  EXPECT_EQ(dispatcher.queued(), 2u);
  EXPECT_TRUE(one.reply(slow[0], 200, "ok"));
  turn();
  Paths served;
  while (served.size() < 2) {
    for (const auto& path : serve(one)) served.push_back(path);
  }
  EXPECT_EQ(served, (Paths{"/next", "/third"}));
  EXPECT_TRUE(dispatcher.idle());
}

TEST_F(StickyTest, GoesToAnotherWhenItsWorkerDies) {
  Worker& one = worker();
  Worker& two = worker();
  const std::string a = key_of(one);
  submit("/slow", a);
  ASSERT_EQ(one.start().size(), 1u);
  Client& waiting = submit("/next", a);
  dispatcher.bury(one.link(), true, [](const http::Exchange&, bool) {});
  turn();
  EXPECT_EQ(serve(two), Paths{"/next"});
  EXPECT_EQ(waiting.status, 200);
  submit("/again", a);
  EXPECT_EQ(serve(two), Paths{"/again"});
}

TEST_F(StickyTest, GoesToAnotherWhenItsWorkerRetires) {
  Worker& one = worker();
  const std::string a = key_of(one);
  submit("/slow", a);
  ASSERT_EQ(one.start().size(), 1u);
  submit("/next", a);
  Worker& two = worker();
  dispatcher.retire(one.link());
  turn();
  EXPECT_EQ(serve(two), Paths{"/next"});
}

TEST_F(StickyTest, ACancelledOneLeavesItsLane) {
  Worker& one = worker();
  const std::string a = "key";
  submit("/slow", a);
  ASSERT_EQ(one.start().size(), 1u);
  Client& waiting = submit("/next", a);
  ASSERT_EQ(dispatcher.queued(), 1u);
  dispatcher.cancel(waiting.exchange, wire::CancelReason::ClientGone);
  EXPECT_EQ(dispatcher.queued(), 0u);
}

TEST_F(StickyTest, SpreadsKeysOverTheWorkers) {
  for (int i = 0; i < 4; ++i) (void)worker();
  std::array<int, 4> served{};
  for (int i = 0; i < 400; ++i) {
    submit("/", "client-" + std::to_string(i));
    for (std::size_t at = 0; at < workers.size(); ++at) served[at] += static_cast<int>(serve(workers[at]).size());
  }
  for (const int count : served) EXPECT_GT(count, 70);
}

TEST_F(StickyTest, CanBeSwitchedOffWhileRequestsWait) {
  Worker& one = worker();
  const std::string a = "key";
  submit("/slow", a);
  ASSERT_EQ(one.start().size(), 1u);
  submit("/next", a);
  Worker& two = worker();
  policy.sticky.clear();
  dispatcher.set_policy(policy);
  turn();
  EXPECT_EQ(serve(two), Paths{"/next"});
}

TEST_F(StickyTest, AWorkerThatDiesAfterItWasSwitchedOffLeavesItsRequests) {
  Worker& one = worker();
  submit("/first", "key");
  submit("/second", "key");
  policy.sticky.clear();
  dispatcher.set_policy(policy);
  dispatcher.bury(one.link(), true, [](const http::Exchange&, bool) {});
  Worker& two = worker(2);
  turn();
  EXPECT_EQ(serve(two), (Paths{"/first", "/second"}));
}

TEST(StickyRule, FindsTheKey) {
  Client client("/");
  auto& request = client.exchange.request;
  request.reset();
  const auto add = [&](wire::Name id, std::string_view value) {
    request.fields().push_back({static_cast<std::uint16_t>(id), 0, 0, request.add_text(value)});
  };
  request.head.client = request.add_text("192.0.2.1");
  add(wire::Name::Cookie, "a=1; session=abc; sessions=no");
  add(wire::Name::Host, "example.org");
  request.finish();
  const auto key = [&](std::string_view rule) { return std::string(StickyRule::parse(rule)->key_of(client.exchange)); };
  EXPECT_EQ(key("ip"), "192.0.2.1");
  EXPECT_EQ(key("cookie:session"), "abc");
  EXPECT_EQ(key("cookie:a"), "1");
  EXPECT_EQ(key("cookie:none"), "");
  EXPECT_EQ(key("header:host"), "example.org");
  EXPECT_EQ(key("header:X-Key"), "");
  for (const char* wrong : {"", "cookie", "cookie:", "port:1", "IP"}) EXPECT_FALSE(StickyRule::parse(wrong)) << wrong;
}

}  // namespace
}  // namespace prefork::dispatch
