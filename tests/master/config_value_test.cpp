#include "master/config_value.hpp"

#include <gtest/gtest.h>

#include "master/config_check.hpp"

namespace prefork {
namespace {

using Kind = SettingValue::Kind;
using namespace std::chrono_literals;

const Setting& setting(const char* name) {
  const Setting* found = find_setting(name);
  EXPECT_NE(found, nullptr) << name;
  return *found;
}

Config with(const char* name, const SettingValue& value) {
  Config config;
  const auto problem = assign_setting(config, setting(name), value);
  EXPECT_FALSE(problem) << name << ": " << *problem;
  return config;
}

Config with(const char* name, const char* text) { return with(name, SettingValue::from_text(text)); }

std::string problem_of(const char* name, const SettingValue& value) {
  Config config;
  return assign_setting(config, setting(name), value).value_or("");
}

std::string problem_of(const char* name, const char* text) { return problem_of(name, SettingValue::from_text(text)); }

TEST(ConfigValue, DurationsTakeFractionsAndUnits) {
  EXPECT_EQ(with("timeout", "30").timeout, 30s);
  EXPECT_EQ(with("timeout", "0.25").timeout, 250ms);
  EXPECT_EQ(with("timeout", "200ms").timeout, 200ms);
  EXPECT_EQ(with("timeout", "2m").timeout, 2min);
  EXPECT_EQ(with("timeout", "1.5h").timeout, 90min);
  EXPECT_EQ(with("timeout", {Kind::Float, "0.5", {}}).timeout, 500ms);
  EXPECT_EQ(with("spin", "50").spin, 50us);
  EXPECT_EQ(with("spin", "1ms").spin, 1000us);
}

TEST(ConfigValue, APositiveTimeNeverBecomesOff) { EXPECT_EQ(with("timeout", "0.0001").timeout, 1ms); }

TEST(ConfigValue, BadDurationsAreRefused) {
  for (const char* text : {"", "abc", "-1", "1d", "nan", "inf", "1e300", "s", "1 2"})
    EXPECT_NE(problem_of("timeout", text), "") << text;
  EXPECT_EQ(problem_of("timeout", "abc"), "'abc' given; allowed: seconds, such as 30, 0.5, 200ms or 2m");
  EXPECT_NE(problem_of("timeout", {Kind::Bool, "true", {}}), "");
}

TEST(ConfigValue, SizesTakeSuffixes) {
  EXPECT_EQ(with("response_buffer", "65536").response_buffer, 65536u);
  EXPECT_EQ(with("response_buffer", "64K").response_buffer, 65536u);
  EXPECT_EQ(with("response_buffer", "64KiB").response_buffer, 65536u);
  EXPECT_EQ(with("response_buffer", "1.5m").response_buffer, 1572864u);
  EXPECT_EQ(with("response_buffer", "4G").response_buffer, std::uint64_t{4} << 30);
  for (const char* text : {"", "K", "-1", "1X", "1e300"}) EXPECT_NE(problem_of("response_buffer", text), "") << text;
  EXPECT_NE(problem_of("request_ring", "1K"), "");
}

TEST(ConfigValue, IntegersHaveLimits) {
  EXPECT_EQ(with("workers", "4").workers, 4);
  EXPECT_EQ(with("workers", "auto").workers, 0);
  EXPECT_EQ(with("backlog", "0x10").backlog, 16);
  EXPECT_EQ(with("backlog", "1_000").backlog, 1000);
  EXPECT_EQ(problem_of("workers", "0"), "'0' given; allowed: a whole number from 1 to 4096, or auto");
  for (const char* text : {"", "x", "1.5", "-1", "99999999999999999999", "--5"})
    EXPECT_NE(problem_of("backlog", text), "") << text;
  EXPECT_NE(problem_of("backlog", {Kind::None, "", {}}), "");
  EXPECT_EQ(problem_of("backlog", {Kind::Other, "Decimal", {}}),
            "an object of type Decimal given; allowed: a whole number from 1");
}

TEST(ConfigValue, ModesAreOctalWithALeadingZero) {
  EXPECT_EQ(with("umask", "0022").umask, 022);
  EXPECT_EQ(with("umask", "0o22").umask, 022);
  EXPECT_EQ(with("umask", "0xFF").umask, 0xff);
  EXPECT_EQ(with("umask", "0").umask, 0);
  EXPECT_EQ(with("umask", "18").umask, 022);
  EXPECT_EQ(with("umask", {Kind::Int, "18", {}}).umask, 022);
  EXPECT_NE(problem_of("umask", "01000"), "");
}

TEST(ConfigValue, ChoicesKnowSynonymsAndCapitals) {
  EXPECT_EQ(with("loglevel", "WARNING").loglevel, "warning");
  EXPECT_EQ(with("loglevel", "trace").loglevel, "debug");
  EXPECT_EQ(with("proxy_protocol", {Kind::Bool, "true", {}}).proxy_protocol, "auto");
  EXPECT_EQ(with("interface", "asgi3").interface, "asgi");
  EXPECT_EQ(problem_of("header_map", "keep"), "'keep' given; allowed: drop, refuse or dangerous");
}

TEST(ConfigValue, ListsComeFromTextsAndLists) {
  using Strings = Config::Strings;
  EXPECT_EQ(with("forwarded_allow_ips", "10.0.0.0/8, ::1,").forwarded_allow_ips, (Strings{"10.0.0.0/8", "::1"}));
  EXPECT_EQ(with("bind", "[::1]:80").bind, Strings{"[::1]:80"});
  EXPECT_EQ(with("bind", SettingValue::from_list({"a:1", "b:2"})).bind, (Strings{"a:1", "b:2"}));
  EXPECT_EQ(with("raw_env", {Kind::None, "", {}}).raw_env, Strings{});
  EXPECT_EQ(problem_of("raw_env", SettingValue::from_list({"A=1", "B"})), "'B' given; allowed: KEY=VALUE");
  EXPECT_NE(problem_of("bind", {Kind::Int, "8000", {}}), "");
  const auto problem = problem_of("raw_env", {Kind::Mixed, "('A=1', 2)", {}});
  EXPECT_EQ(problem, "('A=1', 2) given; allowed: KEY=VALUE");
}

TEST(ConfigValue, NumbersAreTextsOnlyWhereTheyNameSomebody) {
  EXPECT_EQ(with("user", {Kind::Int, "33", {}}).user, "33");
  EXPECT_EQ(with("group", {Kind::Int, "33", {}}).group, "33");
  EXPECT_EQ(with("pidfile", "33").pidfile, "33");
  EXPECT_EQ(problem_of("pidfile", {Kind::Int, "33", {}}), "33 given; allowed: a text");
  EXPECT_NE(problem_of("statsd_host", {Kind::Int, "8125", {}}), "");
}

TEST(ConfigValue, NoneIsTheDefaultWhereGunicornAllowsIt) {
  EXPECT_EQ(with("accesslog", {Kind::None, "", {}}).accesslog, "");
  EXPECT_FALSE(with("reload", {Kind::None, "", {}}).reload);
}

TEST(ConfigValue, EveryDefaultSurvivesBeingReadAndAssigned) {
  for (const SettingSection& section : setting_sections()) {
    for (const Setting& row : section.settings) {
      if (std::holds_alternative<std::monostate>(row.field)) continue;
      const SettingValue before = read_setting(Config{}, row);
      Config config;
      EXPECT_FALSE(assign_setting(config, row, before)) << row.name;
      EXPECT_EQ(read_setting(config, row), before) << row.name;
    }
  }
}

TEST(ConfigValue, LiteralsAreThoseOfPythonAndJson) {
  EXPECT_EQ(python_literal(SettingValue::from_text("it's\n")), "\"it's\\n\"");
  EXPECT_EQ(python_literal(SettingValue::from_list({"a", "b"})), "['a', 'b']");
  EXPECT_EQ(python_literal({Kind::Map, "", {"a", "b"}}), "{'a': 'b'}");
  EXPECT_EQ(python_literal({Kind::Bool, "true", {}}), "True");
  EXPECT_EQ(json_text(SettingValue::from_text("a\"\\\x01")), "\"a\\\"\\\\\\u0001\"");
  EXPECT_EQ(json_text({Kind::Map, "", {"a", "b"}}), "{\"a\": \"b\"}");
  EXPECT_EQ(json_text({}), "null");
}

TEST(ConfigCheck, NetworksHaveNoHostBits) {
  for (const char* good : {"*", "127.0.0.1", "::1", "10.0.0.0/8", "fd00::/8", "0.0.0.0/0"})
    EXPECT_TRUE(check::network(good)) << good;
  for (const char* bad : {"", "localhost", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "fd00::1/8", "1.2.3"})
    EXPECT_FALSE(check::network(bad)) << bad;
}

TEST(ConfigCheck, NumbersOfUsersAndGroupsFit) {
  for (const auto known : {check::known_user, check::known_group}) {
    EXPECT_TRUE(known("0"));
    EXPECT_TRUE(known("2147483647"));
    for (const char* text : {"", "-1", "-0", "+5", "1 ", "2147483648", "4294967295", "99999999999999999999"})
      EXPECT_FALSE(known(text)) << text;
  }
}

TEST(ConfigCheck, HeaderFieldsCarryNoControlCharacters) {
  EXPECT_TRUE(check::header_field("X-Frame-Options: DENY"));
  for (const char* bad : {"", "X", ": v", "X y: v", "X: a\r\nY: b"}) EXPECT_FALSE(check::header_field(bad)) << bad;
}

TEST(ConfigCheck, SyslogAndStatsdAddresses) {
  for (const char* good : {"udp://localhost:514", "tcp://10.0.0.1", "unix:///dev/log", "unix:///dev/log#stream"})
    EXPECT_TRUE(check::syslog_address(good)) << good;
  for (const char* bad : {"", "localhost:514", "udp://", "unix://", "unix:///dev/log#x", "unix://#dgram"})
    EXPECT_FALSE(check::syslog_address(bad)) << bad;
  for (const char* good : {"localhost:8125", "localhost", "unix:///run/s.sock"})
    EXPECT_TRUE(check::statsd_address(good)) << good;
  for (const char* bad : {"", ":8125", "fd://3"}) EXPECT_FALSE(check::statsd_address(bad)) << bad;
}

}  // namespace
}  // namespace prefork
