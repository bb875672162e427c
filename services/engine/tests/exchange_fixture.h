// An exchange with one instrument and two participants.
#pragma once

#include <gtest/gtest.h>

#include "transactions.h"

namespace ordermesh::engine::test {

class ExchangeTest : public ::testing::Test {
 protected:
  ExchangeTest() {
    exchange.apply(define(1), 10);
    alice = exchange.apply(RegisterParticipant{"alice"}, 11).count;
    bob = exchange.apply(RegisterParticipant{"bob"}, 12).count;
  }

  Result send(ParticipantIndex who, const Command& command) {
    return exchange.apply(ParticipantCommand{who, command}, 100);
  }
  const Execution& last(ParticipantIndex who) {
    const auto& executions = exchange.participant(who).executions;
    return executions[executions.last()];
  }
  std::uint64_t count(ParticipantIndex who) { return exchange.participant(who).executions.last(); }

  Exchange exchange{Exchange::Settings{}};
  ParticipantIndex alice = 0;
  ParticipantIndex bob = 0;
};

}  // namespace ordermesh::engine::test
