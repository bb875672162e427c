"""Whose accounts a caller reaches."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordermesh.portfolio.v1 import account_admin_pb2, account_pb2, portfolio_service_pb2_grpc
from services.kernel.errors import CodedError, ErrorKind, not_found
from services.mesh.access.accounts import AccountAccess
from services.mesh.access.environments import PortfolioEnvironments
from services.mesh.context import enter_call
from tests.fakes.access import LIVE, SIMULATION, FakeEnvironments, call_of, caller, service_caller
from tests.fixtures.serving import serving

ENVIRONMENTS = FakeEnvironments({"demo": SIMULATION, "other": SIMULATION, "real": LIVE})
ACCESS = AccountAccess(ENVIRONMENTS)
ROLES = ("trader", "dealer", "risk_manager", "compliance", "admin")


@given(
    held=st.sets(st.sampled_from(ROLES), min_size=1),
    counted=st.sets(st.sampled_from(ROLES)),
    named=st.sets(st.sampled_from(("demo", "other", "real", "unheard"))),
    environment=st.sampled_from((SIMULATION, LIVE)),
    account=st.sampled_from(("demo", "other", "real", "unheard", "")),
)
async def test_accounts_of_ones_own_or_of_ones_world(
    held: set[str], counted: set[str], named: set[str], environment: int, account: str
) -> None:
    """As told in words: there is the account, in the caller's world, and it is named, or a role is for everybody's."""
    counted &= held
    who = caller(*held, accounts=tuple(named), environment=environment)
    call = call_of(who)
    call.roles = call_of(caller(*counted)).roles
    enter_call(call)
    in_world = {"demo": SIMULATION, "other": SIMULATION, "real": LIVE}.get(account) == environment
    expected = in_world and (account in named or bool(counted & {"risk_manager", "compliance", "admin"}))
    assert await ACCESS.reaches(account) == expected


async def test_a_role_that_does_not_count_here_gives_nothing() -> None:
    """A trader who is compliance, too, reads everybody's orders and places none for them."""
    both = caller("trader", "compliance", accounts=("demo",))
    enter_call(call_of(both, "trader"))
    assert [await ACCESS.reaches(account) for account in ("demo", "other")] == [True, False]
    enter_call(call_of(both))
    assert [await ACCESS.reaches(account) for account in ("demo", "other", "real")] == [True, True, False]


async def test_services_reach_all_accounts_and_nobody_none() -> None:
    """Whom nobody has looked at is refused, as is who calls from nowhere."""
    enter_call(call_of(service_caller("risk")))
    await ACCESS.require("demo", "real", "")
    for call in (call_of(None), None):
        enter_call(call)
        assert not await ACCESS.reaches("demo")


async def test_there_is_no_telling_which_accounts_there_are() -> None:
    """Of somebody else, of the other world or of nobody: the same words. All at once nobody reaches."""
    enter_call(call_of(caller("trader", accounts=("demo", "real", "unheard"))))
    for account in ("other", "real", "unheard"):
        with pytest.raises(CodedError, match=f"the account {account} is not one that the caller reaches") as failure:
            await ACCESS.require("demo", account)
        assert (failure.value.kind, failure.value.reason) == (ErrorKind.PERMISSION, "PERMISSION_DENIED")
    enter_call(call_of(caller("admin")))
    with pytest.raises(CodedError, match="name an account"):
        await ACCESS.require("")


async def test_without_an_answer_nobody_is_let_in() -> None:
    """Whether it would be allowed cannot be told: the call may be sent again."""
    away = FakeEnvironments({"demo": SIMULATION})
    away.away = True
    enter_call(call_of(caller("trader", accounts=("demo",))))
    with pytest.raises(CodedError) as failure:
        await AccountAccess(away).require("demo")
    assert failure.value.kind is ErrorKind.UNAVAILABLE


class Accounts(portfolio_service_pb2_grpc.PortfolioServiceServicer):
    """Knows one account."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def GetAccount(self, request: Any, context: Any) -> account_admin_pb2.GetAccountResponse:  # noqa: N802 - the contract's name
        self.asked.append(request.account_id)
        if request.account_id != "demo":
            raise not_found("UNKNOWN_ACCOUNT", "there is none")
        account = account_pb2.Account(account_id="demo", environment=SIMULATION)
        return account_admin_pb2.GetAccountResponse(account=account)


async def test_the_world_of_an_account_is_asked_for_once() -> None:
    """It never changes. One that is not there may be opened later; a name that is none is nobody's."""
    servicer = Accounts()
    async with serving(portfolio_service_pb2_grpc.add_PortfolioServiceServicer_to_server, servicer) as served:
        environments = PortfolioEnvironments(served.channel)
        assert [await environments.of("demo") for _ in range(3)] == [SIMULATION] * 3
        assert [await environments.of("nobody") for _ in range(2)] == [None, None]
        assert await environments.of("no name!") is None
        await served.server.stop(0)
        assert await environments.of("demo") == SIMULATION
        with pytest.raises(CodedError) as failure:
            await environments.of("another")
    assert failure.value.kind is ErrorKind.UNAVAILABLE
    assert servicer.asked == ["demo", "nobody", "nobody"]
