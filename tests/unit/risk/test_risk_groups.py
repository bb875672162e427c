"""Orders that share what they may trade: the largest of them counts alone."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.kernel.decimals import ZERO
from services.risk.domain.exposure import Account
from services.risk.domain.market import Market
from services.risk.domain.reducing import OpenOrder
from services.risk.domain.reserved import Group, Reserved
from services.risk.domain.trading import enlarging
from services.risk.domain.values import Settled, Side

AAPL = Market("AAPL.XNAS", "USD", Decimal(1))
KEY = ("list", "AAPL.XNAS", int(Side.SELL))


def settled(leaves: int) -> Settled:
    """Returns what the log says of an order that goes on."""
    return Settled(1, "o", "demo", "AAPL.XNAS", Side.SELL, 1, ZERO, ZERO, ZERO, Decimal(leaves))


@given(
    st.lists(
        st.tuples(st.sampled_from(("hold", "change", "settle", "let_go")), st.integers(0, 3), st.integers(0, 100)),
        max_size=30,
    )
)
def test_the_largest_counts_whatever_happens(steps: list[tuple[str, int, int]]) -> None:
    """After any steps the account counts the largest quantity of the group, and every order of it."""
    account, group = Account("demo", 0, 1), Group(KEY)
    exposure = account.exposure(AAPL)
    held: dict[int, Reserved] = {}
    for step, which, quantity in steps:
        if step == "hold" and which not in held:
            held[which] = Reserved(account, exposure, Side.SELL, Decimal(quantity), 0, group)
            held[which].hold()
        elif which in held:
            match step:
                case "change":
                    held[which].change(Decimal(quantity), Decimal(quantity // 2))
                case "settle":
                    held[which].settle(settled(quantity))
                case "let_go":
                    held.pop(which).let_go()
        most = max((each.held for each in held.values()), default=ZERO)
        assert (exposure.open_sell, account.open_quantity) == (most, most)
        assert (exposure.open_orders, account.open_orders) == (len(held), len(held))
        assert (KEY in account.groups) == bool(held)


def test_orders_that_share_reduce_once() -> None:
    """A take-profit and a stop-loss over the whole position both stay when trading is reducing; a third does not."""
    group = Group(KEY)
    orders = [
        OpenOrder("profit", Side.SELL, Decimal(100), group),
        OpenOrder("loss", Side.SELL, Decimal(100), group),
        OpenOrder("more", Side.SELL, Decimal(1)),
    ]
    assert enlarging(Decimal(100), orders) == ["more"]
