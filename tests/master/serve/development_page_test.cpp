#include "master/serve/development_page.hpp"

#include <gtest/gtest.h>

#include "master/http/status.hpp"

namespace prefork::serve {
namespace {

TEST(DevelopmentPage, WhatTheClientSentIsEscaped) {
  Failure failure;
  failure.uri = "/<script>alert(\"&'\")</script>";
  const std::string page = development_page(failure);
  EXPECT_NE(page.find("/&lt;script&gt;alert(&quot;&amp;&#x27;&quot;)&lt;/script&gt;"), std::string::npos);
  EXPECT_EQ(page.find("<script"), std::string::npos);
}

TEST(DevelopmentPage, NamesItsStatusByTheRegisteredPhrase) {
  EXPECT_EQ(http::reason_phrase(414), "URI Too Long");
  EXPECT_EQ(http::reason_phrase(431), "Request Header Fields Too Large");
  Failure failure;
  failure.status = 503;
  EXPECT_NE(development_page(failure).find("<title>503 Service Unavailable</title>"), std::string::npos);
}

TEST(DevelopmentPage, ShowsTheTracebackEscaped) {
  Failure failure;
  failure.traceback = "Traceback (most recent call last):\n  File \"app.py\", line 3, in <module>\nValueError: a < b\n";
  failure.method = "GET";
  failure.uri = "/<x>";
  failure.request_id = "abc";
  const std::string page = development_page(failure);
  EXPECT_NE(page.find("<h1>ValueError: a &lt; b</h1>"), std::string::npos) << page;
  EXPECT_NE(page.find("File &quot;app.py&quot;, line 3, in &lt;module&gt;"), std::string::npos);
  EXPECT_NE(page.find("GET /&lt;x&gt; &middot; request abc"), std::string::npos);
  EXPECT_NE(page.find("<title>500 Internal Server Error</title>"), std::string::npos);
}

TEST(DevelopmentPage, WithoutATracebackSaysTheStatus) {
  EXPECT_NE(development_page({}).find("<h1>500 Internal Server Error</h1>"), std::string::npos);
}

}  // namespace
}  // namespace prefork::serve
