"""What is decided on an order, why it may not go on, and what may stand before the checks."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from services.risk.domain.breach import Breach, Rule
from services.risk.domain.exposure import Account
from services.risk.domain.limits import Limits
from services.risk.domain.values import Proposal

UNKNOWN_ACCOUNT = "UNKNOWN_ACCOUNT"
UNKNOWN_INSTRUMENT = "UNKNOWN_INSTRUMENT"
UNAVAILABLE = "RISK_UNAVAILABLE"
LIMIT_EXCEEDED = "RISK_LIMIT_EXCEEDED"
BREAKER_OPEN = "CIRCUIT_BREAKER_OPEN"
NO_REFERENCE_PRICE = "NO_REFERENCE_PRICE"
TRADING_HALTED = "TRADING_HALTED"
TRADING_REDUCING = "TRADING_REDUCING"
REDUCE_ONLY = "REDUCE_ONLY"
_REASON = {
    Rule.CIRCUIT_BREAKER: BREAKER_OPEN,
    Rule.REFERENCE_PRICE: NO_REFERENCE_PRICE,
    Rule.TRADING_HALTED: TRADING_HALTED,
    Rule.TRADING_REDUCING: TRADING_REDUCING,
    Rule.REDUCE_ONLY: REDUCE_ONLY,
}


class Decision(NamedTuple):
    """Whether an order may go on.

    Attributes:
        reason: Name out of the contract's `ErrorReason`; empty when it may.
    """

    reason: str = ""
    breach: Breach | None = None
    text: str = ""


ACCEPTED = Decision()


def refusal(breach: Breach) -> Decision:
    """Returns the decision on an order that breaks a rule."""
    return Decision(_REASON.get(breach.rule, LIMIT_EXCEEDED), breach, breach.text)


class Gate(Protocol):
    """What stands before the checks, and is told of refusals: the circuit breakers."""

    def blocks(self, account: Account, limits: Limits, now_ns: int) -> Breach | None:
        """Returns why the account may not trade at all; None when it may."""
        ...

    def refused(self, proposal: Proposal, decision: Decision, limits: Limits, now_ns: int) -> None:
        """Takes note of a refusal."""
        ...
