"""Schedules: against the paper's own numbers and closed forms, and what must hold for any of them."""

from __future__ import annotations

import math
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.decimals import ZERO
from services.kernel.errors import CodedError
from services.order.domain.algorithms.almgren_chriss import Impact, cost_deviation, expected_cost, holdings, kappa
from services.order.domain.algorithms.estimates import Bar, shortfall_plan, volume_plan, volume_step
from services.order.domain.algorithms.planned import planned
from services.order.domain.algorithms.schedules import (
    DAY_NS,
    interpolated,
    quantity_due,
    schedule_of,
    slice_count,
)
from services.order.domain.algorithms.terms import (
    SECOND_NS,
    Algorithm,
    Participation,
    Plan,
    Shortfall,
    Strategy,
    Twap,
    Vwap,
)
from services.order.domain.instructions import Instructions
from services.order.domain.rules import check
from services.order.domain.terms import OrderTerms
from services.order.domain.values import OrderType, TimeInForce
from tests.fakes.algorithm_world import worked
from tests.fakes.orders import AAPL, terms

MILLION = 1_000_000.0
PAPER = Impact(risk_aversion=1e-6, volatility=0.95, temporary=2.5e-6, permanent=2.5e-7, fixed=0.0625)
"""Table 1 of Almgren and Chriss 2000: a million shares in 5 days of one slice each."""
START, HOUR = 1_700_000_000 * SECOND_NS, 3_600 * SECOND_NS


def algorithm(strategy: Strategy, seconds: int = 3_600, **more: object) -> Algorithm:
    return Algorithm(strategy, START + seconds * SECOND_NS, **more)  # type: ignore[arg-type]  # as each test says


def test_kappa_is_that_of_the_paper() -> None:
    """With the numbers of table 1 kappa is 0.61 / day, and so the half-life of the trade 1.6 days."""
    assert kappa(PAPER, 1.0) == pytest.approx(0.61, abs=0.005)
    assert 1 / kappa(PAPER, 1.0) == pytest.approx(1.6, abs=0.05)


def test_holdings_follow_the_hyperbolic_sine() -> None:
    """x(t) / X = sinh(kappa (T - t)) / sinh(kappa T)."""
    urgency = kappa(PAPER, 1.0)
    expected = [math.sinh(urgency * (5 - t)) / math.sinh(urgency * 5) for t in range(1, 6)]
    assert holdings(urgency, 5, 5.0) == pytest.approx(expected, abs=1e-12)


def test_holdings_solve_the_difference_equation() -> None:
    """(x(k-1) - 2 x(k) + x(k+1)) / tau^2 = kappa~^2 x(k): what makes them optimal."""
    left = [1.0, *holdings(kappa(PAPER, 0.5), 10, 5.0)]
    squared = PAPER.risk_aversion * PAPER.volatility**2 / PAPER.adjusted(0.5)
    for before, here, after in zip(left, left[1:], left[2:], strict=False):
        assert (before - 2 * here + after) / 0.25 == pytest.approx(squared * here, rel=1e-9)


def test_without_risk_aversion_the_schedule_is_even() -> None:
    """Lambda -> 0 gives the straight line, and its cost is that of the paper."""
    even = [0.8, 0.6, 0.4, 0.2, 0.0]
    for risk_aversion in (0.0, 1e-18):
        calm = Impact(risk_aversion, 0.95, 2.5e-6, 2.5e-7, 0.0625)
        assert holdings(kappa(calm, 1.0), 5, 5.0) == pytest.approx(even, abs=1e-9)
    cost = 2.5e-7 * MILLION**2 / 2 + 0.0625 * MILLION + (2.5e-6 - 2.5e-7 / 2) * MILLION**2 / 5
    variance = 0.95**2 * MILLION**2 * 5 * (1 - 1 / 5) * (1 - 1 / 10) / 3
    assert expected_cost(PAPER, MILLION, even, 1.0) == pytest.approx(cost)
    assert cost_deviation(PAPER, MILLION, even, 1.0) == pytest.approx(math.sqrt(variance))


def test_with_boundless_risk_aversion_all_is_done_at_once() -> None:
    """Lambda -> infinity: nothing is left after the first slice, at the cost of the paper and without variance."""
    left = holdings(kappa(Impact(1e12, 0.95, 2.5e-6, 2.5e-7, 0.0625), 1.0), 5, 5.0)
    assert left == pytest.approx([0.0] * 5, abs=1e-9)
    assert expected_cost(PAPER, MILLION, left, 1.0) == pytest.approx(0.0625 * MILLION + 2.5e-6 * MILLION**2)
    assert cost_deviation(PAPER, MILLION, left, 1.0) == pytest.approx(0.0, abs=1e-3)


@given(st.floats(-12, 2), st.floats(0.01, 3))
def test_the_frontier_is_efficient(exponent: float, step: float) -> None:
    """More risk aversion never costs less, never leaves more variance, and is best for its own weight."""
    found = []
    for power in (exponent, exponent + step):
        impact = Impact(10**power, 0.95, 2.5e-6, 2.5e-7, 0.0625)
        left = holdings(kappa(impact, 0.25), 20, 5.0)
        found.append((expected_cost(impact, MILLION, left, 0.25), cost_deviation(impact, MILLION, left, 0.25) ** 2))
    (calm_cost, calm_variance), (eager_cost, eager_variance) = found
    assert eager_cost >= calm_cost * (1 - 1e-9)
    assert eager_variance <= calm_variance * (1 + 1e-9) + 1e-6
    weighed = [cost + 10**exponent * variance for cost, variance in found]
    assert weighed[0] <= weighed[1] * (1 + 1e-9)


def test_slices_are_as_few_as_are_not_too_long() -> None:
    """Usually twenty, from a second to five minutes each; never longer than asked for."""
    assert slice_count(None, HOUR) == 20
    assert slice_count(None, 4 * SECOND_NS) == 4
    assert slice_count(None, 10 * HOUR) == 120
    assert slice_count(7 * SECOND_NS, 20 * SECOND_NS) == 3


def test_a_twap_does_as_much_in_each_slice() -> None:
    """100 in 4 slices: 25 at once, and 25 after each quarter."""
    schedule = schedule_of(algorithm(Twap(900 * SECOND_NS)), START, "a")
    assert schedule is not None
    assert [(at - START) // SECOND_NS for at in schedule.times] == [0, 900, 1800, 2700]
    assert [quantity_due(part, Decimal(100), Decimal(1)) for part in schedule.parts] == [25, 50, 75, 100]
    assert (schedule.due(START - 1), schedule.due(START), schedule.due(START + HOUR)) == (0, 0.25, 1)


@given(st.text(min_size=1, max_size=36), st.sampled_from(["0.1", "0.5", "1"]), st.integers(2, 60))
def test_a_twap_that_is_put_off_can_be_repeated(order_id: str, most: str, slices: int) -> None:
    """The same order id, the same moments; none is put off by more than a part of its slice, or past the next."""
    asked = algorithm(Twap(HOUR // slices, Decimal(most)))
    first, again, even = (
        schedule_of(each, START, order_id) for each in (asked, asked, algorithm(Twap(HOUR // slices)))
    )
    assert first is not None
    assert even is not None
    assert first == again
    length = HOUR // len(even.times) + 1
    for at, begins in zip(first.times, even.times, strict=True):
        assert 0 <= at - begins <= length * float(most)
    assert all(before < after for before, after in pairwise((*first.times, first.end_ns)))


def test_what_is_cut_to_lots_is_carried_over() -> None:
    """10 lots of 10 in three slices: 30, 60, and the last takes the rest."""
    assert [quantity_due(k / 3, Decimal(100), Decimal(10)) for k in (1, 2, 3)] == [30, 60, 100]


def test_a_vwap_follows_the_volume_of_days_past() -> None:
    """Half of the volume in the first of four quarters: half of the order is due with it."""
    plan = Plan("", expected_volumes=tuple(map(Decimal, (500, 250, 150, 100))))
    schedule = schedule_of(algorithm(Vwap(5, 900 * SECOND_NS), plan=plan), START, "a")
    assert schedule is not None
    assert schedule.parts == pytest.approx((0.5, 0.75, 0.9, 1.0))


def test_a_vwap_is_adjusted_to_the_volume_that_there_is() -> None:
    """In the middle of an even hour twice the volume has traded: V / (V + E) = 2/3 instead of 1/2; and with none 0."""
    plan = Plan("", expected_volumes=(Decimal(100),) * 60)
    schedule = schedule_of(algorithm(Vwap(5, 900 * SECOND_NS), plan=plan), START, "a")
    assert schedule is not None
    middle = START + HOUR // 2
    assert schedule.due(middle, Decimal(3000)) == pytest.approx(0.75)
    assert schedule.due(middle, Decimal(6000)) == pytest.approx(0.75 + 2 / 3 - 1 / 2)
    assert schedule.due(middle, ZERO) == pytest.approx(0.25)
    assert schedule.due(middle, None) == pytest.approx(0.75)
    assert schedule.due(START + HOUR - 1, ZERO) == 1


STRATEGIES = st.one_of(
    st.builds(Twap, st.integers(1, 900).map(lambda s: s * SECOND_NS), st.sampled_from([ZERO, Decimal("0.7")])),
    st.builds(Vwap, st.integers(1, 5), st.integers(1, 900).map(lambda s: s * SECOND_NS)),
    st.builds(Shortfall, st.sampled_from([ZERO, Decimal("0.000001"), Decimal(1), Decimal(10**6)])),
)
PLANS = st.builds(
    Plan,
    st.just(""),
    st.lists(st.integers(0, 1000).map(Decimal), min_size=1, max_size=20).filter(any).map(tuple),
    st.sampled_from([Decimal("0.95"), Decimal(0), None]),
    st.just(Decimal("0.0000025")),
)


@given(STRATEGIES, PLANS, st.integers(1, 7200), st.integers(1, 10**6), st.sampled_from(["1", "0.1", "7"]))
def test_every_schedule_rises_to_the_whole(
    strategy: Strategy, plan: Plan, seconds: int, lots: int, lot_size: str
) -> None:
    """Whatever the parameters: slices in order, what is due never falls, in whole lots, and ends with the quantity."""
    asked, lot = algorithm(strategy, seconds, plan=plan), Decimal(lot_size)
    quantity = lots * lot
    schedule = schedule_of(asked, START, "an id")
    assert schedule is not None
    due = [quantity_due(part, quantity, lot) for part in schedule.parts]
    assert all(before <= after for before, after in pairwise((ZERO, *due)))
    assert all(before <= after for before, after in pairwise(schedule.times))
    assert (due[-1], schedule.times[0]) == (quantity, START)
    assert schedule.times[-1] < asked.end_at_ns
    assert all(each % lot == 0 for each in due)


def test_the_middle_of_a_step_is_halfway() -> None:
    """A curve is straight between its points, 0 before the first and flat after the last."""
    assert [interpolated((10.0, 30.0), part) for part in (-1, 0, 0.25, 0.5, 0.75, 1, 2)] == [0, 0, 5, 10, 20, 30, 30]


def test_a_volume_plan_is_the_mean_of_days_that_traded() -> None:
    """Days without a trade do not count; bars that begin beside a part are shared out."""
    step = volume_step(4 * 60 * SECOND_NS)
    assert step == 60 * SECOND_NS
    aligned, shifted = START - DAY_NS, START - 3 * DAY_NS - step // 2
    days = [[Bar(aligned, Decimal(1), Decimal(80))], [], [Bar(shifted, Decimal(1), Decimal(40))]]
    plan = volume_plan(days, START, START + 4 * step, step)
    assert plan.expected_volumes == (50, 0, 0, 0)
    assert "2 of the 3 days" in plan.basis
    assert volume_plan([[], []], START, START + 4 * step, step).expected_volumes == ()


def test_impact_is_estimated_as_in_the_paper() -> None:
    """A spread of 1/8 and 5 million shares a day give eta = 2.5e-6, gamma = 2.5e-7, epsilon = 0.0625: table 1."""
    minute, count = 60 * SECOND_NS, 1440
    bars = [Bar(START + k * minute, Decimal(50 + k % 2), Decimal(5_000_000) / count) for k in range(count)]
    plan = shortfall_plan(Shortfall(ZERO), bars, Decimal("0.125"))
    assert plan.temporary_impact is not None
    assert plan.permanent_impact is not None
    assert plan.volatility is not None
    assert float(plan.temporary_impact) == pytest.approx(2.5e-6)
    assert float(plan.permanent_impact) == pytest.approx(2.5e-7)
    assert plan.fixed_cost == Decimal("0.0625")
    # The price moves by 1 each minute: a variance of 1 a minute, 1440 a day.
    assert float(plan.volatility) == pytest.approx(math.sqrt(1440))


def test_what_is_given_is_not_estimated() -> None:
    """Given parameters need no history; with one missing and nothing to estimate from the schedule is even."""
    given_all = Shortfall(Decimal(1), Decimal("0.95"), Decimal("0.0000025"), ZERO, ZERO)
    plan = shortfall_plan(given_all, (), Decimal("0.01"))
    assert (plan.basis, plan.volatility, plan.permanent_impact) == ("as given", Decimal("0.95"), 0)
    none = shortfall_plan(Shortfall(Decimal(1)), (), Decimal("0.01"))
    assert none.volatility is None
    schedule = schedule_of(algorithm(Shortfall(Decimal(1)), plan=none), START, "a")
    assert schedule is not None
    assert schedule.parts == pytest.approx([k / 20 for k in range(1, 21)])


def test_a_preview_tells_slices_and_what_they_cost() -> None:
    """A schedule is told in lots with its sums; of implementation shortfall also the cost that is expected."""
    strategy = Shortfall(Decimal("0.000001"), slice_ns=HOUR // 4)
    plan = Plan("", (), Decimal("0.95"), Decimal("0.0000025"), Decimal("0.00000025"), Decimal("0.0625"))
    asked = algorithm(strategy, plan=plan)
    told = planned(worked(asked, "1000"), asked, AAPL, START)
    assert sum(each.quantity for each in told.slices) == told.slices[-1].cumulative == 1000
    assert len(told.slices) == 4
    assert told.expected_cost is not None
    # Little is risked in an hour: nearly the even schedule, whose temporary cost is eta~ X^2 / T.
    even = 2.5e-7 * 1e6 / 2 + 62.5 + (2.5e-6 - 2.5e-7 / 24 / 4 / 2) * 1e6 * 24
    assert float(told.expected_cost) == pytest.approx(even, rel=1e-4)


def refusal(order: OrderTerms) -> tuple[str, str]:
    with pytest.raises(CodedError) as caught:
        check(order, AAPL, START)
    return caught.value.reason, caught.value.violations[0].field


@pytest.mark.parametrize(
    ("asked", "changes", "expected"),
    [
        (algorithm(Twap(), 0), {}, ("ALGORITHM_TIME_MISMATCH", "algorithm.end_time")),
        (algorithm(Twap(), 86_401), {}, ("ALGORITHM_TIME_MISMATCH", "algorithm.end_time")),
        (algorithm(Twap(SECOND_NS), 2_001), {}, ("ALGORITHM_TIME_MISMATCH", "algorithm")),
        (algorithm(Twap(), start_at_ns=START + HOUR), {}, ("ALGORITHM_TIME_MISMATCH", "algorithm.end_time")),
        (algorithm(Twap()), {"time_in_force": TimeInForce.GTC}, ("ALGORITHM_MISMATCH", "time_in_force")),
        (algorithm(Twap()), {"time_in_force": TimeInForce.IOC}, ("ALGORITHM_MISMATCH", "time_in_force")),
        (algorithm(Twap()), {"reduce_only": True}, ("ALGORITHM_MISMATCH", "algorithm")),
        (algorithm(Twap()), {"post_only": True}, ("ALGORITHM_MISMATCH", "algorithm")),
        (algorithm(Twap()), {"type": OrderType.STOP_LIMIT}, ("ALGORITHM_MISMATCH", "algorithm")),
        (
            algorithm(Participation(Decimal("0.1"), Decimal(5), Decimal(4))),
            {},
            ("ALGORITHM_MISMATCH", "algorithm.participation_of_volume.max_child_quantity"),
        ),
        (
            algorithm(Participation(Decimal("0.1"), Decimal("0.5"))),
            {},
            ("QUANTITY_OFF_LOT", "algorithm.participation_of_volume.min_child_quantity"),
        ),
        (
            algorithm(Shortfall(Decimal(1), None, Decimal(1), Decimal(2))),
            {},
            ("ALGORITHM_MISMATCH", "algorithm.implementation_shortfall.permanent_impact"),
        ),
    ],
)
def test_an_algorithm_must_go_with_its_order(
    asked: Algorithm, changes: dict[str, object], expected: tuple[str, str]
) -> None:
    """What does not go together is refused, with the field."""
    stop = Decimal(10) if changes.get("type") is OrderType.STOP_LIMIT else None
    instructions = Instructions(
        stop_price=stop,
        post_only=bool(changes.pop("post_only", False)),
        reduce_only=bool(changes.pop("reduce_only", False)),
        works_through_children=True,
        algorithm=asked,
    )
    order = terms(instructions=instructions, **{"time_in_force": TimeInForce.DAY} | changes)  # type: ignore[arg-type]  # as each case says
    assert refusal(order) == expected


def test_the_digest_tells_algorithms_apart_but_not_their_plans() -> None:
    """Another parameter is another request; the plan is not the caller's."""
    asked = algorithm(Vwap(3))
    assert asked.digest_text() == asked.planned(Plan("of something", (Decimal(1),))).digest_text()
    texts = {
        each.digest_text()
        for each in (
            asked,
            algorithm(Vwap(4)),
            algorithm(Vwap(3), 7200),
            algorithm(Vwap(3), cross_at_end=True),
            algorithm(Twap(Vwap(3).history_days)),
            algorithm(Participation(Decimal("0.1"))),
            algorithm(Participation(Decimal("0.1"), max_child=Decimal(3))),
            algorithm(Participation(Decimal("0.1"), min_child=Decimal(3))),
        )
    }
    assert len(texts) == 8
