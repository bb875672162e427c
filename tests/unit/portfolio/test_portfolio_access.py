"""Every method of PortfolioService for a trader with one account: what is theirs is served, the rest is not there."""

from __future__ import annotations

from typing import Any

import pytest

from ordermesh.portfolio.v1 import (
    account_admin_pb2,
    account_cash_pb2,
    portfolio_admin_pb2,
    portfolio_query_pb2,
    portfolio_stream_pb2,
    position_query_pb2,
    position_stream_pb2,
)
from services.kernel.clock import EPOCH
from services.mesh.access.accounts import AccountAccess
from services.mesh.access.caller import Caller
from services.mesh.context import enter_call
from services.portfolio.domain.account import Account, Portfolio
from services.portfolio.domain.values import Environment
from services.portfolio.pipeline.ledger import Ledger
from services.portfolio.pipeline.ports import State
from services.portfolio.servicer.access import KnownEnvironments, account_interceptor
from services.portfolio.servicer.accounts import AccountMethods
from services.portfolio.servicer.desk import Desk
from services.portfolio.servicer.portfolios import PortfolioMethods
from tests.fakes.access import LIVE, SIMULATION, Reached, call_of, caller, refusal

SERVICE = "ordermesh.portfolio.v1.PortfolioService"
WORLD_OF = {"demo": Environment.SIMULATION, "other": Environment.SIMULATION, "real": Environment.LIVE}
TRADER = caller("trader", accounts=("demo",))


def account(account_id: str) -> Account:
    """Returns an account."""
    return Account(account_id, "", WORLD_OF[account_id], "USD", f"p-{account_id}", {}, 0, EPOCH, EPOCH)


def portfolio(account_id: str) -> Portfolio:
    """Returns the portfolio of an account."""
    return Portfolio(f"p-{account_id}", account_id, "", "", "USD", True, frozenset(), 1, EPOCH, EPOCH)


@pytest.fixture
def ledger() -> Ledger:
    """The books of three accounts, one in the other world."""
    books, state = Ledger(), State()
    state.accounts.update({name: account(name) for name in WORLD_OF})
    state.portfolios.update({f"p-{name}": portfolio(name) for name in WORLD_OF})
    books.replace(state)
    return books


@pytest.fixture
def access(ledger: Ledger) -> AccountAccess:
    """Who reaches what."""
    return AccountAccess(KnownEnvironments(ledger))


@pytest.fixture
def reached(ledger: Ledger, access: AccountAccess) -> Reached:
    """The service behind its interceptor."""
    return Reached(SERVICE, account_interceptor(access, ledger))


BY_ACCOUNT: dict[str, Any] = {
    "GetAccount": account_admin_pb2.GetAccountRequest,
    "SetSimulationBalance": account_cash_pb2.SetSimulationBalanceRequest,
    "ResetSimulationAccount": account_cash_pb2.ResetSimulationAccountRequest,
    "GetBalances": portfolio_query_pb2.GetBalancesRequest,
    "ListPositions": position_query_pb2.ListPositionsRequest,
    "GetPosition": position_query_pb2.GetPositionRequest,
    "CreatePortfolio": portfolio_admin_pb2.CreatePortfolioRequest,
    "StreamPositions": position_stream_pb2.StreamPositionsRequest,
    "GetPortfolio": portfolio_query_pb2.GetPortfolioRequest,
    "ListPortfolios": portfolio_query_pb2.ListPortfoliosRequest,
    "ListPortfolioPositions": portfolio_query_pb2.ListPortfolioPositionsRequest,
    "StreamPortfolio": portfolio_stream_pb2.StreamPortfolioRequest,
}
BY_PORTFOLIO: dict[str, Any] = {
    "GetPortfolio": portfolio_query_pb2.GetPortfolioRequest,
    "ListPortfolioPositions": portfolio_query_pb2.ListPortfolioPositionsRequest,
    "StreamPortfolio": portfolio_stream_pb2.StreamPortfolioRequest,
    "UpdatePortfolio": portfolio_admin_pb2.UpdatePortfolioRequest,
    "DeletePortfolio": portfolio_admin_pb2.DeletePortfolioRequest,
    "AddPortfolioPosition": portfolio_admin_pb2.AddPortfolioPositionRequest,
    "RemovePortfolioPosition": portfolio_admin_pb2.RemovePortfolioPositionRequest,
}


def test_every_method_is_tried_here(reached: Reached) -> None:
    """A method that is new in the contract must say which account its caller must reach."""
    reached.wrap_all()
    assert BY_ACCOUNT.keys() | BY_PORTFOLIO.keys() | {"CreateAccount", "ListAccounts"} == set(reached.methods)


@pytest.mark.parametrize("name", BY_ACCOUNT)
async def test_calls_that_name_an_account(reached: Reached, name: str) -> None:
    """Served for one's own account; another's, one of the other world and one that is not there are refused alike."""
    await reached.call(name, BY_ACCOUNT[name](account_id="demo"), TRADER)
    for account_id in ("other", "real", "unheard"):
        call = reached.call(name, BY_ACCOUNT[name](account_id=account_id), TRADER)
        assert await refusal(call) == "PERMISSION_DENIED", account_id
    both_worlds = caller("trader", accounts=("demo", "real"))
    assert await refusal(reached.call(name, BY_ACCOUNT[name](account_id="real"), both_worlds)) == "PERMISSION_DENIED"
    assert len(reached.served) == 1


@pytest.mark.parametrize("name", BY_PORTFOLIO)
async def test_calls_that_name_a_portfolio(reached: Reached, name: str) -> None:
    """One of another account is as unknown as one that there is not."""
    await reached.call(name, BY_PORTFOLIO[name](portfolio_id="p-demo"), TRADER)
    for portfolio_id in ("p-other", "p-real", "p-unheard"):
        call = reached.call(name, BY_PORTFOLIO[name](portfolio_id=portfolio_id), TRADER)
        assert await refusal(call) == "UNKNOWN_PORTFOLIO", portfolio_id
    assert len(reached.served) == 1


async def test_accounts_are_opened_in_ones_own_world(reached: Reached) -> None:
    """An admin of the simulation opens none with real money."""
    admin, request = caller("admin"), account_admin_pb2.CreateAccountRequest
    await reached.call("CreateAccount", request(account_id="new", environment=SIMULATION), admin)
    refused = reached.call("CreateAccount", request(account_id="new", environment=LIVE), admin)
    assert await refusal(refused) == "PERMISSION_DENIED"


@pytest.mark.parametrize(
    ("who", "told"),
    [
        (TRADER, ["demo"]),
        (caller("trader", accounts=("demo", "real")), ["demo"]),
        (caller("trader"), []),
        (caller("compliance"), ["demo", "other"]),
        (caller("compliance", environment=LIVE), ["real"]),
    ],
)
async def test_lists_leave_out_what_a_caller_does_not_reach(
    ledger: Ledger, access: AccountAccess, who: Caller, told: list[str]
) -> None:
    """Accounts and portfolios: one's own, or all of one's world."""
    nothing: Any = None
    desk = Desk(ledger, nothing, nothing, nothing, nothing, nothing, nothing, "", nothing, nothing, nothing, access)
    enter_call(call_of(who))
    accounts = await AccountMethods(desk).ListAccounts(account_admin_pb2.ListAccountsRequest(), nothing)
    portfolios = await PortfolioMethods(desk).ListPortfolios(portfolio_query_pb2.ListPortfoliosRequest(), nothing)
    assert [each.account_id for each in accounts.accounts] == told
    assert [each.account_id for each in portfolios.portfolios] == told
