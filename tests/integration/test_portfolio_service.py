"""What PortfolioService answers: accounts, positions, portfolios, values, and errors that say what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from ordermesh.event.v1 import event_pb2
from ordermesh.portfolio.v1 import account_admin_pb2 as accounts
from ordermesh.portfolio.v1 import portfolio_admin_pb2 as admin
from ordermesh.portfolio.v1 import portfolio_query_pb2 as query
from ordermesh.portfolio.v1 import position_pb2
from ordermesh.portfolio.v1 import position_query_pb2 as positions
from ordermesh.type.v1 import trading_pb2
from services.bus.broadcast import listen
from services.bus.connection import connect
from services.kernel.errors import CodedError, ErrorKind
from services.kernel.identifiers import UuidV7
from tests.fakes.market_data import instrument
from tests.fixtures.portfolio import PortfolioWorld, Running, portfolio_world
from tests.fixtures.waiting import eventually

AAPL, BTC = "AAPL.XNAS", "BTC-USDT.BINANCE"
EUR = instrument("EUR-USD.LMAX", 4, "0.00001", "1000", asset_class=3)
BUND = instrument("SAP.XETR", 5, currency="EUR")
SIMULATION, LIVE = trading_pb2.ENVIRONMENT_SIMULATION, trading_pb2.ENVIRONMENT_LIVE


@pytest_asyncio.fixture
async def world(tmp_path: Path, postgres_url: str, redis_url: str) -> AsyncIterator[PortfolioWorld]:
    """Everything that the service needs, with a European share and the rate to value it."""
    async with portfolio_world(tmp_path, postgres_url, redis_url) as made:
        made.market.instruments |= {each.instrument: each for each in (EUR, BUND)}
        yield made


@pytest_asyncio.fixture
async def running(world: PortfolioWorld) -> AsyncIterator[Running]:
    """The service, hearing prices."""
    async with world.running() as started:
        await eventually(lambda: world.market.readers)
        yield started


async def refused(call: Awaitable[Any]) -> tuple[ErrorKind, str, list[str]]:
    """Returns kind, reason and fields of the error that a call fails with."""
    with pytest.raises(CodedError) as caught:
        await call
    return caught.value.kind, caught.value.reason, [violation.field for violation in caught.value.violations]


async def open_account(running: Running, account_id: str, **cash: str) -> accounts.CreateAccountResponse:
    """Opens a simulation account."""
    balances = [accounts.OpeningBalance(currency=currency, amount=amount) for currency, amount in cash.items()]
    return await running.stub.CreateAccount(
        accounts.CreateAccountRequest(account_id=account_id, environment=SIMULATION, balances=balances)
    )


async def position(running: Running, instrument: str, as_of: int, account_id: str = "demo") -> position_pb2.Position:
    """Returns a position once the order log is booked up to a sequence and its price is known."""

    async def valued() -> position_pb2.Position | None:
        listed = await running.stub.ListPositions(positions.ListPositionsRequest(account_id=account_id))
        found = [p for p in listed.positions if p.instrument == instrument and p.value.price]
        return found[0] if listed.as_of >= as_of and found else None

    return await eventually(valued)


async def test_an_account_is_opened_once(running: Running) -> None:
    """The same id again is refused; what was opened can be read, its opening cash beside what it has."""
    made = await open_account(running, "fund-1", USD="2500.50", EUR="10")
    assert [(b.currency, b.amount, b.opening_amount) for b in made.account.balances] == [
        ("EUR", "10", "10"),
        ("USD", "2500.5", "2500.5"),
    ]
    assert made.account.base_currency == "USD"
    read = await running.stub.GetAccount(accounts.GetAccountRequest(account_id="fund-1"))
    assert read.account == made.account
    assert await refused(open_account(running, "fund-1")) == (ErrorKind.ALREADY_EXISTS, "ALREADY_EXISTS", [])


async def test_two_callers_who_open_the_same_account_get_one(running: Running) -> None:
    """Of many at the same moment exactly one succeeds."""
    outcomes = await asyncio.gather(*(open_account(running, "raced") for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(outcome, accounts.CreateAccountResponse) for outcome in outcomes) == 1


async def test_a_live_account_has_no_virtual_cash(running: Running) -> None:
    """Its money is at its broker."""
    request = accounts.CreateAccountRequest(
        account_id="real", environment=LIVE, balances=[accounts.OpeningBalance(currency="USD", amount="1")]
    )
    assert await refused(running.stub.CreateAccount(request)) == (ErrorKind.INVALID, "INVALID_FIELD", ["balances"])
    opened = await running.stub.CreateAccount(accounts.CreateAccountRequest(account_id="real", environment=LIVE))
    assert opened.account.environment == LIVE


BAD_ACCOUNTS: list[tuple[dict[str, Any], str]] = [
    ({"account_id": ""}, "account_id"),
    ({"account_id": "no spaces"}, "account_id"),
    ({"environment": 0}, "environment"),
    ({"environment": 9}, "environment"),
    ({"base_currency": "usd"}, "base_currency"),
    ({"balances": [("USD", "0")]}, "balances[0].amount"),
    ({"balances": [("USD", "-1")]}, "balances[0].amount"),
    ({"balances": [("USD", "1e3")]}, "balances[0].amount"),
    ({"balances": [("USD", "1"), ("USD", "2")]}, "balances[1].currency"),
]


async def test_a_bad_account_is_refused_by_name_of_the_field(running: Running) -> None:
    """Nothing is opened, and the field at fault is named."""
    for changed, field in BAD_ACCOUNTS:
        values: dict[str, Any] = {"account_id": "x", "environment": SIMULATION, **changed}
        values["balances"] = [accounts.OpeningBalance(currency=c, amount=a) for c, a in values.get("balances", [])]
        kind, reason, fields = await refused(running.stub.CreateAccount(accounts.CreateAccountRequest(**values)))
        assert (kind, reason, fields) == (ErrorKind.INVALID, "INVALID_FIELD", [field])
    listed = await running.stub.ListAccounts(accounts.ListAccountsRequest())
    assert [account.account_id for account in listed.accounts] == ["demo"]


async def test_accounts_are_listed_by_pages_and_environment(running: Running) -> None:
    """Pages join without gap or overlap; a token of other filters is refused."""
    for number in range(5):
        await open_account(running, f"a{number}")
    seen, token = [], ""
    while True:
        page = await running.stub.ListAccounts(
            accounts.ListAccountsRequest(environment=SIMULATION, page_size=2, page_token=token)
        )
        seen += [account.account_id for account in page.accounts]
        if not (token := page.next_page_token):
            break
        other = running.stub.ListAccounts(accounts.ListAccountsRequest(environment=LIVE, page_token=token))
        assert (await refused(other))[1] == "INVALID_PAGE_TOKEN"
    assert seen == ["a0", "a1", "a2", "a3", "a4", "demo"]


async def test_an_unknown_account_is_not_found(running: Running) -> None:
    """Every method that names one says so."""
    stub = running.stub
    for call in (
        stub.GetAccount(accounts.GetAccountRequest(account_id="nobody")),
        stub.ListPositions(positions.ListPositionsRequest(account_id="nobody")),
        stub.GetPosition(positions.GetPositionRequest(account_id="nobody", instrument=AAPL)),
        stub.GetBalances(query.GetBalancesRequest(account_id="nobody")),
        stub.GetPortfolio(query.GetPortfolioRequest(account_id="nobody")),
        stub.ListPortfolios(query.ListPortfoliosRequest(account_id="nobody")),
        stub.CreatePortfolio(admin.CreatePortfolioRequest(account_id="nobody", name="n")),
    ):
        assert (await refused(call))[:2] == (ErrorKind.NOT_FOUND, "UNKNOWN_ACCOUNT")


async def test_positions_are_valued_at_the_middle_of_the_market(world: PortfolioWorld, running: Running) -> None:
    """(99 + 101) / 2 for 10 shares bought at 90: 1000 worth, 100 gained; without two sides the last trade counts."""
    await world.orders.fill("demo", AAPL, "10", "90")
    world.market.quote(AAPL, "99", "101", "55")
    held = await position(running, AAPL, 1)
    assert (held.value.price, held.value.price_source) == ("100", position_pb2.PRICE_SOURCE_MID)
    assert (held.value.market_value, held.value.unrealised_profit) == ("1000", "100")
    world.market.quote(AAPL, "99", "", "95")

    async def last() -> position_pb2.Position | None:
        found = await position(running, AAPL, 1)
        return found if found.value.price_source == position_pb2.PRICE_SOURCE_LAST else None

    assert (await eventually(last)).value.unrealised_profit == "50"


async def test_prices_are_stale_while_market_data_is_away(world: PortfolioWorld, running: Running) -> None:
    """The newest known price still counts, and says that it may be old, until prices come again."""
    await world.orders.fill("demo", AAPL, "1", "90")
    world.market.quote(AAPL, "99", "101")
    await position(running, AAPL, 1)
    world.market.cut()
    await eventually(partial(_position, running), lambda position: position.value.stale)
    await eventually(partial(_position, running), lambda position: not position.value.stale)


async def test_a_position_is_told_by_either_form_of_its_name(world: PortfolioWorld, running: Running) -> None:
    """`instrument`, or `venue` and `symbol`; anything between is refused."""
    await world.orders.fill("demo", AAPL, "1", "90")
    world.market.quote(AAPL, "99", "101")
    await position(running, AAPL, 1)
    ask = running.stub.GetPosition
    one = await ask(positions.GetPositionRequest(account_id="demo", instrument=AAPL))
    two = await ask(positions.GetPositionRequest(account_id="demo", venue="XNAS", symbol="AAPL"))
    assert one.position == two.position
    assert one.as_of >= 1
    for request, field in [
        (positions.GetPositionRequest(account_id="demo"), "instrument"),
        (positions.GetPositionRequest(account_id="demo", venue="XNAS"), "symbol"),
        (positions.GetPositionRequest(account_id="demo", symbol="AAPL"), "venue"),
        (positions.GetPositionRequest(account_id="demo", instrument=AAPL, venue="XNAS"), "instrument"),
        (positions.GetPositionRequest(account_id="demo", instrument="nonsense"), "instrument"),
        (positions.GetPositionRequest(instrument=AAPL), "account_id"),
    ]:
        assert await refused(ask(request)) == (ErrorKind.INVALID, "INVALID_FIELD", [field])
    never = positions.GetPositionRequest(account_id="demo", instrument=BTC)
    assert (await refused(ask(never)))[:2] == (ErrorKind.NOT_FOUND, "UNKNOWN_POSITION")


async def test_closed_positions_are_listed_on_request(world: PortfolioWorld, running: Running) -> None:
    """What was earned with them can still be read."""
    await world.orders.fill("demo", AAPL, "1", "90")
    await world.orders.fill("demo", AAPL, "-1", "95")
    await world.orders.fill("demo", BTC, "1", "1")
    world.market.quote(BTC, "1", "3")
    await position(running, BTC, 3)
    for include, expected in [(False, [(BTC, "0")]), (True, [(AAPL, "5"), (BTC, "0")])]:
        listed = await running.stub.ListPositions(
            positions.ListPositionsRequest(account_id="demo", include_closed=include)
        )
        assert [(p.instrument, p.realised_profit) for p in listed.positions] == expected


async def test_the_accounts_own_portfolio_totals_what_can_be_converted(world: PortfolioWorld, running: Running) -> None:
    """EUR counts at the quoted rate; INR, JPY and USDT are told by themselves, with no rate made up."""
    await world.orders.fill("demo", AAPL, "10", "90", fee="2")
    await world.orders.fill("demo", "SAP.XETR", "5", "200")
    world.market.quote(AAPL, "99", "101")
    world.market.quote("SAP.XETR", "209", "211")
    world.market.quote("EUR-USD.LMAX", "1.09", "1.11")
    await position(running, AAPL, 2)
    await position(running, "SAP.XETR", 2)

    async def converted() -> query.GetPortfolioResponse | None:
        answer = await running.stub.GetPortfolio(query.GetPortfolioRequest(account_id="demo"))
        return answer if any(c.currency == "EUR" and c.base_rate for c in answer.valuation.currencies) else None

    answer = await eventually(converted)
    valuation = answer.valuation
    totals = {each.currency: each for each in valuation.currencies}
    assert (answer.portfolio.account_own, valuation.base_currency) == (True, "USD")
    assert list(valuation.unconverted_currencies) == ["INR", "JPY", "USDT"]
    assert (totals["USD"].cash, totals["USD"].market_value, totals["USD"].equity) == ("999098", "1000", "1000098")
    assert (totals["EUR"].cash, totals["EUR"].equity, totals["EUR"].base_rate) == ("-1000", "50", "1.1")
    assert valuation.equity == "1000153"
    assert (valuation.unrealised_profit, valuation.fees) == ("155", "2")
    for each in totals.values():
        profit = Decimal(each.realised_profit) + Decimal(each.unrealised_profit) - Decimal(each.fees)
        assert Decimal(each.equity) == Decimal(each.opening_cash) + profit
    balances = await running.stub.GetBalances(query.GetBalancesRequest(account_id="demo"))
    assert [c.currency for c in balances.valuation.currencies] == ["EUR", "INR", "JPY", "USD", "USDT"]
    assert balances.valuation.equity == valuation.equity


async def test_a_portfolio_is_made_changed_and_deleted(world: PortfolioWorld, running: Running) -> None:
    """It shows the account's positions in its instruments, and holds nothing by itself."""
    await world.orders.fill("demo", AAPL, "10", "90")
    await world.orders.fill("demo", BTC, "1", "50")
    world.market.quote(AAPL, "99", "101")
    await position(running, AAPL, 2)
    stub = running.stub
    made = (
        await stub.CreatePortfolio(
            admin.CreatePortfolioRequest(account_id="demo", name="tech", description="shares", instruments=[AAPL])
        )
    ).portfolio
    assert (made.version, made.base_currency, list(made.instruments)) == (1, "USD", [AAPL])
    by_id = query.GetPortfolioRequest(portfolio_id=made.portfolio_id)
    told = await stub.GetPortfolio(by_id)
    assert (told.valuation.cash, told.valuation.market_value) == ("0", "1000")
    added = await stub.AddPortfolioPosition(
        admin.AddPortfolioPositionRequest(portfolio_id=made.portfolio_id, instrument=BTC)
    )
    assert (added.portfolio.version, list(added.portfolio.instruments)) == (2, [AAPL, BTC])
    again = await stub.AddPortfolioPosition(
        admin.AddPortfolioPositionRequest(portfolio_id=made.portfolio_id, instrument=BTC)
    )
    assert again.portfolio.version == 2
    held = await stub.ListPortfolioPositions(query.ListPortfolioPositionsRequest(portfolio_id=made.portfolio_id))
    assert [p.instrument for p in held.positions] == [AAPL, BTC]
    remove = admin.RemovePortfolioPositionRequest(portfolio_id=made.portfolio_id, instrument=AAPL)
    removed = await stub.RemovePortfolioPosition(remove)
    assert list(removed.portfolio.instruments) == [BTC]
    assert (await refused(stub.RemovePortfolioPosition(remove)))[1] == "UNKNOWN_POSITION"
    update = admin.UpdatePortfolioRequest(portfolio_id=made.portfolio_id, name="coins", base_currency="USDT", version=3)
    changed = await stub.UpdatePortfolio(update)
    assert (changed.portfolio.name, changed.portfolio.version, changed.portfolio.description) == ("coins", 4, "")
    assert (await refused(stub.UpdatePortfolio(update)))[:2] == (ErrorKind.ABORTED, "VERSION_MISMATCH")
    gone = await stub.DeletePortfolio(admin.DeletePortfolioRequest(portfolio_id=made.portfolio_id))
    assert gone.portfolio == changed.portfolio
    assert (await refused(stub.GetPortfolio(by_id)))[:2] == (ErrorKind.NOT_FOUND, "UNKNOWN_PORTFOLIO")
    assert (await position(running, AAPL, 2)).quantity == "10"


async def test_portfolios_survive_a_restart(world: PortfolioWorld) -> None:
    """What was made is there again, by age, the account's own first."""
    async with world.running() as running:
        for name in ("z", "a"):
            await running.stub.CreatePortfolio(
                admin.CreatePortfolioRequest(account_id="demo", name=name, instruments=[AAPL])
            )
        before = await running.stub.ListPortfolios(query.ListPortfoliosRequest(account_id="demo"))
    async with world.running() as running:
        after = await running.stub.ListPortfolios(query.ListPortfoliosRequest())
        assert after.portfolios == before.portfolios
        assert [portfolio.name for portfolio in after.portfolios] == ["account", "z", "a"]


async def test_the_accounts_own_portfolio_cannot_be_changed_by_hand(running: Running) -> None:
    """It is what the account has."""
    own = (await running.stub.GetAccount(accounts.GetAccountRequest(account_id="demo"))).account.portfolio_id
    stub = running.stub
    for call in (
        stub.UpdatePortfolio(admin.UpdatePortfolioRequest(portfolio_id=own, name="x")),
        stub.DeletePortfolio(admin.DeletePortfolioRequest(portfolio_id=own)),
        stub.AddPortfolioPosition(admin.AddPortfolioPositionRequest(portfolio_id=own, instrument=AAPL)),
        stub.RemovePortfolioPosition(admin.RemovePortfolioPositionRequest(portfolio_id=own, instrument=AAPL)),
    ):
        assert (await refused(call))[:2] == (ErrorKind.PRECONDITION, "PORTFOLIO_NOT_EDITABLE")


async def test_a_bad_portfolio_is_refused_and_leaves_nothing(running: Running) -> None:
    """Names are unique in the account; instruments must exist; ids must be ids."""
    stub = running.stub
    make = stub.CreatePortfolio
    await make(admin.CreatePortfolioRequest(account_id="demo", name="one"))
    for request, expected in [
        (admin.CreatePortfolioRequest(account_id="demo", name="one"), ("ALREADY_EXISTS", [])),
        (admin.CreatePortfolioRequest(account_id="demo", name="account"), ("ALREADY_EXISTS", [])),
        (admin.CreatePortfolioRequest(account_id="demo"), ("INVALID_FIELD", ["name"])),
        (
            admin.CreatePortfolioRequest(account_id="demo", name="two", instruments=[AAPL, AAPL]),
            ("INVALID_FIELD", ["instruments"]),
        ),
        (
            admin.CreatePortfolioRequest(account_id="demo", name="two", instruments=[BTC, "NONE.XNAS"]),
            ("UNKNOWN_INSTRUMENT", ["instruments[1]"]),
        ),
    ]:
        assert (await refused(make(request)))[1:] == expected
    nobody = UuidV7().new_id()
    for call, expected in [
        (stub.GetPortfolio(query.GetPortfolioRequest()), ("INVALID_FIELD", ["account_id"])),
        (stub.GetPortfolio(query.GetPortfolioRequest(portfolio_id="7")), ("INVALID_FIELD", ["portfolio_id"])),
        (
            stub.GetPortfolio(query.GetPortfolioRequest(portfolio_id=nobody, account_id="demo")),
            ("INVALID_FIELD", ["account_id"]),
        ),
        (stub.GetPortfolio(query.GetPortfolioRequest(portfolio_id=nobody)), ("UNKNOWN_PORTFOLIO", [])),
    ]:
        assert (await refused(call))[1:] == expected
    listed = await stub.ListPortfolios(query.ListPortfoliosRequest(account_id="demo"))
    assert [portfolio.name for portfolio in listed.portfolios] == ["account", "one"]


async def test_what_accounts_are_worth_is_on_the_bus(world: PortfolioWorld, running: Running, redis_url: str) -> None:
    """`portfolio.updated` tells the value after a fill, and again after the price has moved."""
    redis = connect(redis_url)
    heard: asyncio.Queue[event_pb2.Event] = asyncio.Queue()

    async def hear() -> None:
        async for batch in listen(redis, "portfolio.updated"):
            for event in batch:
                heard.put_nowait(event)

    hearing = asyncio.create_task(hear())
    try:
        world.market.quote(AAPL, "99", "101")
        await world.orders.fill("demo", AAPL, "10", "90")
        assert await _equity(heard, "1000100")
        world.market.quote(AAPL, "109", "111")
        assert await _equity(heard, "1000200")
    finally:
        hearing.cancel()
        await asyncio.gather(hearing, return_exceptions=True)
        await redis.aclose()


async def _equity(heard: asyncio.Queue[event_pb2.Event], expected: str) -> bool:
    async with asyncio.timeout(20):
        while (event := await heard.get()).portfolio_value.valuation.equity != expected:
            pass
    return event.portfolio_value.account_id == "demo" and event.sequence > 0


async def _position(running: Running) -> position_pb2.Position:
    request = positions.GetPositionRequest(account_id="demo", instrument=AAPL)
    return (await running.stub.GetPosition(request)).position
