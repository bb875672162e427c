"""Scales and terms of instruments."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.decimals import format_decimal
from services.kernel.errors import CodedError
from services.marketdata.domain.instrument import MOST_LOTS, AssetClass, Terms, differing_terms
from services.marketdata.domain.scale import Scale, scales_of
from services.marketdata.domain.seeds import ES_EXPIRY, seed_terms

STEPS = st.builds(
    lambda mantissa, exponent: Decimal(mantissa).scaleb(exponent), st.integers(1, 10_000), st.integers(-12, 4)
)


@given(STEPS, st.integers(-(10**15), 10**15))
def test_a_scale_writes_what_decimal_arithmetic_gives(step: Decimal, count: int) -> None:
    """The text of a count of steps is the canonical string of the product, and the value leads back to the count."""
    scale = Scale(step)
    product = step * count
    assert scale.text(count) == format_decimal(product)
    assert scale.value(count) == product
    assert scale.count(product) == count


def test_a_scale_refuses_what_is_not_a_whole_number_of_steps() -> None:
    """A price off its tick has no count."""
    with pytest.raises(ValueError, match="not a multiple"):
        Scale(Decimal("0.05")).count(Decimal("1.07"))
    with pytest.raises(ValueError, match="not a multiple"):
        Scale(Decimal("0.05")).count(Decimal("1.051"))


def test_seeds_are_sound_and_of_every_kind() -> None:
    """At least nine instruments, no name twice, every kind there is, terms that go together."""
    seeds = seed_terms()
    assert len({seed.name for seed in seeds}) == len(seeds) >= 9
    assert {seed.asset_class for seed in seeds} == set(AssetClass)
    for seed in seeds:
        seed.check()


def test_the_future_of_the_seeds_is_worth_fifty_times_its_price() -> None:
    """The E-mini has a multiplier of 50, ticks of a quarter (12.50 dollars), and ends on a third Friday."""
    future = next(seed for seed in seed_terms() if seed.asset_class is AssetClass.FUTURE)
    assert scales_of(future).values.step == Decimal("12.5")
    assert future.expires_at == ES_EXPIRY
    assert (ES_EXPIRY.weekday(), 15 <= ES_EXPIRY.day <= 21) == (4, True)


def equity(**terms: object) -> Terms:
    """Terms of a share, some of them others."""
    return replace(seed_terms()[0], **terms)  # type: ignore[arg-type]  # as each test says


@pytest.mark.parametrize(
    ("terms", "fields"),
    [
        (equity(min_quantity=Decimal("1.5")), ["min_quantity"]),
        (equity(max_quantity=Decimal("100.5")), ["max_quantity"]),
        (equity(min_quantity=Decimal(5), max_quantity=Decimal(4)), ["max_quantity"]),
        (equity(max_quantity=Decimal(MOST_LOTS + 1)), ["max_quantity"]),
        (equity(expires_at=datetime(2027, 1, 1, tzinfo=UTC)), ["expires_at"]),
        (equity(asset_class=AssetClass.FUTURE), ["expires_at"]),
        (equity(min_quantity=Decimal("0.5"), asset_class=AssetClass.FUTURE), ["min_quantity", "expires_at"]),
    ],
)
def test_terms_that_do_not_go_together_are_refused_by_field(terms: Terms, fields: list[str]) -> None:
    """Every field at fault is named."""
    with pytest.raises(CodedError) as refusal:
        terms.check()
    assert refusal.value.reason == "INVALID_FIELD"
    assert [violation.field for violation in refusal.value.violations] == fields


def test_differing_terms_are_named() -> None:
    """Equal numbers written otherwise do not differ."""
    assert differing_terms(equity(), equity(tick_size=Decimal("0.010"))) == []
    assert differing_terms(equity(), equity(tick_size=Decimal("0.05"), currency="EUR")) == ["currency", "tick_size"]
