"""What stands before the checks of RiskService, for tests of the checks alone."""

from __future__ import annotations

from services.risk.domain.breach import Breach
from services.risk.domain.exposure import Account
from services.risk.domain.limits import Limits
from services.risk.domain.values import Proposal
from services.risk.pipeline.decision import Decision


class OpenGate:
    """No breaker stands before the checks."""

    def blocks(self, account: Account, limits: Limits, now_ns: int) -> Breach | None:
        return None

    def refused(self, proposal: Proposal, decision: Decision, limits: Limits, now_ns: int) -> None:
        pass
