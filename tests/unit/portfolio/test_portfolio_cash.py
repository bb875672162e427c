"""Virtual cash that is set by hand: once, and never at odds with what trading makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.clock import EPOCH
from services.kernel.errors import CodedError
from services.kernel.identifiers import UuidV7
from services.portfolio.domain.account import Account, Balance, NewAccount
from services.portfolio.domain.booking import Booked
from services.portfolio.domain.cash import CashChange, CashChangeKind, with_cash
from services.portfolio.domain.position import Position
from services.portfolio.domain.values import Environment
from services.portfolio.pipeline.books import Books
from services.portfolio.pipeline.cash import Cash
from services.portfolio.pipeline.ledger import Ledger
from services.portfolio.pipeline.ports import Cursor
from tests.fakes.clock import FakeClock
from tests.fakes.portfolio_store import FakePortfolioStore, Loss

USD, EUR = "USD", "EUR"


@dataclass
class FakeOrders:
    """What is open at OrderService."""

    live: bool = False
    as_of: int = 0
    asked: int = 0

    async def any_of(self, _account_id: str) -> tuple[bool, int]:
        self.asked += 1
        return self.live, self.as_of


@dataclass
class World:
    """Books with a simulation account of 1000 dollars, and a live one."""

    store: FakePortfolioStore = field(default_factory=FakePortfolioStore)
    orders: FakeOrders = field(default_factory=FakeOrders)
    ledger: Ledger = field(default_factory=Ledger)
    clock: FakeClock = field(default_factory=FakeClock)

    async def begin(self) -> World:
        """Opens the accounts."""
        nobody: Any = self
        self.books = Books(self.ledger, self.store, nobody, self.clock, UuidV7(self.clock))
        self.cash = Cash(self.books, self.store, self.orders, self.clock, patience_seconds=0.05)
        await self.books.open_account(NewAccount("demo", "", Environment.SIMULATION, USD, ((USD, Decimal(1000)),)))
        await self.books.open_account(NewAccount("real", "", Environment.LIVE, USD, ()))
        return self

    def announce(self, _changes: object) -> None:
        """Nobody listens."""

    def trade(self, flow: str, quantity: str = "0") -> None:
        """Books a fill that let dollars flow, and left a position."""
        account = self.ledger.account("demo").after(USD, Decimal(flow), EPOCH)
        position = Position("demo", "AAPL.XNAS", USD, Decimal(1), quantity=Decimal(quantity))
        self.store.state.accounts["demo"] = account
        self.ledger.apply(Booked(EPOCH, [], {"demo": account}, {("demo", "AAPL.XNAS"): position}), Cursor("e", 1))

    def balances(self) -> Mapping[str, Balance]:
        """Returns the cash of the simulation account."""
        return self.ledger.account("demo").balances


def setting(amount: str, currency: str = USD, request_id: str = "r1", account_id: str = "demo") -> CashChange:
    """Returns a wish to set cash."""
    return CashChange(account_id, request_id, CashChangeKind.SET, currency, Decimal(amount))


def resetting(request_id: str = "r1", account_id: str = "demo") -> CashChange:
    """Returns a wish for a new beginning."""
    return CashChange(account_id, request_id, CashChangeKind.RESET)


async def refused(world: World, wanted: CashChange) -> str:
    """Returns the reason for which a change was refused."""
    with pytest.raises(CodedError) as failure:
        await world.cash.change(wanted)
    return failure.value.reason


async def test_cash_is_set_and_what_trading_made_stays() -> None:
    """Also with positions and orders; a currency that was not there begins."""
    world = await World().begin()
    world.orders.live = True
    world.trade("-300", quantity="3")
    await world.cash.change(setting("5000"))
    await world.cash.change(setting("70.5", EUR, "r2"))
    assert world.balances() == {
        USD: Balance(Decimal(5000), Decimal(5300)),
        EUR: Balance(Decimal("70.5"), Decimal("70.5")),
    }
    assert world.store.state.accounts["demo"] == world.ledger.account("demo")


async def test_a_change_is_made_once() -> None:
    """The same again changes nothing, whatever happened since; another under its name is refused."""
    world = await World().begin()
    await world.cash.change(setting("5000"))
    world.trade("-300")
    again = await world.cash.change(setting("5000"))
    assert again.balance(USD).amount == Decimal(4700)
    for other in (setting("5001"), setting("5000", EUR), resetting()):
        assert await refused(world, other) == "DUPLICATE_REQUEST_ID"
    await world.cash.change(setting("5000", request_id="r2"))
    assert world.balances()[USD].amount == Decimal(5000)


@pytest.mark.parametrize("loss", list(Loss))
async def test_a_change_whose_answer_is_lost_is_made_once(loss: Loss) -> None:
    """Sent again, it is made if it was not."""
    world = await World().begin()
    world.store.next_loss = loss
    assert await refused(world, setting("5000")) == "STORE_UNAVAILABLE"
    assert (await world.cash.change(setting("5000"))).balance(USD) == Balance(Decimal(5000), Decimal(5000))


async def test_a_live_account_is_not_set() -> None:
    """Its cash is at its broker; one that there is not is unknown."""
    world = await World().begin()
    assert await refused(world, setting("1", account_id="real")) == "NOT_A_SIMULATION"
    assert await refused(world, resetting(account_id="real")) == "NOT_A_SIMULATION"
    assert await refused(world, resetting(account_id="none")) == "UNKNOWN_ACCOUNT"


async def test_a_new_beginning_wants_a_flat_account() -> None:
    """No live orders, no positions, and no fill that is not booked yet; then the cash is what it was opened with."""
    world = await World().begin()
    await world.cash.change(setting("70", EUR))
    world.orders.live = True
    assert await refused(world, resetting("r2")) == "ACCOUNT_NOT_FLAT"
    world.orders.live = False
    world.trade("-300", quantity="3")
    assert await refused(world, resetting("r2")) == "ACCOUNT_NOT_FLAT"
    world.trade("330")
    world.orders.as_of = 9
    assert await refused(world, resetting("r2")) == "SERVICE_UNAVAILABLE"
    world.ledger.reached(9)
    await world.cash.change(resetting("r2"))
    assert world.balances() == {USD: Balance(Decimal(1000), Decimal(970)), EUR: Balance()}


async def test_a_new_beginning_that_was_made_is_not_looked_at_again() -> None:
    """Sent again with orders and positions, it is answered."""
    world = await World().begin()
    await world.cash.change(resetting())
    world.orders.live = True
    world.trade("-300", quantity="3")
    assert (await world.cash.change(resetting())).balance(USD).amount == Decimal(700)


@given(
    steps=st.lists(st.tuples(st.booleans(), st.sampled_from([USD, EUR]), st.decimals(0, 10**12, places=4)), max_size=20)
)
def test_amount_and_opening_differ_by_what_trading_made(steps: list[tuple[bool, str, Decimal]]) -> None:
    """Whatever is set, and whatever flows between."""
    account = Account("demo", "", Environment.SIMULATION, USD, "p", {}, 0, EPOCH, EPOCH)
    made = {USD: Decimal(0), EUR: Decimal(0)}
    for flows, currency, value in steps:
        if flows:
            account = account.after(currency, -value, EPOCH)
            made[currency] -= value
        else:
            account = with_cash(account, {currency: value}, EPOCH)
            assert account.balance(currency).amount == value
        for name, balance in account.balances.items():
            assert balance.amount - balance.opening == made[name]
