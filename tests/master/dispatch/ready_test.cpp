// The first record of a worker: who it is, and whether it speaks the same language.
#include "tests/master/dispatch/dispatcher_fixture.hpp"

namespace prefork::dispatch {
namespace {

class ReadyTest : public fake::DispatcherTest {
 protected:
  std::string refusal(const wire::ReadyRecord& record) {
    fake::Worker& one = workers.emplace_back(dispatcher);
    EXPECT_TRUE(one.send(wire::Kind::Ready, 0, 0, 0, {reinterpret_cast<const char*>(&record), sizeof record}));
    turn();
    return one.link().bad() == nullptr ? "" : one.link().bad();
  }
};

TEST_F(ReadyTest, AWorkerOfAnotherVersionIsRefusedClearly) {
  EXPECT_EQ(refusal({wire::kWireVersion, 1, wire::Interface::Wsgi, 1}), "");
  EXPECT_NE(refusal({wire::kWireVersion + 1, 1, wire::Interface::Wsgi, 1}).find("another version"), std::string::npos);
  EXPECT_EQ(keeper.ready, 1);
}

TEST_F(ReadyTest, ARecordThatMakesNoSenseIsRefused) {
  EXPECT_NE(refusal({wire::kWireVersion, 1, wire::Interface::Wsgi, 0}), "") << "no request at a time";
  EXPECT_NE(refusal({wire::kWireVersion, 1, static_cast<wire::Interface>(99), 1}), "");
}

TEST_F(ReadyTest, ASecondOneIsRefused) {
  fake::Worker& one = worker();
  one.ready();
  turn();
  EXPECT_NE(one.link().bad(), nullptr);
}

}  // namespace
}  // namespace prefork::dispatch
