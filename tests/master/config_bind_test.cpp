#include <gtest/gtest.h>

#include "master/bind_address.hpp"

namespace prefork {
namespace {

using Kind = BindAddress::Kind;

struct Case {
  const char* text;
  BindAddress expected;
};

class BindAddressText : public testing::TestWithParam<Case> {};

TEST_P(BindAddressText, IsReadAndWrittenBack) {
  const auto parsed = parse_bind_address(GetParam().text);
  ASSERT_TRUE(parsed) << GetParam().text;
  EXPECT_EQ(*parsed, GetParam().expected) << parsed->text();
  EXPECT_EQ(parse_bind_address(parsed->text()), parsed);
}

INSTANTIATE_TEST_SUITE_P(Forms, BindAddressText,
                         testing::Values(Case{"127.0.0.1:9000", {Kind::Tcp, "127.0.0.1", 9000, "", -1}},
                                         Case{"localhost", {Kind::Tcp, "localhost", 8000, "", -1}},
                                         Case{"LOCALHOST:1", {Kind::Tcp, "localhost", 1, "", -1}},
                                         Case{":8080", {Kind::Tcp, "", 8080, "", -1}},
                                         Case{"0.0.0.0:0", {Kind::Tcp, "0.0.0.0", 0, "", -1}},
                                         Case{"[::1]:9000", {Kind::Tcp, "::1", 9000, "", -1}},
                                         Case{"[::]", {Kind::Tcp, "::", 8000, "", -1}},
                                         Case{"[fe80::1%eth0]:80", {Kind::Tcp, "fe80::1%eth0", 80, "", -1}},
                                         Case{"tcp://10.0.0.1:80", {Kind::Tcp, "10.0.0.1", 80, "", -1}},
                                         Case{"unix:/run/a.sock", {Kind::Unix, "", 0, "/run/a.sock", -1}},
                                         Case{"unix:///run/a.sock", {Kind::Unix, "", 0, "/run/a.sock", -1}},
                                         Case{"unix:a.sock", {Kind::Unix, "", 0, "a.sock", -1}},
                                         Case{"unix:@name", {Kind::AbstractUnix, "", 0, "name", -1}},
                                         Case{"fd://3", {Kind::Descriptor, "", 0, "", 3}}));

class BadBindAddress : public testing::TestWithParam<const char*> {};

TEST_P(BadBindAddress, IsRefused) { EXPECT_FALSE(parse_bind_address(GetParam())) << GetParam(); }

INSTANTIATE_TEST_SUITE_P(Forms, BadBindAddress,
                         testing::Values("", "host:", "host:x", "host:-1", "host:65536", "host:80:90", "::1", "[::1",
                                         "[]:80", "[::1]80", "[host]:80", "http://host:80", "a b:80", "unix:", "unix:@",
                                         "unix://", "fd://", "fd://x", "fd://-1", "127.0.0.1:8000/path"));

TEST(BindAddress, UnixPathsThatTheKernelCannotHoldAreRefused) {
  EXPECT_TRUE(parse_bind_address("unix:/" + std::string(106, 'a')));
  EXPECT_FALSE(parse_bind_address("unix:/" + std::string(107, 'a')));
}

TEST(BindAddress, AMissingPortIsTheGivenOne) { EXPECT_EQ(parse_bind_address("stats.example", 8125)->port, 8125); }

}  // namespace
}  // namespace prefork
