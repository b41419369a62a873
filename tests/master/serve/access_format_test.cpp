#include "master/serve/access_format.hpp"

#include <gtest/gtest.h>

#include <ctime>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace prefork::serve {
namespace {

constexpr std::string_view kDefault = "%(h)s %(l)s %(u)s %(t)s \"%(r)s\" %(s)s %(b)s \"%(f)s\" \"%(a)s\"";
constexpr std::uint64_t kTime = 1'782'907'200'000'123;  // 2026-07-01 12:00:00.000123 UTC

struct Utc {
  Utc() {
    setenv("TZ", "UTC", 1);
    tzset();
  }
};
const Utc kUtc;

std::vector<http::FieldRef> fields(const std::vector<std::pair<std::string_view, std::string_view>>& pairs) {
  std::vector<http::FieldRef> out;
  for (const auto& [name, value] : pairs) out.push_back({wire::find_name(name), name, value});
  return out;
}

struct Request {
  std::vector<http::FieldRef> request = fields(
      {{"Host", "example.org"}, {"User-Agent", "curl/8"}, {"Referer", "http://r/"}, {"X-Own", "1"}, {"X-Own", "2"}});
  std::vector<http::FieldRef> reply = fields({{"Content-Type", "text/plain"}, {"X-Cache", "hit"}});
  std::vector<http::FieldRef> environ;
  AccessEntry entry;

  Request() {
    entry.remote_address = "127.0.0.1";
    entry.remote_port = 5000;
    entry.client = "192.0.2.7";
    entry.server_name = "example.org";
    entry.server_port = 80;
    entry.method = "GET";
    entry.raw_uri = "/a%20b?x=1";
    entry.path = "/a b";
    entry.query = "x=1";
    entry.status = 200;
    entry.body_bytes = 5;
    entry.request_id = "abc";
    entry.worker_pid = 42;
    entry.worker_id = 3;
    entry.worker_generation = 7;
    entry.unix_us = kTime;
    entry.total_us = 2'001'500;
    entry.queue_us = 11;
    entry.service_us = 22;
  }
};

std::string line(std::string_view format, Request request = {}) {
  request.entry.request_fields = std::span<const http::FieldRef>(request.request);
  request.entry.reply_fields = std::span<const http::FieldRef>(request.reply);
  request.entry.environ_fields = std::span<const http::FieldRef>(request.environ);
  AccessClock clock;
  clock.set(request.entry.unix_us);
  std::string out;
  AccessFormat(format).write(request.entry, clock, out);
  return out;
}

Request with(std::string_view name, std::string_view value) {
  Request request;
  request.request = fields({{name, value}});
  return request;
}

TEST(AccessFormat, DefaultIsGunicorns) {
  EXPECT_EQ(line(kDefault),
            "127.0.0.1 - - [01/Jul/2026:12:00:00 +0000] \"GET /a%20b?x=1 HTTP/1.1\" 200 5 \"http://r/\" \"curl/8\"");
}

TEST(AccessFormat, EveryAtom) {
  EXPECT_EQ(line("%(h)s|%(l)s|%(t)s|%(r)s|%(m)s|%(U)s|%(q)s|%(H)s|%(s)s|%(b)s|%(B)s|%(f)s|%(a)s"),
            "127.0.0.1|-|[01/Jul/2026:12:00:00 +0000]|GET /a%20b?x=1 HTTP/1.1|GET|/a "
            "b|x=1|HTTP/1.1|200|5|5|http://r/|curl/8");
  EXPECT_EQ(line("%(T)s|%(D)s|%(M)s|%(L)s|%(p)s"), "2|2001500|2001|2.001500|<42>");
}

TEST(AccessFormat, OurAtoms) {
  EXPECT_EQ(line("%({queue}x)s %({service}x)s %({worker}x)s %({generation}x)s %({request-id}x)s %({client}x)s"),
            "11 22 3 7 abc 192.0.2.7");
}

TEST(AccessFormat, WithoutAWorkerItsAtomsAreDashes) {
  Request request;
  request.entry.worker_pid = 0;
  EXPECT_EQ(line("%(p)s %({queue}x)s %({service}x)s %({worker}x)s %({generation}x)s", request), "<-> - - - -");
}

TEST(AccessFormat, TimesArePadded) {
  Request request;
  request.entry.total_us = 1'000'007;
  EXPECT_EQ(line("%(L)s %(T)s %(M)s", request), "1.000007 1 1000");
  request.entry.total_us = 999;
  EXPECT_EQ(line("%(L)s %(T)s %(M)s %(D)s", request), "0.000999 0 0 999");
}

TEST(AccessFormat, FieldsAreFoundInAnyCaseAndTheLastCounts) {
  EXPECT_EQ(line("%({x-own}i)s %({X-OWN}i)s %({HOST}i)s %({Content-Type}o)s %({x-cache}o)s"),
            "2 2 example.org text/plain hit");
}

TEST(AccessFormat, MissingFieldsAreDashesAndEmptyOnesAreEmpty) {
  EXPECT_EQ(line("[%({none}i)s] [%({none}o)s] [%({none}e)s]"), "[-] [-] [-]");
  EXPECT_EQ(line("[%(f)s] [%(a)s] [%({referer}i)s]", with("Referer", "")), "[] [-] []");
  Request bare;
  bare.entry.query = "";
  EXPECT_EQ(line("[%(q)s]", bare), "[]");
}

TEST(AccessFormat, UnixPeerIsADash) {
  Request request;
  request.entry.remote_address = "";
  request.entry.client = "";
  EXPECT_EQ(line("%(h)s %({client}x)s", request), "- -");
}

TEST(AccessFormat, ClientIsThePeerWhenNothingElseIsKnown) {
  Request request;
  request.entry.client = "";
  EXPECT_EQ(line("%({client}x)s", request), "127.0.0.1");
}

TEST(AccessFormat, RepeatedFieldsAreJoinedWhereTheEnvironJoinsThem) {
  Request request;
  request.request = fields(
      {{"User-Agent", "a"}, {"User-Agent", "b"}, {"Cookie", "c=1"}, {"Cookie", "d=2"}, {"X-Own", "1"}, {"X-Own", "2"}});
  EXPECT_EQ(line("%(a)s|%({http_cookie}e)s|%({HTTP_X_OWN}e)s|%({user-agent}i)s", request), "a,b|c=1; d=2|1,2|b");
}

TEST(AccessFormat, EnvironVariablesThatTheMasterKnows) {
  Request request;
  request.entry.script_name = "/app";
  request.request = fields({{"Content-Type", "text/html"}, {"Content-Length", "0"}});
  EXPECT_EQ(line("%({REQUEST_METHOD}e)s %({RAW_URI}e)s %({server_protocol}e)s %({remote_addr}e)s %({REMOTE_PORT}e)s "
                 "%({QUERY_STRING}e)s "
                 "%({PATH_INFO}e)s %({script_name}e)s %({server_name}e)s %({server_port}e)s %({wsgi.url_scheme}e)s "
                 "%({content_type}e)s %({content_length}e)s",
                 request),
            "GET /a%20b?x=1 HTTP/1.1 127.0.0.1 5000 x=1 /a b /app example.org 80 http text/html 0");
}

TEST(AccessFormat, OtherEnvironVariablesComeFromTheWorker) {
  Request request;
  request.environ = fields({{"my.USER", "ada"}});
  const AccessFormat format("%({My.User}e)s %({http_host}e)s %({server_name}e)s");
  ASSERT_EQ(format.environ_names().size(), 1u);
  EXPECT_EQ(format.environ_names()[0].text, "my.user");
  EXPECT_EQ(line("%({My.User}e)s", request), "ada");
}

TEST(AccessFormat, SaysWhatItWants) {
  const AccessFormat format("%(f)s %(f)s %({x-a}i)s %({x-b}o)s %({X-B}o)s");
  EXPECT_EQ(format.request_names().size(), 2u);
  EXPECT_EQ(format.reply_names().size(), 1u);
  EXPECT_EQ(format.request_names()[0].id, wire::Name::Referer);
  EXPECT_TRUE(AccessFormat("%(h)s").request_names().empty());
}

TEST(AccessFormat, QuotesAreEscapedAndControlBytesCannotForgeALine) {
  EXPECT_EQ(line("\"%(a)s\"", with("User-Agent", "a\"b")), "\"a\\\"b\"");
  Request request;
  request.entry.path = "/x\n127.0.0.1 - - forged\x7f";
  EXPECT_EQ(line("%(U)s", request), "/x\\x0a127.0.0.1 - - forged\\x7f");
  EXPECT_EQ(line("%({a}i)s", with("A", "\tb\x1b[31m")), "\\x09b\\x1b[31m");
  EXPECT_EQ(line("%(a)s", with("User-Agent", "caf\xc3\xa9 \\ \xff\xc3")), "caf\xc3\xa9 \\ \\xff\\xc3");
}

TEST(AccessFormat, UserOfBasicAuth) {
  const auto user = [](std::string_view value) { return line("%(u)s", with("Authorization", value)); };
  EXPECT_EQ(user("Basic YWRhOnNlY3JldA=="), "ada");
  EXPECT_EQ(user("basic YWRhOnNlY3JldA=="), "ada");
  EXPECT_EQ(user("Basic  YWRhOnNlY3JldA== "), "ada");
  EXPECT_EQ(user("Basic YWRh"), "ada");               // no colon
  EXPECT_EQ(user("Basic OnNlY3JldA=="), "-");         // no user
  EXPECT_EQ(user("Basic YWRhOnNlY3JldA"), "-");       // no padding
  EXPECT_EQ(user("Basic YWRhOnNlY3Jl!dA=="), "ada");  // foreign characters are skipped
  EXPECT_EQ(user("Basic YQ==YWRh"), "a");             // padding ends the data
  EXPECT_EQ(user("Basic YQ"), "-");
  EXPECT_EQ(user("Basic Y"), "-");
  EXPECT_EQ(user("Basic /zpw"), "-");  // no UTF-8
  EXPECT_EQ(user("Basic w6k6cA=="), "\xc3\xa9");
  EXPECT_EQ(user("Basic Igo6cA=="), "\\\"\\x0a");  // a quote and a line end
  EXPECT_EQ(user("Bearer YWRhOnA="), "-");
  EXPECT_EQ(user("Basic"), "-");
  EXPECT_EQ(user(""), "-");
}

TEST(AccessFormat, LiteralsPercentSignsAndNoAtomAtAll) {
  EXPECT_EQ(line("100%% %(s)s%%"), "100% 200%");
  EXPECT_EQ(line("plain"), "plain");
  EXPECT_EQ(line(""), "");
}

TEST(AccessFormat, WidthAndPrecision) {
  EXPECT_EQ(line("[%(s)6s] [%(m)-6s] [%(a).3s] [%(a)5.3s] [%(D)d] [%(s)05d]"),
            "[   200] [GET   ] [cur] [  cur] [2001500] [  200]");
}

TEST(AccessFormat, UnknownAtomsAreDashesAndSaid) {
  EXPECT_EQ(line("%(z)s %(hh)s %({a}z)s"), "- - -");
  const AccessFormat format("%(z)s %(h)s");
  ASSERT_EQ(format.warnings().size(), 1u);
  EXPECT_NE(format.warnings()[0].find("%(z)s"), std::string::npos);
}

struct Bad {
  std::string_view format;
  std::string_view says;
};

TEST(AccessFormat, WhatIsWrongIsSaidWithItsPlace) {
  for (const Bad& bad : {Bad{"%", "column 1"},
                         {"%(h)s %", "column 7"},
                         {"%s", "column 1: a % starts an atom"},
                         {"%h", "column 1"},
                         {"%(h", "no closing parenthesis"},
                         {"%({a}i", "no closing parenthesis"},
                         {"%(h)", "no conversion"},
                         {"ab %(h)q", "column 8"},
                         {"%(h)d", "is a text"},
                         {"%(D).2d", "no precision"},
                         {"%(h)5000s", "above 1000"},
                         {"%({nope}x)s", "queue, service, worker"},
                         {"%(h)99999999999999999999s", "above 1000"}}) {
    try {
      AccessFormat format(bad.format);
      ADD_FAILURE() << bad.format << " was taken";
    } catch (const std::invalid_argument& error) {
      EXPECT_NE(std::string(error.what()).find(bad.says), std::string::npos) << error.what();
      EXPECT_TRUE(std::string(error.what()).starts_with("'" + std::string(bad.format) + "' given; "));
    }
  }
}

TEST(AccessFormat, TooManyFieldsAreRefused) {
  std::string format;
  for (std::size_t i = 0; i < AccessFormat::kMostFields; ++i) format += "%({x" + std::to_string(i) + "}i)s";
  EXPECT_NO_THROW(AccessFormat{format});
  EXPECT_THROW(AccessFormat{format + "%({y}i)s"}, std::invalid_argument);
}

TEST(AccessFormat, ReadsRequestsAsTheParserBuildsThem) {
  wire::RequestBuilder builder;
  const auto add = [&](std::string_view name, std::string_view value) {
    wire::Field field;
    field.name_id = static_cast<std::uint16_t>(wire::find_name(name));
    const wire::Text at = builder.add_text(name);
    field.name_offset = at.offset;
    field.name_length = static_cast<std::uint16_t>(at.length);
    field.value = builder.add_text(value);
    builder.fields().push_back(field);
  };
  add("user-agent", "curl/8");
  add("x-own", "yes");
  builder.finish();
  AccessEntry entry;
  entry.request_fields = builder;
  AccessClock clock;
  std::string out;
  AccessFormat("%(a)s %({x-own}i)s").write(entry, clock, out);
  EXPECT_EQ(out, "curl/8 yes");
}

TEST(AccessClock, ChangesWithTheSecond) {
  AccessClock clock;
  clock.set(kTime);
  EXPECT_EQ(clock.clf(), "[01/Jul/2026:12:00:00 +0000]");
  clock.set(kTime + 900'000);
  EXPECT_EQ(clock.clf(), "[01/Jul/2026:12:00:00 +0000]");
  EXPECT_EQ(clock.micros(), 900'123u);
  clock.set(kTime + 1'000'000);
  EXPECT_EQ(clock.clf(), "[01/Jul/2026:12:00:01 +0000]");
  EXPECT_EQ(clock.utc(), "2026-07-01T12:00:01");
}

}  // namespace
}  // namespace prefork::serve
