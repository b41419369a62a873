// WSGI as it looks on the rings: which records an application's doings become. What HTTP makes of them is tested end to end.
#include <gmock/gmock.h>

#include "tests/bridge/bridge_fixture.hpp"

namespace prefork::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class Wsgi : public BridgeTest {};

TEST_F(Wsgi, AnswersAListOfOneBlockInOneRecord) {
  start();
  const auto answer = get("/bare");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.reason, "OK");
  EXPECT_EQ(answer.body, "one block");
  EXPECT_EQ(answer.records, 1u);
  EXPECT_TRUE(answer.ended);
}

TEST_F(Wsgi, SendsABlockBeforeTheNextIsProduced) {
  start();
  Ask ask;
  ask.target = "/steps";
  ask.body_follows = true;
  const auto slot = master.send(ask);
  ASSERT_TRUE(master.until([&] { return master.answer(slot).body == "first"; })) << master.log();
  EXPECT_FALSE(master.answer(slot).ended);
  master.body(slot, "second", true);
  EXPECT_THAT(master.finish(slot).pieces, ElementsAre("first", "second", ""));
}

TEST_F(Wsgi, AnnouncesTheLengthOfAListThatNeedsSeveralRecords) {
  start();
  const auto answer = get("/list/10/60000");
  EXPECT_EQ(answer.field("content-length"), "600000");
  EXPECT_EQ(answer.body.size(), 600000u);
}

TEST_F(Wsgi, AnnouncesNoLengthForAGenerator) {
  start();
  const auto answer = get("/blocks/3/10");
  EXPECT_EQ(answer.field("content-length"), "");
  EXPECT_EQ(answer.pieces.size(), 4u);
}

TEST_F(Wsgi, HeadHasTheLengthAndNoBody) {
  start();
  Ask ask;
  ask.method = "HEAD";
  ask.target = "/bare";
  const auto answer = master.ask(ask);
  EXPECT_EQ(answer.field("content-length"), "9");
  EXPECT_EQ(answer.body, "");
}

TEST_F(Wsgi, CutsWhatIsLongerThanItsContentLength) {
  start();
  const auto answer = get("/length/4/abc/def");
  EXPECT_EQ(answer.body, "abcd");
  EXPECT_TRUE(answer.ended);
  EXPECT_FALSE(answer.aborted);
}

TEST_F(Wsgi, BreaksOffWhatIsShorterThanItsContentLength) {
  start();
  const auto answer = get("/length/10/abc");
  EXPECT_EQ(answer.body, "abc");
  EXPECT_TRUE(answer.aborted);
  EXPECT_THAT(master.log(), HasSubstr("7 bytes shorter"));
}

TEST_F(Wsgi, AnExceptionBeforeTheFirstByteIsACleanReply) {
  start();
  for (const char* when : {"before", "started", "first"}) {
    const auto answer = get(std::string("/raise/") + when);
    EXPECT_EQ(answer.status, 500) << when;
    EXPECT_FALSE(answer.aborted);
    EXPECT_THAT(answer.body, Not(HasSubstr("deliberate")));
  }
  EXPECT_THAT(master.log(), HasSubstr("RuntimeError: deliberate"));
}

TEST_F(Wsgi, TheLogNamesTheRequestThatFailed) {
  start();
  Ask ask;
  ask.target = "/raise/before?q=1";
  ask.request_id = "abc-1";
  EXPECT_EQ(master.ask(ask).status, 500);
  EXPECT_THAT(master.log(), HasSubstr("GET /raise/before?q=1 (request id abc-1)\nTraceback"));
}

TEST_F(Wsgi, AnExceptionAfterTheFirstByteCutsTheReply) {
  start();
  for (const char* when : {"later", "exit"}) {
    const auto answer = get(std::string("/raise/") + when);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "some");
    EXPECT_TRUE(answer.aborted);
  }
}

TEST_F(Wsgi, SystemExitInTheApplicationEndsTheRequestOnly) {
  start();
  EXPECT_EQ(get("/exit").status, 500);
  EXPECT_EQ(get("/pid").body, std::to_string(master.pid()));
}

TEST_F(Wsgi, NothingOfOneRequestIsInTheEnvironOfTheNext) {
  start();
  Ask first;
  first.target = "/environ?a=1";
  first.method = "POST";
  first.body = "body";
  first.fields = {{"Host", "one.example"},
                  {"Cookie", "secret=1"},
                  {"Authorization", "Basic eDp5"},
                  {"X-Custom", "custom"},
                  {"Content-Length", "4"}};
  first.request_id = "first-id";
  const auto one = master.ask(first).body;
  for (const char* part :
       {"one.example", "secret=1", "Basic eDp5", "HTTP_X_CUSTOM", "\"CONTENT_LENGTH\": \"4\"", "first-id", "a=1"}) {
    EXPECT_THAT(one, HasSubstr(part));
  }
  Ask second;
  second.target = "/environ";
  second.fields = {{"Accept", "*/*"}};
  const auto two = master.ask(second).body;
  for (const char* part :
       {"one.example", "secret=1", "Basic", "X_CUSTOM", "CONTENT_LENGTH", "first-id", "a=1", "HTTP_HOST"}) {
    EXPECT_THAT(two, Not(HasSubstr(part)));
  }
}

TEST_F(Wsgi, AnEnvironThatWasChangedIsNotSeenByTheNextRequest) {
  start();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(get("/spoil").body, "False");
}

TEST_F(Wsgi, JoinsRepeatedFields) {
  start();
  Ask ask;
  ask.target = "/environ";
  ask.fields = {{"Host", "h"},     {"Accept", "a/b"}, {"Cookie", "a=1"}, {"X-Own", "1"},
                {"Accept", "c/d"}, {"Cookie", "b=2"}, {"X-Own", "2"}};
  for (int i = 0; i < 2; ++i) {
    const auto environ = master.ask(ask).body;
    EXPECT_THAT(environ, HasSubstr("\"HTTP_ACCEPT\": \"a/b,c/d\""));
    EXPECT_THAT(environ, HasSubstr("\"HTTP_COOKIE\": \"a=1; b=2\""));
    EXPECT_THAT(environ, HasSubstr("\"HTTP_X_OWN\": \"1,2\""));
  }
}

TEST_F(Wsgi, NoFieldCanPoseAsAVariableOfTheServer) {
  start();
  Ask ask;
  ask.target = "/environ";
  ask.fields = {{"Proxy", "http://evil/"}, {"Content_Length", "9"}, {"Content_Type", "x/y"}};
  const auto environ = master.ask(ask).body;
  for (const char* key : {"HTTP_PROXY", "HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE"})
    EXPECT_THAT(environ, Not(HasSubstr(key)));
}

TEST_F(Wsgi, AScriptNameEndsWhereASegmentEnds) {
  ASSERT_TRUE(start({"root_path", "/environ"})) << master.log();
  EXPECT_EQ(get("/environment").status, 500);
  EXPECT_EQ(get("/other").status, 500);
  EXPECT_THAT(master.log(), HasSubstr("SCRIPT_NAME"));
}

TEST_F(Wsgi, TakesTheScriptNameOffThePath) {
  ASSERT_TRUE(start({"root_path", "/mounted/"})) << master.log();
  const auto environ = get("/mounted/environ").body;
  EXPECT_THAT(environ, HasSubstr("\"SCRIPT_NAME\": \"/mounted\""));
  EXPECT_THAT(environ, HasSubstr("\"PATH_INFO\": \"/environ\""));
  Ask ask;
  ask.target = "/front/environ";
  ask.script_name = "/front";
  EXPECT_THAT(master.ask(ask).body, HasSubstr("\"SCRIPT_NAME\": \"/front\""));
}

TEST_F(Wsgi, ReadsABodyAsItArrivesAndAsksForMore) {
  start();
  Ask ask;
  ask.method = "POST";
  ask.target = "/echo";
  ask.body_follows = true;
  ask.announced = 600000;
  const auto slot = master.send(ask);
  const std::string block(100000, 'b');
  std::uint64_t sent = 0;
  while (sent < 600000) {
    ASSERT_TRUE(master.until([&] { return master.answer(slot).credit >= sent + block.size(); }))
        << master.answer(slot).credit;
    sent += block.size();
    master.body(slot, block, sent == 600000);
  }
  EXPECT_EQ(master.finish(slot).body, std::string(600000, 'b'));
}

TEST_F(Wsgi, ReadsALineThatCrossesPieces) {
  start();
  Ask ask;
  ask.method = "POST";
  ask.target = "/lines";
  ask.body_follows = true;
  const auto slot = master.send(ask);
  ASSERT_TRUE(master.until([&] { return master.answer(slot).credit > 0; }));
  for (const char* piece : {"one\ntw", "o\n", "thr", "ee", "\n\nlast"}) master.body(slot, piece, false);
  master.body(slot, "", true);
  EXPECT_EQ(master.finish(slot).body, "one\n|two\n|three\n|\n|last");
}

TEST_F(Wsgi, ABodyThatBreaksOffIsAnOSError) {
  start();
  Ask ask;
  ask.method = "POST";
  ask.target = "/aborted";
  ask.body_follows = true;
  const auto slot = master.send(ask);
  ASSERT_TRUE(master.until([&] { return master.answer(slot).credit > 0; }));
  master.body(slot, "part", false);
  master.body(slot, "", true, true);
  EXPECT_EQ(master.finish(slot).body, "ConnectionResetError");
}

TEST_F(Wsgi, AnInlineBodyAsksForNothing) {
  start();
  const auto answer = post("/echo", "the body");
  EXPECT_EQ(answer.body, "the body");
  EXPECT_EQ(answer.credit, 0u);
}

TEST_F(Wsgi, AFileCrossesAsItsDescriptor) {
  start();
  for (const char* buffering : {"8192", "0"}) {
    Ask ask;
    ask.target = "/file/9990";
    ask.fields = {{"X-Buffering", buffering}};
    const auto answer = master.ask(ask);
    EXPECT_EQ(answer.body, "0123456789");
    EXPECT_EQ(answer.field("content-length"), "10");
    EXPECT_EQ(answer.records, 2u);
  }
  EXPECT_EQ(get("/file/0").body.size(), 10000u);
}

TEST_F(Wsgi, AFileInMemoryIsRead) {
  start();
  EXPECT_EQ(get("/memory_file").body, "in memory");
}

TEST_F(Wsgi, SendsEarlyHints) {
  start();
  const auto answer = get("/hints");
  EXPECT_THAT(answer.interim, ElementsAre(103));
  EXPECT_EQ(answer.body, "hinted");
}

TEST_F(Wsgi, WhatTheApplicationKeptOfARequestIsCutOff) {
  start();
  EXPECT_EQ(get("/keep").body, "kept");
  EXPECT_EQ(get("/use_kept").body, "RuntimeError RuntimeError OSError RuntimeError True /keep");
}

TEST_F(Wsgi, StopsProducingWhenTheClientIsGone) {
  start();
  Ask ask;
  ask.target = "/gone";
  const auto slot = master.send(ask);
  ASSERT_TRUE(master.until([&] { return master.answer(slot).body.size() > 1000000; })) << master.log();
  master.cancel(slot);
  const auto answer = master.finish(slot);
  EXPECT_TRUE(answer.aborted);
  EXPECT_TRUE(master.until([&] { return master.log().find("closed") != std::string::npos; }));
  EXPECT_EQ(get("/pid").status, 200);
}

TEST_F(Wsgi, WaitsForCreditAndGoesOnWithIt) {
  ASSERT_TRUE(start({"reply_window", "100000"})) << master.log();
  master.auto_credit = false;
  Ask ask;
  ask.target = "/blocks/3/70000";
  const auto slot = master.send(ask);
  ASSERT_TRUE(master.until([&] { return master.answer(slot).body.size() == 100000; }));
  EXPECT_FALSE(master.answer(slot).ended);
  master.credit(slot, 50000);
  ASSERT_TRUE(master.until([&] { return master.answer(slot).body.size() == 150000; }));
  master.credit(slot, 1000000);
  EXPECT_EQ(master.finish(slot).body.size(), 210000u);
}

TEST_F(Wsgi, WritesErrorsByWholeLines) {
  start();
  EXPECT_EQ(get("/errors").status, 200);
  const std::string lines = "half a line and the rest \u2603 \\ud800\nunfinished";
  EXPECT_TRUE(master.until([&] { return master.log().find(lines) != std::string::npos; })) << master.log();
}

TEST_F(Wsgi, SeveralThreadsServeAtOnce) {
  ASSERT_TRUE(start({"threads", "3"})) << master.log();
  ASSERT_EQ(master.ready()->concurrency, 3u);
  Ask ask;
  ask.target = "/together";
  std::vector<std::uint32_t> slots;
  for (int i = 0; i < 3; ++i) slots.push_back(master.send(ask));
  for (const auto slot : slots) EXPECT_THAT(master.finish(slot).body, HasSubstr("prefork-")) << master.log();
  EXPECT_THAT(get("/environ").body, HasSubstr("\"wsgi.multithread\": true"));
}

TEST_F(Wsgi, ManyThreadsAnswerEachRequestWithItsOwn) {
  ASSERT_TRUE(start({"threads", "4"})) << master.log();
  std::vector<std::uint32_t> slots;
  for (int round = 0; round < 20; ++round) {
    slots.clear();
    for (int i = 0; i < 50; ++i) {
      Ask ask;
      ask.method = "POST";
      ask.target = "/echo";
      ask.body = "body " + std::to_string(round * 50 + i) + std::string(static_cast<std::size_t>(i) * 37, 'x');
      slots.push_back(master.send(ask));
    }
    for (int i = 0; i < 50; ++i) {
      EXPECT_EQ(master.finish(slots[i]).body,
                "body " + std::to_string(round * 50 + i) + std::string(static_cast<std::size_t>(i) * 37, 'x'));
    }
  }
}

}  // namespace
}  // namespace prefork::test
