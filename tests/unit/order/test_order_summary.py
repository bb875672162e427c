"""Fills summed up."""

from __future__ import annotations

from decimal import Decimal
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from services.order.domain.summary import TradeSummary
from services.order.domain.values import Side

NUMBERS = st.decimals("0.001", "100000", places=3, allow_nan=False)
FILLS = st.lists(
    st.tuples(st.sampled_from(list(Side)), NUMBERS, NUMBERS, st.decimals(-5, 5, places=2), st.integers(1, 10**18)),
    min_size=1,
    max_size=30,
)


@given(FILLS, st.randoms())
def test_the_order_of_fills_does_not_matter(
    fills: list[tuple[Side, Decimal, Decimal, Decimal, int]], any_: Random
) -> None:
    """Each side's quantity and average, the fees, and the first and last time are those of the fills."""
    shuffled = list(fills)
    any_.shuffle(shuffled)
    summary = TradeSummary()
    for side, price, quantity, fee, at_ns in shuffled:
        summary.add(side, price, quantity, fee, at_ns)
    assert summary.count == len(fills)
    assert summary.fees == sum(fee for *_, fee, _ in fills)
    assert (summary.first_ns, summary.last_ns) == (min(f[4] for f in fills), max(f[4] for f in fills))
    for side, total in ((Side.BUY, summary.bought), (Side.SELL, summary.sold)):
        of_side = [(price, quantity) for each, price, quantity, *_ in fills if each is side]
        assert total.quantity == sum(quantity for _, quantity in of_side)
        assert total.notional == sum(price * quantity for price, quantity in of_side)
        assert (total.average is None) == (not of_side)
