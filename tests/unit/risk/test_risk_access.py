"""Every method of RiskService for a trader with one account, and for who acts for the firm."""

from __future__ import annotations

from typing import Any

import pytest

from ordermesh.risk.v1 import risk_parameters_pb2, risk_service_pb2, trading_state_admin_pb2
from services.kernel.errors import CodedError
from services.mesh.access.accounts import AccountAccess
from services.risk.pipeline.ports import Standing
from services.risk.servicer.access import KnownEnvironments, account_interceptor
from tests.fakes.access import LIVE, SIMULATION, FakeEnvironments, Reached, caller, refusal

SERVICE = "ordermesh.risk.v1.RiskService"
ENVIRONMENTS = FakeEnvironments({"demo": SIMULATION, "other": SIMULATION, "real": LIVE})
TRADER, RISK_MANAGER = caller("trader", accounts=("demo",)), caller("risk_manager")


def update(account_id: str = "") -> risk_service_pb2.UpdateRiskParametersRequest:
    """Returns a change of parameters."""
    parameters = risk_parameters_pb2.RiskParameters(account_id=account_id)
    return risk_service_pb2.UpdateRiskParametersRequest(parameters=parameters)


BY_ACCOUNT: dict[str, Any] = {
    "GetRiskParameters": risk_service_pb2.GetRiskParametersRequest,
    "UpdateRiskParameters": update,
    "GetCircuitBreaker": risk_service_pb2.GetCircuitBreakerRequest,
    "ResetCircuitBreaker": risk_service_pb2.ResetCircuitBreakerRequest,
    "EmergencyStop": trading_state_admin_pb2.EmergencyStopRequest,
    "Resume": trading_state_admin_pb2.ResumeRequest,
    "GetTradingState": trading_state_admin_pb2.GetTradingStateRequest,
    "GetRiskMetrics": risk_service_pb2.GetRiskMetricsRequest,
    "ListAlerts": risk_service_pb2.ListAlertsRequest,
    "StreamAlerts": risk_service_pb2.StreamAlertsRequest,
}
TOLD_OF_THE_FIRM = {"GetRiskParameters", "GetTradingState"}
CHANGED_FOR_THE_FIRM = {"UpdateRiskParameters", "EmergencyStop", "Resume"}


@pytest.fixture
def reached() -> Reached:
    """The service behind its interceptor."""
    return Reached(SERVICE, account_interceptor(AccountAccess(ENVIRONMENTS)))


def test_every_method_is_tried_here(reached: Reached) -> None:
    """A method that is new in the contract must say which account its caller must reach."""
    reached.wrap_all()
    assert BY_ACCOUNT.keys() == set(reached.methods)


@pytest.mark.parametrize("name", BY_ACCOUNT)
async def test_calls_that_name_an_account(reached: Reached, name: str) -> None:
    """A trader reaches their own, a risk manager all of their world."""
    await reached.call(name, BY_ACCOUNT[name](account_id="demo"), TRADER)
    for who, account_id in ((TRADER, "other"), (TRADER, "unheard"), (RISK_MANAGER, "real"), (RISK_MANAGER, "unheard")):
        call = reached.call(name, BY_ACCOUNT[name](account_id=account_id), who)
        assert await refusal(call) == "PERMISSION_DENIED", account_id
    await reached.call(name, BY_ACCOUNT[name](account_id="other"), RISK_MANAGER)
    assert len(reached.served) == 2


@pytest.mark.parametrize("name", BY_ACCOUNT)
async def test_calls_about_the_firm(reached: Reached, name: str) -> None:
    """What holds for it is told to everybody, and changed by who acts for it; alerts of all accounts nobody hears."""
    allowed = {
        "trader": name in TOLD_OF_THE_FIRM,
        "risk_manager": name in TOLD_OF_THE_FIRM | CHANGED_FOR_THE_FIRM,
    }
    for who, role in ((TRADER, "trader"), (RISK_MANAGER, "risk_manager")):
        told = await refusal(reached.call(name, BY_ACCOUNT[name](), who))
        assert told == ("" if allowed[role] else "PERMISSION_DENIED"), role


async def test_environments_that_are_known_are_not_asked_for() -> None:
    """So that a stop does not wait for PortfolioService; others are asked for, and what is not there again."""
    known, asked, standing = {"demo": SIMULATION}, list[str](), Standing.UNKNOWN

    async def find(account_id: str) -> Standing:
        asked.append(account_id)
        if standing is Standing.KNOWN:
            known[account_id] = LIVE
        return standing

    environments = KnownEnvironments(known, find)
    assert (await environments.of("demo"), asked) == (SIMULATION, [])
    assert await environments.of("real") is None
    standing = Standing.UNREACHABLE
    with pytest.raises(CodedError, match="SERVICE_UNAVAILABLE"):
        await environments.of("real")
    standing = Standing.KNOWN
    assert [await environments.of("real") for _ in range(2)] == [LIVE, LIVE]
    assert asked == ["real"] * 3
