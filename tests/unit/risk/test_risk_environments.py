"""What is set for the firm in one environment holds there alone; what was set for both, in both."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.mesh.context import enter_call
from services.risk.domain.limits import FIRM, Parameters, effective, environment_of, firm_of, is_firm, over
from services.risk.domain.trading import KillSwitch, KillSwitches, TradingState
from services.risk.pipeline.book import Book
from services.risk.pipeline.ports import Kept, Standing
from services.risk.pipeline.trading import Trading
from services.risk.pipeline.withdrawing import Withdrawing
from services.risk.servicer.risk import _or_firm
from services.risk.wire import alert_from_proto, alert_to_proto, switch_to_proto
from tests.fakes.access import LIVE, SIMULATION, call_of, caller
from tests.fakes.clock import FakeClock
from tests.fakes.risk_store import FakeRiskStore

WORLDS = {"demo": SIMULATION, "real": LIVE, "unknown": 0}


class Told:
    """Keeps alerts."""

    def __init__(self) -> None:
        self.alerts: list[Any] = []

    def add(self, alert: Any) -> None:
        self.alerts.append(alert)


async def known(_account_id: str) -> Standing:
    """Knows every account."""
    return Standing.KNOWN


@pytest.fixture
def book() -> Book:
    """A book that knows accounts of both environments, and one whose environment was not told yet."""
    made = Book(FakeClock())
    for account_id, environment in WORLDS.items():
        if environment:
            made.learn(account_id, environment)
    return made


def trading(book: Book, store: FakeRiskStore, told: Told) -> Trading:
    """Returns what sets switches."""
    return Trading(book, store, FakeClock(), told, Withdrawing(book), known)


def test_the_firm_has_a_name_in_each_environment() -> None:
    """No account can be called so, and each leads back to its environment."""
    assert firm_of(0) == FIRM
    for environment in (SIMULATION, LIVE):
        assert is_firm(firm_of(environment))
        assert firm_of(environment).startswith(":")
        assert environment_of(firm_of(environment)) == environment
    assert not is_firm("demo")


@pytest.mark.parametrize(("environment", "stopped"), [(SIMULATION, "demo"), (LIVE, "real")])
async def test_a_stop_of_the_firm_holds_in_its_environment(book: Book, environment: int, stopped: str) -> None:
    """The account of the other one trades on; so does one whose environment is not known, until it is."""
    told = Told()
    await trading(book, FakeRiskStore(), told).stop(firm_of(environment), TradingState.HALTED, "", cancels=True)
    for account_id in WORLDS:
        halted = book.switches.effective(account_id).state is TradingState.HALTED
        assert halted == (account_id == stopped), account_id
        assert book.switches.concerns(firm_of(environment), account_id) == (account_id == stopped)
        assert (book.switches.withdrawing(account_id) is not None) == (account_id == stopped)
    [alert] = told.alerts
    message = alert_to_proto(alert)
    assert (message.account_id, message.environment) == ("", environment)
    assert alert_from_proto(message) == alert
    told_switch = switch_to_proto(book.switches.get(firm_of(environment)))
    assert (told_switch.account_id, told_switch.environment) == ("", environment)
    book.learn("unknown", environment)
    assert book.switches.effective("unknown").state is TradingState.HALTED


@pytest.mark.parametrize("split", [False, True])
async def test_a_stop_of_both_is_one_of_each_where_callers_are_looked_at(book: Book, *, split: bool) -> None:
    """Nobody loses a stop by it, each can be resumed by itself, and a second start changes nothing."""
    store, told = FakeRiskStore(), Told()
    await trading(book, store, told).stop(FIRM, TradingState.REDUCING, "all", cancels=False)

    async def restarted() -> tuple[Book, Trading]:
        made = Book(FakeClock())
        made.environments.update({"demo": SIMULATION, "real": LIVE})
        keeper = trading(made, store, told)
        await keeper.load(split=split)
        for account_id in ("demo", "real"):
            assert made.switches.effective(account_id).state is TradingState.REDUCING
        return made, keeper

    await restarted()
    again, keeper = await restarted()
    assert (again.switches.get(FIRM).state is TradingState.ACTIVE) == split
    if split:
        await keeper.resume(firm_of(SIMULATION), "")
        assert again.switches.effective("demo").state is TradingState.ACTIVE
        assert again.switches.effective("real").state is TradingState.REDUCING


def test_limits_of_the_firm_hold_in_its_environment(book: Book) -> None:
    """An account's own come first, then its environment's, then those of both."""
    book.limits.set({FIRM: Parameters(FIRM, max_order_size=Decimal(100), max_daily_trades=9)})
    before = book.limits.of("demo"), book.limits.of("real")
    book.limits.set({firm_of(LIVE): Parameters(firm_of(LIVE), max_order_size=Decimal(7))})
    assert book.limits.of("demo") == before[0]
    assert book.limits.of("real") == before[1]._replace(order_size=Decimal(7))
    assert book.limits.of("unknown").order_size == Decimal(100)
    book.learn("unknown", LIVE)
    assert book.limits.of("unknown").order_size == Decimal(7)
    book.limits.set({"real": Parameters("real", max_order_size=Decimal(0))})
    assert book.limits.of("real").order_size is None


def test_environments_are_saved_and_restored(book: Book) -> None:
    """Once each; what could not be saved is tried again."""
    changes = book.take_changes()
    assert changes is not None
    assert dict(changes.environments) == {"demo": SIMULATION, "real": LIVE}
    assert book.take_changes() is None
    book.put_back(changes)
    again_taken = book.take_changes()
    assert again_taken is not None
    assert dict(again_taken.environments) == dict(changes.environments)
    book.learn("demo", SIMULATION)
    again = Book(FakeClock())
    again.restore(Kept([], [], [], dict(changes.environments)), {})
    assert again.environments == book.environments
    assert again.take_changes() is None


def test_who_calls_says_which_firm() -> None:
    """A user their environment's; where nobody looks, that of both. An account is named as it is."""
    assert _or_firm("") == FIRM
    for environment in (SIMULATION, LIVE):
        enter_call(call_of(caller("risk_manager", environment=environment)))
        assert (_or_firm(""), _or_firm("demo")) == (firm_of(environment), "demo")


STATES = st.sampled_from(list(TradingState))


@given(both=STATES, firm=STATES, own=STATES)
def test_the_strictest_switch_holds(both: TradingState, firm: TradingState, own: TradingState) -> None:
    """Of those that concern an account."""
    switches = KillSwitches({"demo": SIMULATION})
    for name, state in ((FIRM, both), (firm_of(SIMULATION), firm), ("demo", own), (firm_of(LIVE), TradingState.HALTED)):
        switches.set(KillSwitch(name, state))
    assert switches.effective("demo").state == max(both, firm, own)


SIZES = st.none() | st.decimals(0, 1000, places=2)


@given(own=SIZES, firm=SIZES, both=SIZES)
def test_the_nearest_limit_holds(own: Decimal | None, firm: Decimal | None, both: Decimal | None) -> None:
    """An account's, else its environment's, else that of both; zero is none."""
    merged = over(Parameters("f", max_order_size=firm), Parameters("", max_order_size=both))
    holding = effective(Parameters("demo", max_order_size=own), merged).order_size
    nearest = next((each for each in (own, firm, both) if each is not None), None)
    assert holding == (nearest or None)
