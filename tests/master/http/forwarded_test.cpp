#include "master/http/forwarded.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace prefork::http {
namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;
const std::map<std::string, std::string> kSecure = {
    {"X-FORWARDED-PROTOCOL", "ssl"}, {"X-FORWARDED-PROTO", "https"}, {"X-FORWARDED-SSL", "on"}};

struct Setting {
  std::vector<std::string> allow = {"127.0.0.1", "::1"};
  unsigned hops = 0;
  bool apply = false;
  std::map<std::string, std::string> secure = kSecure;
};

struct Answer {
  int refused = 0;
  std::string scheme;  // "" unchanged
  std::string client;
  int client_port = 0;
  bool client_applies = false;
  std::string host;
  int port = 0;
};

Answer ask(const Setting& setting, const Peer& peer, const Headers& headers) {
  const ForwardedPolicy policy(TrustList(setting.allow), setting.hops, setting.apply, setting.secure);
  std::vector<FieldRef> fields;
  for (const auto& [name, value] : headers) fields.push_back({wire::find_name(name), name, value});
  const Forwarded result = read_forwarded(policy, peer, policy.trusted.trusts(peer), FieldList(fields));
  Answer answer;
  answer.refused = result.refusal.status;
  if (result.scheme) answer.scheme = *result.scheme == wire::Scheme::Https ? "https" : "http";
  answer.client = result.client;
  answer.client_port = result.client_port;
  answer.client_applies = result.client_applies;
  answer.host = result.host;
  answer.port = result.port;
  return answer;
}

const Peer kProxy{"127.0.0.1", 5000, false};
const Peer kStranger{"203.0.113.9", 6000, false};
const Peer kUnix{"", 0, true};
const Setting kApply{{"127.0.0.1", "10.0.0.0/8"}, 0, true};

TEST(Forwarded, WhatAnUntrustedPeerSendsChangesNothing) {
  const Headers all = {{"X-Forwarded-For", "1.2.3.4"}, {"X-Forwarded-Proto", "https"},
                       {"X-Forwarded-Ssl", "off"},     {"X-Forwarded-Host", "evil"},
                       {"X-Forwarded-Port", "1"},      {"Forwarded", "for=1.2.3.4;proto=https;host=evil"}};
  const Answer answer = ask({{"127.0.0.1"}, 0, true}, kStranger, all);
  EXPECT_EQ(answer.refused, 0);
  EXPECT_EQ(answer.scheme, "");
  EXPECT_EQ(answer.client, "203.0.113.9");
  EXPECT_EQ(answer.client_port, 6000);
  EXPECT_FALSE(answer.client_applies);
  EXPECT_EQ(answer.host, "");
  EXPECT_EQ(answer.port, 0);
}

struct SchemeCase {
  const char* what;
  std::vector<std::string> allow;
  Peer peer;
  Headers headers;
  const char* scheme;
  int refused = 0;
};

TEST(Forwarded, SchemeByTrustAndHeader) {
  const std::vector<SchemeCase> cases = {
      {"stranger", {"127.0.0.1"}, kStranger, {{"X-Forwarded-Proto", "https"}}, ""},
      {"everybody, none sent", {"*"}, kStranger, {}, ""},
      {"everybody, https", {"*"}, kStranger, {{"X-Forwarded-Proto", "https"}}, "https"},
      {"network", {"203.0.113.0/24"}, kStranger, {{"X-Forwarded-Proto", "https"}}, "https"},
      {"unix peer, empty list", {}, kUnix, {{"X-Forwarded-Proto", "https"}}, "https"},
      {"name in any case", {"*"}, kStranger, {{"x-FORWARDED-ssl", "on"}}, "https"},
      {"value is case-sensitive", {"*"}, kStranger, {{"X-Forwarded-Ssl", "ON"}}, "http"},
      {"protocol", {"*"}, kStranger, {{"X-Forwarded-Protocol", "ssl"}}, "https"},
      {"protocol https is not ssl", {"*"}, kStranger, {{"X-Forwarded-Protocol", "https"}}, "http"},
      {"plain", {"*"}, kStranger, {{"X-Forwarded-Proto", "http"}}, "http"},
      {"agreeing", {"*"}, kStranger, {{"X-Forwarded-Proto", "https"}, {"X-Forwarded-Ssl", "on"}}, "https"},
      {"contradiction", {"*"}, kStranger, {{"X-Forwarded-Proto", "https"}, {"X-Forwarded-Ssl", "off"}}, nullptr, 400},
      {"contradiction in one name",
       {"*"},
       kStranger,
       {{"X-Forwarded-Proto", "https"}, {"X-Forwarded-Proto", "http"}},
       nullptr,
       400},
      {"the same twice", {"*"}, kStranger, {{"X-Forwarded-Proto", "https"}, {"X-Forwarded-Proto", "https"}}, "https"},
      {"of a WebSocket", {"*"}, kStranger, {{"X-Forwarded-Proto", "wss"}}, "https"},
      {"of a WebSocket without TLS", {"*"}, kStranger, {{"X-Forwarded-Proto", "ws"}}, "http"},
      {"a list is not the value", {"*"}, kStranger, {{"X-Forwarded-Proto", "https, https"}}, "http"},
      {"underscore is another name", {"*"}, kStranger, {{"X_Forwarded_Proto", "https"}}, ""},
      {"Forwarded says nothing by default", {"*"}, kStranger, {{"Forwarded", "for=1.2.3.4;proto=https"}}, ""},
  };
  for (const SchemeCase& test : cases) {
    SCOPED_TRACE(test.what);
    const Answer answer = ask({test.allow}, test.peer, test.headers);
    EXPECT_EQ(answer.refused, test.refused);
    if (test.refused == 0) {
      EXPECT_EQ(answer.scheme, test.scheme);
    }
  }
}

TEST(Forwarded, SchemeHeadersAreTheOperators) {
  const std::map<std::string, std::string> own = {{"X-MY-TLS", "yes"}};
  EXPECT_EQ(ask({{"*"}, 0, false, own}, kStranger, {{"x-my-tls", "yes"}}).scheme, "https");
  EXPECT_EQ(ask({{"*"}, 0, false, own}, kStranger, {{"X-Forwarded-Proto", "https"}}).scheme, "");
  EXPECT_EQ(ask({{"*"}, 0, false, {}}, kStranger, {{"X-Forwarded-Proto", "https"}}).scheme, "");
}

TEST(Forwarded, ProxyHeadersReadWhatLoadBalancersSend) {
  EXPECT_EQ(ask(kApply, kProxy, {{"X-Forwarded-Proto", "wss"}}).scheme, "https");
  EXPECT_EQ(ask(kApply, kProxy, {{"X-Forwarded-Proto", "http, https"}}).scheme, "https");
  EXPECT_EQ(ask({{"127.0.0.1"}, 2, true}, kProxy,
                {{"X-Forwarded-For", "8.8.8.8, 10.0.0.1"}, {"X-Forwarded-Proto", "https, http"}})
                .scheme,
            "https");
}

TEST(Forwarded, ClientIsKnownToTheLogsButAppliesOnlyWhenAsked) {
  const Answer log_only = ask({{"127.0.0.1"}}, kProxy, {{"X-Forwarded-For", "8.8.8.8"}});
  EXPECT_EQ(log_only.client, "8.8.8.8");
  EXPECT_FALSE(log_only.client_applies);
  const Answer applied = ask(kApply, kProxy, {{"X-Forwarded-For", "8.8.8.8"}});
  EXPECT_EQ(applied.client, "8.8.8.8");
  EXPECT_EQ(applied.client_port, 0);
  EXPECT_TRUE(applied.client_applies);
}

struct ClientCase {
  const char* what;
  const Setting* setting;
  Peer peer;
  Headers headers;
  const char* client;
  int port = 0;
};

TEST(Forwarded, ClientByTrustAndHops) {
  const Setting hop1{{"127.0.0.1"}, 1, true}, hop2{{"127.0.0.1"}, 2, true}, all{{"*"}, 0, true}, none{{}, 0, true};
  const std::vector<ClientCase> cases = {
      {"nothing sent", &kApply, kProxy, {}, "127.0.0.1", 5000},
      {"one", &kApply, kProxy, {{"X-Forwarded-For", "8.8.8.8"}}, "8.8.8.8"},
      {"forged in front", &kApply, kProxy, {{"X-Forwarded-For", "6.6.6.6, 8.8.8.8"}}, "8.8.8.8"},
      {"through a trusted one", &kApply, kProxy, {{"X-Forwarded-For", "6.6.6.6, 8.8.8.8, 10.1.2.3"}}, "8.8.8.8"},
      {"all trusted", &kApply, kProxy, {{"X-Forwarded-For", "10.0.0.9, 10.1.2.3"}}, "10.0.0.9"},
      {"everybody is trusted", &all, kProxy, {{"X-Forwarded-For", "6.6.6.6, 8.8.8.8"}}, "6.6.6.6"},
      {"lines are one list",
       &kApply,
       kProxy,
       {{"X-Forwarded-For", "6.6.6.6"}, {"A", "b"}, {"X-Forwarded-For", "8.8.8.8, 10.0.0.1"}},
       "8.8.8.8"},
      {"lines, the first counts",
       &kApply,
       kProxy,
       {{"X-Forwarded-For", "8.8.8.8"}, {"X-Forwarded-For", "10.0.0.1"}},
       "8.8.8.8"},
      {"unknown stops the walk", &kApply, kProxy, {{"X-Forwarded-For", "8.8.8.8, unknown, 10.0.0.1"}}, "10.0.0.1"},
      {"no address at all", &kApply, kProxy, {{"X-Forwarded-For", "unknown"}}, "127.0.0.1", 5000},
      {"empty", &kApply, kProxy, {{"X-Forwarded-For", ""}}, "127.0.0.1", 5000},
      {"script", &kApply, kProxy, {{"X-Forwarded-For", "<script>"}}, "127.0.0.1", 5000},
      {"zone with text", &kApply, kProxy, {{"X-Forwarded-For", "fe80::1%\"x"}}, "127.0.0.1", 5000},
      {"port", &kApply, kProxy, {{"X-Forwarded-For", "8.8.8.8:4711"}}, "8.8.8.8", 4711},
      {"IPv6", &kApply, kProxy, {{"X-Forwarded-For", "2001:db8::7"}}, "2001:db8::7"},
      {"IPv6 with a port", &kApply, kProxy, {{"X-Forwarded-For", "[2001:db8::7]:99"}}, "2001:db8::7", 99},
      {"mapped addresses are trusted as IPv4",
       &kApply,
       {"::ffff:127.0.0.1", 1, false},
       {{"X-Forwarded-For", "8.8.8.8"}},
       "8.8.8.8"},
      {"unix peer", &none, kUnix, {{"X-Forwarded-For", "6.6.6.6, 8.8.8.8"}}, "8.8.8.8"},
      {"one hop", &hop1, kProxy, {{"X-Forwarded-For", "6.6.6.6, 8.8.8.8"}}, "8.8.8.8"},
      {"two hops", &hop2, kProxy, {{"X-Forwarded-For", "6.6.6.6, 8.8.8.8, 10.0.0.1"}}, "8.8.8.8"},
      {"fewer entries than hops", &hop2, kProxy, {{"X-Forwarded-For", "8.8.8.8"}}, "127.0.0.1", 5000},
      {"hop that is no address", &hop1, kProxy, {{"X-Forwarded-For", "8.8.8.8, unknown"}}, "127.0.0.1", 5000},
      {"Forwarded", &kApply, kProxy, {{"Forwarded", "for=8.8.8.8;by=10.0.0.1"}}, "8.8.8.8"},
      {"Forwarded with quotes", &kApply, kProxy, {{"Forwarded", "For=\"[2001:db8::7]:4711\""}}, "2001:db8::7", 4711},
      {"Forwarded chain",
       &kApply,
       kProxy,
       {{"Forwarded", "for=6.6.6.6, for=8.8.8.8"}, {"Forwarded", "for=10.0.0.1"}},
       "8.8.8.8"},
      {"Forwarded hidden", &kApply, kProxy, {{"Forwarded", "for=_hidden"}}, "127.0.0.1", 5000},
      {"Forwarded broken", &kApply, kProxy, {{"Forwarded", "for=8.8.8.8, for=\"9.9.9.9"}}, "127.0.0.1", 5000},
      {"X-Forwarded-* win", &kApply, kProxy, {{"Forwarded", "for=6.6.6.6"}, {"X-Forwarded-For", "8.8.8.8"}}, "8.8.8.8"},
      {"X-Forwarded-Proto alone shuts Forwarded out",
       &kApply,
       kProxy,
       {{"Forwarded", "for=6.6.6.6"}, {"X-Forwarded-Proto", "https"}},
       "127.0.0.1",
       5000},
  };
  for (const ClientCase& test : cases) {
    SCOPED_TRACE(test.what);
    const Answer answer = ask(*test.setting, test.peer, test.headers);
    EXPECT_EQ(answer.client, test.client);
    EXPECT_EQ(answer.client_port, test.port);
  }
}

TEST(Forwarded, HostAndPortApplyOnlyWhenAsked) {
  const Headers headers = {{"X-Forwarded-Host", "example.org"}, {"X-Forwarded-Port", "8443"}};
  EXPECT_EQ(ask({{"127.0.0.1"}}, kProxy, headers).host, "");
  EXPECT_EQ(ask({{"127.0.0.1"}}, kProxy, headers).port, 0);
  EXPECT_EQ(ask(kApply, kProxy, headers).host, "example.org");
  EXPECT_EQ(ask(kApply, kProxy, headers).port, 8443);
}

TEST(Forwarded, HostMayCarryThePort) {
  EXPECT_EQ(ask(kApply, kProxy, {{"X-Forwarded-Host", "evil, example.org:444"}}).host, "example.org:444");
  EXPECT_EQ(ask(kApply, kProxy, {{"X-Forwarded-Host", "example.org:444"}}).port, 444);
  EXPECT_EQ(ask(kApply, kProxy, {{"X-Forwarded-Host", "example.org:444"}, {"X-Forwarded-Port", "443"}}).port, 443);
  EXPECT_EQ(ask(kApply, kProxy, {{"X-Forwarded-Host", "[::1]"}}).port, 0);
  EXPECT_EQ(ask(kApply, kProxy, {{"X-Forwarded-Host", "[::1]:81"}}).port, 81);
}

TEST(Forwarded, UnusableHostAndPortAreIgnored) {
  for (const char* host : {"", "a b", "a/b", "a\"b", "<x>", "a@b", "\xc3\xa9"})
    EXPECT_EQ(ask(kApply, kProxy, {{"X-Forwarded-Host", host}}).host, "");
  for (const char* port : {"", "0", "65536", "-1", "80x", " "})
    EXPECT_EQ(ask(kApply, kProxy, {{"X-Forwarded-Port", port}}).port, 0);
}

TEST(Forwarded, RfcElementGivesSchemeAndHostOfTheClientsHop) {
  const Answer answer = ask(kApply, kProxy,
                            {{"Forwarded",
                              "for=6.6.6.6;proto=http;host=evil, for=8.8.8.8;proto=https;host=\"example.org:444\", "
                              "for=10.0.0.1;proto=http"}});
  EXPECT_EQ(answer.client, "8.8.8.8");
  EXPECT_EQ(answer.scheme, "https");
  EXPECT_EQ(answer.host, "example.org:444");
  EXPECT_EQ(answer.port, 444);
}

TEST(Forwarded, GrammarOfRfc7239) {
  std::vector<ForwardedElement> elements;
  ASSERT_TRUE(parse_forwarded("for=\"_gazonk\" , ,For=\"[2001:db8:cafe::17]:4711\";by=203.0.113.43;;ext=\"a,b;c\\\"d\"",
                              elements));
  ASSERT_EQ(elements.size(), 2u);
  EXPECT_EQ(elements[0].for_, "_gazonk");
  EXPECT_EQ(elements[1].for_, "[2001:db8:cafe::17]:4711");
  EXPECT_EQ(elements[1].by, "203.0.113.43");
  for (const char* broken :
       {"for", "for=", "for=\"x", "=x", "for=a b", "for=a\"b\"", "for=<", "a=\"\\", "for=a proto=b"}) {
    elements.clear();
    EXPECT_FALSE(parse_forwarded(broken, elements)) << broken;
  }
  elements.clear();
  ASSERT_TRUE(parse_forwarded("host=\"a\\b\"", elements));
  EXPECT_EQ(elements.at(0).host, "");
}

TEST(TrustList, KnowsAddressesAndNetworks) {
  const TrustList list({"192.0.2.1", "10.0.0.0/8", "172.16.0.0/12", "2001:db8::/33", "::1"});
  for (const char* yes :
       {"192.0.2.1", "10.255.0.1", "172.31.255.255", "2001:db8:7fff::1", "::1", "::ffff:10.1.1.1", "::1%lo"})
    EXPECT_TRUE(list.trusts(yes)) << yes;
  for (const char* no :
       {"192.0.2.2", "11.0.0.1", "172.32.0.0", "2001:db8:8000::1", "::2", "", "x", "10.1", "010.0.0.1"})
    EXPECT_FALSE(list.trusts(no)) << no;
}

TEST(TrustList, EverybodyAndNobody) {
  EXPECT_TRUE(TrustList({"*"}).trusts("anything"));
  EXPECT_FALSE(TrustList().trusts("127.0.0.1"));
  EXPECT_TRUE(TrustList().trusts(kUnix));
  EXPECT_TRUE(TrustList({"0.0.0.0/0"}).trusts("1.2.3.4"));
  EXPECT_FALSE(TrustList({"0.0.0.0/0"}).trusts("2001:db8::1"));
}

TEST(TrustList, SaysWhatIsWrongWithAnEntry) {
  for (const char* bad : {"", "localhost", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/x", "10.0.0.1/8", "::1/129", "::1/64",
                          "10.0.0.0/-1", "1.2.3"}) {
    try {
      TrustList list({bad});
      ADD_FAILURE() << bad << " was taken";
    } catch (const std::invalid_argument& error) {
      EXPECT_NE(std::string(error.what()).find("'" + std::string(bad) + "'"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace prefork::http
