#include "master/serve/access_log.hpp"

#include <gtest/gtest.h>

#include "tests/master/serve/memory_device.hpp"

namespace prefork::serve {
namespace {

using namespace std::chrono_literals;

AccessEntry entry() {
  AccessEntry out;
  out.remote_address = "127.0.0.1";
  out.remote_port = 5000;
  out.method = "GET";
  out.raw_uri = "/a?x=1";
  out.path = "/a";
  out.query = "x=1";
  out.status = 404;
  out.body_bytes = 12;
  out.total_us = 1500;
  out.unix_us = 1'782'907'200'000'123;
  return out;
}

std::string json(const AccessEntry& entry, std::string_view format = "") {
  AccessClock clock;
  clock.set(entry.unix_us);
  std::string out;
  AccessJson(AccessFormat(format)).write(entry, clock, out);
  return out;
}

TEST(AccessLog, LinesReachEverySinkAtTheFlush) {
  Kept file, syslog;
  LogWriter writer;
  LogSink first(writer, std::make_unique<MemoryDevice>(file), "access log"),
      second(writer, std::make_unique<MemoryDevice>(syslog), "access log");
  const AccessFormat format("%(m)s %(s)s");
  AccessLog log(format, false, {&first, &second});
  log.write(entry());
  log.write(entry());
  ASSERT_TRUE(writer.sync(30s));
  EXPECT_EQ(file.text(), "");
  log.flush();
  ASSERT_TRUE(writer.sync(30s));
  EXPECT_EQ(file.text(), "GET 404\nGET 404\n");
  EXPECT_EQ(syslog.text(), "GET 404\nGET 404\n");
  EXPECT_FALSE(file.chunks.at(0).whole);
}

TEST(AccessLog, ManyLinesAreHandedOverBeforeTheFlush) {
  Kept file;
  LogWriter writer;
  LogSink sink(writer, std::make_unique<MemoryDevice>(file), "access log");
  const AccessFormat format(std::string(1000, 'x'));
  AccessLog log(format, false, {&sink});
  for (int i = 0; i < 100; ++i) log.write(entry());
  ASSERT_TRUE(writer.sync(30s));
  EXPECT_GE(file.text().size(), AccessLog::kHandOver);
}

TEST(AccessLog, JsonLinesHaveTheirOwnForm) {
  Kept file;
  LogWriter writer;
  LogSink sink(writer, std::make_unique<MemoryDevice>(file), "access log");
  const AccessFormat format("%(m)s");
  AccessLog log(format, true, {&sink});
  log.write(entry());
  log.flush();
  ASSERT_TRUE(writer.sync(30s));
  EXPECT_EQ(file.text(), json(entry()) + "\n");
}

TEST(AccessJson, HasOpenTelemetryNames) {
  EXPECT_EQ(
      json(entry()),
      R"({"timestamp":"2026-07-01T12:00:00.000123Z","http.request.method":"GET","url.scheme":"http","url.path":"/a","url.query":"x=1",)"
      R"("network.protocol.name":"http","network.protocol.version":"1.1","http.response.status_code":404,"http.response.body.size":12,)"
      R"("http.server.request.duration":0.001500,"network.peer.address":"127.0.0.1","network.peer.port":5000,"client.address":"127.0.0.1"})");
}

TEST(AccessJson, HasWorkerUserAndAgentWhenKnown) {
  const http::FieldRef fields[] = {{wire::Name::UserAgent, "user-agent", "curl/8"},
                                   {wire::Name::Authorization, "authorization", "Basic YWRhOnA="}};
  AccessEntry full = entry();
  full.request_fields = std::span<const http::FieldRef>(fields);
  full.client = "192.0.2.7";
  full.server_name = "example.org";
  full.server_port = 443;
  full.request_id = "abc";
  full.worker_pid = 42;
  full.worker_id = 1;
  full.queue_us = 10;
  full.service_us = 1'400'000;
  const std::string text = json(full);
  for (
      const char* part :
      {R"("client.address":"192.0.2.7","server.address":"example.org","server.port":443,"user_agent.original":"curl/8","user.name":"ada")",
       R"("prefork.request_id":"abc","process.pid":42,"prefork.worker.id":1,"prefork.worker.generation":0)",
       R"("prefork.queue.duration":0.000010,"prefork.service.duration":1.400000})"}) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }
}

TEST(AccessJson, NothingInARequestBreaksTheObject) {
  const http::FieldRef fields[] = {{wire::Name::UserAgent, "user-agent", "a\"}\n\xff\\"}};
  AccessEntry nasty = entry();
  nasty.request_fields = std::span<const http::FieldRef>(fields);
  const std::string text = json(nasty);
  EXPECT_NE(text.find(R"("user_agent.original":"a\"}\n\ufffd\\"})"), std::string::npos) << text;
}

TEST(AccessJson, FieldsOfTheFormatAreAdded) {
  const http::FieldRef request[] = {
      {wire::Name::Unknown, "X-Own", "1"}, {wire::Name::Unknown, "x-own", "2"}, {wire::Name::Referer, "referer", "r"}};
  const http::FieldRef reply[] = {{wire::Name::Unknown, "X-Cache", "hit"}};
  const http::FieldRef environ[] = {{wire::Name::Unknown, "my.user", "ada"}};
  AccessEntry with = entry();
  with.request_fields = std::span<const http::FieldRef>(request);
  with.reply_fields = std::span<const http::FieldRef>(reply);
  with.environ_fields = std::span<const http::FieldRef>(environ);
  const std::string text =
      json(with, "%(f)s %({x-own}i)s %({x-none}i)s %({x-cache}o)s %({my.user}e)s %({authorization}i)s");
  EXPECT_NE(
      text.find(
          R"("http.request.header.referer":["r"],"http.request.header.x-own":["1","2"],"http.response.header.x-cache":["hit"],"prefork.environ.my.user":"ada"})"),
      std::string::npos)
      << text;
}

TEST(AccessJson, UnixPeerHasNoAddress) {
  AccessEntry from_unix = entry();
  from_unix.remote_address = "";
  EXPECT_EQ(json(from_unix).find("peer"), std::string::npos);
  EXPECT_EQ(json(from_unix).find("client"), std::string::npos);
}

}  // namespace
}  // namespace prefork::serve
