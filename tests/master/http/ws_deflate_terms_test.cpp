#include "master/http/ws_deflate_terms.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace prefork::http {
namespace {

// The answer to these lines, or "declined".
std::string answer(std::vector<std::string_view> lines, WsDeflateWishes wishes = {15, 15, false, false}) {
  const auto terms = agree_ws_deflate(lines, wishes);
  return terms ? ws_deflate_value(*terms) : "declined";
}

TEST(WsDeflateTerms, AnswersAPlainOffer) { EXPECT_EQ(answer({"permessage-deflate"}), "permessage-deflate"); }

TEST(WsDeflateTerms, MeetsWhatTheClientAsks) {
  EXPECT_EQ(answer({"permessage-deflate; server_no_context_takeover"}),
            "permessage-deflate; server_no_context_takeover");
  EXPECT_EQ(answer({"permessage-deflate; client_no_context_takeover"}),
            "permessage-deflate; client_no_context_takeover");
  EXPECT_EQ(answer({"permessage-deflate; server_max_window_bits=10"}), "permessage-deflate; server_max_window_bits=10");
  EXPECT_EQ(answer({"permessage-deflate; client_max_window_bits=10"}), "permessage-deflate; client_max_window_bits=10");
  EXPECT_EQ(answer({"permessage-deflate;server_max_window_bits=\"9\" ; client_max_window_bits = \"\\8\""}),
            "permessage-deflate; server_max_window_bits=9; client_max_window_bits=8");
}

TEST(WsDeflateTerms, WishesOnlyLowerWhatIsOffered) {
  const WsDeflateWishes small{10, 11, true, true};
  EXPECT_EQ(answer({"permessage-deflate; server_max_window_bits=12; client_max_window_bits=15"}, small),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; "
            "client_max_window_bits=11");
  EXPECT_EQ(answer({"permessage-deflate; server_max_window_bits=9; client_max_window_bits=9"}, small),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9; "
            "client_max_window_bits=9");
  EXPECT_EQ(answer({"permessage-deflate; client_max_window_bits"}, {15, 12, false, false}),
            "permessage-deflate; client_max_window_bits=12");
  EXPECT_EQ(answer({"permessage-deflate; client_max_window_bits"}), "permessage-deflate");
}

// A client that does not offer client_max_window_bits may use 15 whatever is wished for, and must not be sent the parameter.
TEST(WsDeflateTerms, ReadsWithTheFullWindowWhenTheClientCannotLowerIt) {
  const std::vector<std::string_view> lines{"permessage-deflate"};
  const auto terms = agree_ws_deflate(lines, {10, 10, false, false});
  ASSERT_TRUE(terms);
  EXPECT_EQ(terms->client_window_bits, 15);
  EXPECT_EQ(terms->server_window_bits, 10);
  EXPECT_EQ(ws_deflate_value(*terms), "permessage-deflate");
}

TEST(WsDeflateTerms, DeclinesWrongParameters) {
  for (const auto* parameter :
       {"unknown", "server_no_context_takeover=1", "client_no_context_takeover=1", "server_max_window_bits",
        "server_max_window_bits=7", "server_max_window_bits=16", "server_max_window_bits=010",
        "server_max_window_bits=08", "server_max_window_bits=1x", "client_max_window_bits=16",
        "client_max_window_bits=0", "client_max_window_bits=\"\"",
        "server_no_context_takeover; server_no_context_takeover", "client_max_window_bits; client_max_window_bits=10",
        "Server_no_context_takeover", "=10", "server_max_window_bits=", "server_max_window_bits=\"10", ""}) {
    const auto offer = std::string("permessage-deflate; ") + parameter;
    EXPECT_EQ(answer({offer}), "declined") << parameter;
  }
}

TEST(WsDeflateTerms, TakesTheFirstOfferThatCanBeMet) {
  EXPECT_EQ(answer({"permessage-deflate; server_max_window_bits=99, x-other; a=b, permessage-deflate; "
                    "server_max_window_bits=11, "
                    "permessage-deflate"}),
            "permessage-deflate; server_max_window_bits=11");
  EXPECT_EQ(answer({"x-webkit-deflate-frame", "", ", ,permessage-deflate"}), "permessage-deflate");
  EXPECT_EQ(answer({"x-webkit-deflate-frame"}), "declined");
  EXPECT_EQ(answer({}), "declined");
}

TEST(WsDeflateTerms, ReadsNothingBehindASyntaxError) {
  EXPECT_EQ(answer({"@@@, permessage-deflate"}), "declined");
  EXPECT_EQ(answer({"permessage-deflate extra"}), "declined");
  EXPECT_EQ(answer({"@@@", "permessage-deflate"}), "permessage-deflate");
}

}  // namespace
}  // namespace prefork::http
