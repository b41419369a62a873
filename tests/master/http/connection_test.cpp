#include "master/http/connection.hpp"

#include "tests/master/http/connection_fixture.hpp"

namespace prefork::http {
namespace {

TEST_F(ConnectionTest, PipelinedSafeRequestsRunTogetherAndAreAnsweredInOrder) {
  send(get("/1") + get("/2") + get("/3"));
  ASSERT_TRUE(until_started(3));
  EXPECT_EQ(fake::paths(started), (Paths{"/1", "/2", "/3"}));
  ASSERT_TRUE(answer(2, "third"));
  ASSERT_TRUE(answer(1, "second"));
  settle();
  EXPECT_EQ(received, "") << "the first comes first";
  ASSERT_TRUE(answer(0, "first"));
  ASSERT_TRUE(until_received("third"));
  EXPECT_TRUE(in_order({"first", "second", "third"}));
  EXPECT_EQ(answers(), 3U);
  EXPECT_FALSE(ended);
}

TEST_F(ConnectionTest, AnUnsafeRequestWaitsForThoseBeforeItAndHoldsThoseBehindIt) {
  send(get("/1") + post("/2", "body") + get("/3"));
  ASSERT_TRUE(until_started(1));
  settle();
  ASSERT_EQ(fake::paths(started), Paths{"/1"});
  ASSERT_TRUE(answer(0, "first"));
  ASSERT_TRUE(until_started(2));
  settle();
  ASSERT_EQ(fake::paths(started), (Paths{"/1", "/2"}));
  ASSERT_TRUE(answer(1, "second"));
  ASSERT_TRUE(until_started(3));
  ASSERT_TRUE(answer(2, "third"));
  ASSERT_TRUE(until_received("third"));
  EXPECT_TRUE(in_order({"first", "second", "third"}));
}

TEST_F(ConnectionTest, LookAheadIsBounded) {
  std::string many;
  for (int i = 0; i < 40; ++i) many += post("/" + std::to_string(i), "x");
  send(many);
  for (std::size_t i = 0; i < 40; ++i) {
    ASSERT_TRUE(until_started(i + 1)) << i;
    EXPECT_EQ(started.back().path(), "/" + std::to_string(i));
    ASSERT_TRUE(answer(i, "answer " + std::to_string(i) + "."));
  }
  ASSERT_TRUE(until_received("answer 39."));
  EXPECT_EQ(answers(), 40U);
}

TEST_F(ConnectionTest, AHalfClosedClientIsAnswered) {
  send(get("/1") + get("/2"));
  ::shutdown(client.get(), SHUT_WR);
  ASSERT_TRUE(until_started(2));
  ASSERT_TRUE(answer(0, "first"));
  ASSERT_TRUE(answer(1, "second"));
  ASSERT_TRUE(until_closed());
  EXPECT_TRUE(in_order({"first", "second"}));
  EXPECT_FALSE(reset);
}

TEST_F(ConnectionTest, AClientThatEndsItsSideInsideABodyThatIsAnsweredAlreadyIsLetGo) {
  site.buffers.collect = false;
  send("POST / HTTP/1.1\r\nHost: example\r\nContent-Length: 1000\r\n\r\nbegin");
  ASSERT_TRUE(until_started(1));
  ASSERT_TRUE(answer(0, "early"));
  ASSERT_TRUE(until_received("early"));
  ::shutdown(client.get(), SHUT_WR);
  ASSERT_TRUE(until_closed());
  EXPECT_FALSE(reset);
  ASSERT_TRUE(until([&] { return site.connections() == 0; }));
}

TEST_F(ConnectionTest, ABodyThatNobodyReadsDoesNotStandInTheWayOfTheNextRequest) {
  site.buffers.collect = false;
  site.buffers.request_memory = 64 * 1024;
  const std::string all = post("/1", std::string(300'000, 'x')) + get("/2");
  std::size_t sent = 0;
  const auto send_more = [&] {
    const auto took = ::send(client.get(), all.data() + sent, all.size() - sent, MSG_NOSIGNAL);
    if (took > 0) sent += static_cast<std::size_t>(took);
    return sent == all.size();
  };
  int refused = 0;
  ASSERT_TRUE(until([&] {
    const auto before = sent;
    (void)send_more();
    refused = sent == before ? refused + 1 : 0;
    return started.size() == 1 && refused > 50;
  }));
  ASSERT_TRUE(answer(0, "early"));
  ASSERT_TRUE(until([&] { return send_more() && started.size() == 2; })) << sent;
  ASSERT_TRUE(answer(1, "second"));
  ASSERT_TRUE(until_received("second"));
}

TEST_F(ConnectionTest, AClientThatIsGoneCancelsWhatRuns) {
  send(get("/1"));
  ASSERT_TRUE(until_started(1));
  ASSERT_TRUE(worker.reply(started[0], 200, std::string(100, 'x'), 0));
  settle();
  client.reset();
  // A failed write says it.
  ASSERT_TRUE(worker.body(started[0], "more"));
  ended = true;
  ASSERT_TRUE(until([&] { return cancelled(); }));
  ASSERT_TRUE(until([&] { return site.connections() == 0; }));
}

TEST_F(ConnectionTest, AnErrorAnswerReachesAClientThatStillSends) {
  site.limits.body = 1000;
  connect();
  send("POST / HTTP/1.1\r\nHost: example\r\nContent-Length: 3000000\r\n\r\n");
  std::size_t sent = 0;
  const std::string piece(50'000, 'x');
  ASSERT_TRUE(until([&] {
    const auto took = ::send(client.get(), piece.data(), piece.size(), MSG_NOSIGNAL);
    if (took > 0) sent += static_cast<std::size_t>(took);
    return sent >= 3'000'000;
  })) << sent;
  ASSERT_TRUE(until_closed());
  EXPECT_FALSE(reset);
  EXPECT_TRUE(received.starts_with("HTTP/1.1 413 ")) << received;
  EXPECT_TRUE(started.empty());
}

TEST_F(ConnectionTest, ContinueIsSaidInItsTurn) {
  send(get("/1") + "POST /2 HTTP/1.1\r\nHost: example\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  ASSERT_TRUE(until_started(1));
  settle();
  EXPECT_EQ(received, "") << "the first answer comes first";
  ASSERT_TRUE(answer(0, "first"));
  ASSERT_TRUE(until_received("HTTP/1.1 100 Continue\r\n\r\n"));
  EXPECT_TRUE(in_order({"first", "100 Continue"}));
  send("body");
  ASSERT_TRUE(until_started(2));
  ASSERT_TRUE(answer(1, "second"));
  ASSERT_TRUE(until_received("second"));
}

TEST_F(ConnectionTest, ContinueIsNotSaidToAClientThatDidNotWait) {
  send(post("/", "body", "Expect: 100-continue\r\n"));
  ASSERT_TRUE(until_started(1));
  ASSERT_TRUE(answer(0, "done"));
  ASSERT_TRUE(until_received("done"));
  EXPECT_EQ(received.find("HTTP/1.1 200"), received.rfind("HTTP/1.1 "));
}

TEST_F(ConnectionTest, ConnectionIsKeptAsTheClientAsksAndItsVersionSays) {
  struct Case {
    const char* request;
    bool kept;
  };
  for (const auto& [request, kept] :
       {Case{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true},
        Case{"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false}, Case{"GET / HTTP/1.0\r\n\r\n", false},
        Case{"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true}}) {
    connect();
    started.clear();
    received.clear();
    ended = false;
    send(request);
    ASSERT_TRUE(until_started(1));
    ASSERT_TRUE(answer(0, "done"));
    ASSERT_TRUE(until_received("done"));
    if (!kept) {
      EXPECT_TRUE(until_closed()) << request;
      EXPECT_NE(received.find("Connection: close"), std::string::npos) << request;
      continue;
    }
    send(request);
    EXPECT_TRUE(until_started(2)) << request;
    EXPECT_FALSE(ended) << request;
  }
}

TEST_F(ConnectionTest, NothingBehindTheLastRequestIsReadAsOne) {
  send(get("/1", "Connection: close\r\n") + get("/2"));
  ASSERT_TRUE(until_started(1));
  ASSERT_TRUE(answer(0, "first"));
  ASSERT_TRUE(until_closed());
  EXPECT_EQ(started.size(), 1U);
  EXPECT_EQ(answers(), 1U);
}

TEST_F(ConnectionTest, NothingBehindARefusedMessageIsReadAsARequest) {
  send(get("/1") + get("/2", "Bad Name: 1\r\n") + get("/3"));
  ASSERT_TRUE(until_started(1));
  ASSERT_TRUE(answer(0, "first"));
  ASSERT_TRUE(until_closed());
  EXPECT_EQ(fake::paths(started), Paths{"/1"});
  EXPECT_TRUE(in_order({"first", "HTTP/1.1 400 "}));
}

TEST_F(ConnectionTest, ABrokenOffChunkedReplyHasNoLastChunk) {
  send(get("/"));
  ASSERT_TRUE(until_started(1));
  ASSERT_TRUE(worker.reply(started[0], 200, "some", 0));
  ASSERT_TRUE(worker.body(started[0], "more", wire::kEnd | wire::kAbort));
  ASSERT_TRUE(until_closed());
  EXPECT_NE(received.find("chunked"), std::string::npos) << received;
  EXPECT_EQ(received.find("\r\n0\r\n"), std::string::npos) << received;
}

TEST_F(ConnectionTest, AReplyThatIsBrokenOffTakesNoByteFromThoseBeforeIt) {
  send(get("/1") + get("/2"));
  ASSERT_TRUE(until_started(2));
  const std::string large(15'000, 'x');
  ASSERT_TRUE(worker.reply(started[0], 200, "", 0, std::to_string(40 * large.size())));
  std::size_t sent = 0;
  for (int turns = 0; sent < 40 && turns < 10'000; ++turns) {  // the client reads nothing of it yet
    if (worker.body(started[0], large, sent == 39 ? wire::kEnd : 0)) ++sent;
    turn();
  }
  ASSERT_EQ(sent, 40U);
  ASSERT_TRUE(worker.reply(started[1], 200, "begun", 0));
  ASSERT_TRUE(worker.body(started[1], "", wire::kEnd | wire::kAbort));
  for (int turns = 0; turns < 20; ++turns) turn();
  ASSERT_TRUE(until_closed());
  EXPECT_FALSE(reset);
  EXPECT_NE(received.find(large + "HTTP/1.1 200"), std::string::npos) << received.size();
  EXPECT_GT(received.size(), 40 * large.size());
  EXPECT_TRUE(received.ends_with("5\r\nbegun\r\n")) << received.substr(received.size() - 100);
}

TEST_F(ConnectionTest, WhatWasSentOfABrokenOffReplyReachesAClientOfHttp10) {
  connect_tcp();
  send("GET / HTTP/1.0\r\n\r\n");
  ASSERT_TRUE(until_started(1));
  ASSERT_TRUE(worker.reply(started[0], 200, "begun", 0));
  ASSERT_TRUE(worker.body(started[0], "", wire::kEnd | wire::kAbort));
  ASSERT_TRUE(until_closed());
  EXPECT_FALSE(reset);
  EXPECT_TRUE(received.ends_with("begun")) << received;
}

TEST_F(ConnectionTest, AReplyShorterThanItsLengthEndsTheConnection) {
  send(get("/1") + get("/2"));
  ASSERT_TRUE(until_started(2));
  ASSERT_TRUE(answer(1, "second"));
  ASSERT_TRUE(worker.reply(started[0], 200, "ten?", wire::kEnd, "10"));
  ASSERT_TRUE(until_closed());
  EXPECT_NE(received.find("Content-Length: 10"), std::string::npos);
  EXPECT_TRUE(received.ends_with("ten?")) << "nothing may stand where its rest was due: " << received;
}

TEST_F(ConnectionTest, AReplyLongerThanItsLengthIsCutThere) {
  send(get("/1") + get("/2"));
  ASSERT_TRUE(until_started(2));
  ASSERT_TRUE(worker.reply(started[0], 200, "four and more", wire::kEnd, "4"));
  ASSERT_TRUE(answer(1, "second"));
  ASSERT_TRUE(until_received("second"));
  EXPECT_TRUE(in_order({"\r\n\r\nfourHTTP/1.1 200"})) << received;
}

TEST_F(ConnectionTest, AWorkersDeathInsideAReplyBreaksItOff) {
  send(get("/"));
  ASSERT_TRUE(until_started(1));
  ASSERT_TRUE(worker.reply(started[0], 200, "some", 0));
  ASSERT_TRUE(until_received("some"));
  dispatcher.bury(worker.link(), true, [](const Exchange&, bool) {});
  ASSERT_TRUE(until([&] { return ended; }));
  EXPECT_EQ(received.find("\r\n0\r\n"), std::string::npos) << received;
  EXPECT_EQ(answers(), 1U);
}

TEST_F(ConnectionTest, AWorkersDeathBeforeAReplyIs502AndKeepsTheConnection) {
  send(get("/1"));
  ASSERT_TRUE(until_started(1));
  dispatcher.bury(worker.link(), true, [](const Exchange&, bool) {});
  fake::Worker& other = second.emplace(dispatcher);
  other.ready();
  ASSERT_TRUE(until_received("HTTP/1.1 502 "));
  EXPECT_FALSE(ended);
  send(get("/2"));
  ASSERT_TRUE(until([&] { return !other.start().empty(); }));
}

TEST_F(ConnectionTest, ARequestInPiecesIsOneRequest) {
  for (const char c : post("/piece", "body")) {
    send({&c, 1});
    turn();
  }
  ASSERT_TRUE(until_started(1));
  EXPECT_EQ(started[0].path(), "/piece");
  wire::RequestView view(wire::as_bytes(started[0].bytes));
  ASSERT_EQ(view.validate(), nullptr);
  EXPECT_EQ(wire::as_text(view.body()), "body");
}

TEST_F(ConnectionTest, ACutRequestIsNotPassedOn) {
  send("POST / HTTP/1.1\r\nHost: example\r\nContent-Length: 10\r\n\r\nhalf");
  ::shutdown(client.get(), SHUT_WR);
  ASSERT_TRUE(until_closed());
  EXPECT_TRUE(started.empty());
  EXPECT_EQ(received, "");
}

TEST_F(ConnectionTest, ASlowReaderStopsTheWorkersCreditAndGetsEveryByte) {
  site.buffers.reply_memory = 64 * 1024;
  site.buffers.reply_spool = 0;
  connect();
  send(get("/large"));
  ASSERT_TRUE(until_started(1));
  constexpr std::size_t kPieces = 400;
  constexpr std::size_t kPiece = 8'000;
  ASSERT_TRUE(worker.reply(started[0], 200, "", 0, std::to_string(kPieces * kPiece)));
  std::uint64_t window = 64 * 1024;
  std::uint64_t sent = 0;
  std::size_t credits = 0;
  std::string text;
  ASSERT_TRUE(until([&] {
    for (; credits < told.size(); ++credits) {
      wire::CreditRecord record;
      if (told[credits].kind == wire::Kind::Credit && wire::read_record(wire::as_bytes(told[credits].bytes), record))
        window += record.bytes;
    }
    while (sent < kPieces * kPiece && sent + kPiece <= window) {
      std::string piece(kPiece, static_cast<char>('a' + (sent / kPiece) % 26));
      if (!worker.body(started[0], piece, sent + kPiece == kPieces * kPiece ? wire::kEnd : 0)) break;
      text += piece;
      sent += kPiece;
    }
    return sent == kPieces * kPiece;
  }));
  ASSERT_TRUE(
      until([&] { return received.size() > text.size() && received.ends_with(text.substr(text.size() - 100)); }));
  EXPECT_TRUE(received.ends_with(text));
  EXPECT_GT(credits, 0U);
}

TEST_F(ConnectionTest, AReplyThatWaitedItsTurnGetsCreditForWhatItsWindowHeld) {
  site.buffers.reply_memory = 32 * 1024;
  send(get("/1") + get("/2"));
  ASSERT_TRUE(until_started(2));
  ASSERT_TRUE(worker.reply(started[1], 200, "", 0));
  ASSERT_TRUE(worker.body(started[1], std::string(16 * 1024, 'x')));
  ASSERT_TRUE(worker.body(started[1], std::string(16 * 1024, 'x')));
  settle();
  EXPECT_TRUE(told.empty());
  ASSERT_TRUE(answer(0, "first"));
  EXPECT_TRUE(until([&] {
    return std::any_of(told.begin(), told.end(), [&](const Record& record) {
      return record.kind == wire::Kind::Credit && record.slot == started[1].slot;
    });
  }));
}

TEST_F(ConnectionTest, AReplyThatIsNotHttpLeavesNothingForTheNextRequest) {
  send(get("/bad"));
  ASSERT_TRUE(until_started(1));
  ASSERT_TRUE(worker.reply(started[0], 200, "x", wire::kEnd, "not a number"));
  ASSERT_TRUE(until_received("HTTP/1.1 500 "));
  send(get("/next"));
  ASSERT_TRUE(until_started(2));
  ASSERT_TRUE(answer(1, "still fine"));
  ASSERT_TRUE(until_received("still fine"));
  EXPECT_EQ(answers(), 2u) << received;
}

TEST_F(ConnectionTest, AHeadThatTakesTooLongIs408) {
  site.timing.header_ms = 1;
  connect();
  send("GET / HT");
  ASSERT_TRUE(until_closed());
  EXPECT_TRUE(received.starts_with("HTTP/1.1 408 ")) << received;
}

TEST_F(ConnectionTest, AnIdleConnectionEndsWithoutAWord) {
  site.timing.header_ms = site.timing.keepalive_ms = 1;
  connect();
  ASSERT_TRUE(until_closed());
  EXPECT_EQ(received, "");
}

TEST_F(ConnectionTest, DrainingEndsAnIdleConnectionAndAnswersABusyOne) {
  send(get("/1"));
  ASSERT_TRUE(until_started(1));
  site.draining = true;
  site.for_each([](Connection& connection) { connection.drain(); });
  ASSERT_TRUE(answer(0, "last"));
  ASSERT_TRUE(until_closed());
  EXPECT_TRUE(in_order({"Connection: close", "last"})) << received;
}

}  // namespace
}  // namespace prefork::http
