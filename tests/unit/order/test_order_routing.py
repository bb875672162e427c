"""Orders that are routed: their children, rounds, what rests, and every interruption."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace as changed
from decimal import Decimal

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.order.v1 import algorithm_pb2, smart_routing_pb2
from services.kernel.errors import CodedError
from services.order.domain.algorithms.routing_terms import RoutingPlan, SmartRouting
from services.order.domain.algorithms.rules import check_algorithm
from services.order.domain.algorithms.terms import Aggressiveness, Algorithm
from services.order.domain.order import Order
from services.order.domain.quotes import Quote
from services.order.domain.replacing import ReplaceRequest
from services.order.domain.terms import OrderTerms
from services.order.domain.values import ExecutionType, OrderStatus, OrderType, TimeInForce
from services.order.servicer.algorithms import algorithm_of_request
from services.order.wire_algorithms import algorithm_message, algorithm_of
from tests.fakes.algorithm_world import NAME, SECOND_NS, STEP_NS, AlgorithmWorld, algorithm_world, worked
from tests.fakes.order_store import Fault, lost_after, lost_before
from tests.fakes.orders import AAPL

OTHER = "AAPL.XIEX"
SMART = SmartRouting()


@pytest.fixture
async def world() -> AsyncIterator[AlgorithmWorld]:
    """30 offered at 10.02 on XNAS; 20 at 10.00 and 40 at 10.03 on XIEX; and venues that have what their books tell."""
    async with algorithm_world() as running:
        running.instruments.at_once[OTHER] = changed(AAPL, name=OTHER, tick_size=Decimal("0.05"))
        running.depths.offer(NAME, ("10.02", "30"), bids=(("9.99", "10"),))
        running.depths.offer(OTHER, ("10.00", "20"), ("10.05", "40"))
        running.venue.offered = {NAME: Decimal(30), OTHER: Decimal(60)}
        yield running


def routed(
    world: AlgorithmWorld,
    quantity: str = "70",
    limit_price: str | None = None,
    *,
    strategy: SmartRouting = SMART,
    seconds: int = 60,
) -> OrderTerms:
    """Returns a buy order that is routed."""
    end_ns = world.clock.now_ns() + seconds * SECOND_NS
    return worked(Algorithm(strategy, end_ns, aggressiveness=Aggressiveness.AGGRESSIVE), quantity, limit_price)


def kept(order: Order) -> RoutingPlan:
    """Returns the plan that is in the log."""
    instructions = order.terms.instructions
    assert instructions is not None
    assert instructions.algorithm is not None
    assert instructions.algorithm.plan is not None
    assert instructions.algorithm.plan.routing is not None
    return instructions.algorithm.plan.routing


def sent(world: AlgorithmWorld, parent: Order) -> list[tuple[str, Decimal, Decimal | None, TimeInForce]]:
    """Returns the children in short."""
    children = (child.terms for child in world.children(parent))
    return [(each.instrument, each.quantity, each.limit_price, each.time_in_force) for each in children]


IOC, DAY = TimeInForce.IOC, TimeInForce.DAY


async def test_an_order_is_filled_over_both_listings_in_one_round(world: AlgorithmWorld) -> None:
    """One child each, the cheapest first, that name their parent; the plan is in the log, and comes back from it."""
    parent = await world.place(routed(world))
    await world.advance(0.5)
    assert sent(world, parent) == [
        (OTHER, Decimal(40), Decimal("10.05"), IOC),
        (NAME, Decimal(30), Decimal("10.02"), IOC),
    ]
    assert {child.connection_id for child in world.children(parent)} == {"simulation"}
    done = world.order(parent)
    assert (done.status, done.cumulative) == (OrderStatus.FILLED, 70)
    assert (kept(done).round, kept(done).unrouted) == (1, 0)
    own = [entry.event.type for entry in world.store.entries if entry.order.terms.order_id == parent.terms.order_id]
    assert own[1] is ExecutionType.RESTATED
    assert done.terms.instructions is not None
    algorithm = done.terms.instructions.algorithm
    assert algorithm is not None
    assert algorithm_of(algorithm_message(algorithm)) == algorithm


async def test_what_a_book_did_not_hold_is_planned_anew_from_fresh_books(world: AlgorithmWorld) -> None:
    """A venue that fills less than it told is made up for by another in the next round."""
    world.venue.offered[OTHER] = Decimal(10)
    parent = await world.place(routed(world, "30", strategy=SmartRouting(max_venue_quantity=Decimal(20))))
    await world.turn()
    world.depths.offer(OTHER)
    await world.advance(1.5)
    assert world.order(parent).status is OrderStatus.FILLED
    assert kept(world.order(parent)).round == 2
    assert [(name, quantity) for name, quantity, _, _ in sent(world, parent)] == [(OTHER, 20), (NAME, 10), (NAME, 10)]


async def test_no_round_sends_more_to_a_listing_than_it_may(world: AlgorithmWorld) -> None:
    """What books offer beyond that is taken in the next round: resting at the limit, it would take it all at once."""
    strategy = SmartRouting(venues=("XNAS",), max_venue_quantity=Decimal(10))
    parent = await world.place(routed(world, "40", "10.02", strategy=strategy))
    await world.turn()
    assert sent(world, parent) == [(NAME, Decimal(10), Decimal("10.02"), IOC)]
    assert kept(world.order(parent)).unrouted == 30
    world.depths.offer(NAME, ("10.02", "5"))
    await world.advance(1)
    assert sent(world, parent)[1:] == [
        (NAME, Decimal(5), Decimal("10.02"), IOC),
        (NAME, Decimal(25), Decimal("10.02"), DAY),
    ]


async def test_a_market_order_ends_once_its_rounds_are_used_up(world: AlgorithmWorld) -> None:
    """It ends with what it has, and says why."""
    world.venue.offered = {NAME: Decimal(0), OTHER: Decimal(5)}
    parent = await world.place(routed(world, strategy=SmartRouting(max_rounds=2)))
    await world.advance(8)
    ended = world.order(parent)
    assert (ended.status, ended.reason, ended.cumulative) == (OrderStatus.CANCELED, "ROUTING_ENDED", 5)
    assert len(sent(world, parent)) == 4


async def test_a_market_order_waits_for_offers_without_using_rounds_up(world: AlgorithmWorld) -> None:
    """While no book offers anything nothing is sent; at its end time it expires."""
    for name in (NAME, OTHER):
        world.depths.offer(name)
    parent = await world.place(routed(world, seconds=5))
    await world.advance(3)
    assert not world.children(parent)
    world.depths.offer(NAME, ("10.02", "30"))
    while not world.order(parent).cumulative:
        world.clock.advance_ns(STEP_NS)
        await world.turn()
    assert (world.order(parent).cumulative, kept(world.order(parent)).round) == (30, 1)
    world.depths.offer(NAME)
    await world.advance(2)
    assert (world.order(parent).status, world.order(parent).reason) == (OrderStatus.EXPIRED, "ALGORITHM_ENDED")


async def test_the_rest_of_a_limit_order_rests_and_is_called_back_for_an_offer(world: AlgorithmWorld) -> None:
    """It rests at its limit, cut to the tick of the listing, until another listing offers what it wants."""
    parent = await world.place(routed(world, "60", "10.02"))
    await world.advance(0.5)
    assert sent(world, parent) == [
        (OTHER, Decimal(20), Decimal("10.00"), IOC),
        (NAME, Decimal(30), Decimal("10.02"), IOC),
        (NAME, Decimal(10), Decimal("10.02"), DAY),
    ]
    world.depths.offer(NAME)
    world.quotes.quotes[NAME] = Quote(NAME, Decimal("10.02"))
    world.quotes.quotes[OTHER] = Quote(OTHER, Decimal("9.95"), Decimal("10.05"))
    await world.advance(2)
    assert len(sent(world, parent)) == 3
    world.quotes.quotes[OTHER] = Quote(OTHER, Decimal("9.95"), Decimal("10.00"))
    world.depths.offer(OTHER, ("10.00", "10"))
    await world.advance(2)
    assert sent(world, parent)[3:] == [(OTHER, Decimal(10), Decimal("10.00"), IOC)]
    assert world.order(parent).status is OrderStatus.FILLED


async def test_venues_and_connections_that_are_named_are_used_alone(world: AlgorithmWorld) -> None:
    """Of the connections that may be used the cheaper one is, and one that is down is not."""
    world.routes.fees = {"dear": Decimal("0.01"), "cheap": Decimal("0.0001"), "free": Decimal(0)}
    world.routes.down = {"free"}
    world.store.cursors |= {"cheap": ("e", 0)}
    strategy = SmartRouting(("XNAS",), ("cheap", "dear", "free"))
    parent = await world.place(routed(world, "30", strategy=strategy))
    await world.advance(0.25)
    assert [(route.instrument, route.connection_id) for route in kept(world.order(parent)).routes] == [(NAME, "cheap")]
    assert [child.terms.connection_id for child in world.children(parent)] == ["cheap"]


async def test_an_order_without_any_way_waits_and_its_plan_is_refused(world: AlgorithmWorld) -> None:
    """No book: NO_ROUTE for who asks for a plan; the order waits."""
    world.depths.books.clear()
    terms = routed(world)
    with pytest.raises(CodedError) as caught:
        await world.planner.plan(terms, SMART, terms.quantity)
    assert caught.value.reason == "NO_ROUTE"
    parent = await world.place(terms)
    await world.advance(2)
    assert world.order(parent).status is OrderStatus.NEW
    world.depths.offer(NAME, ("10.02", "100"))
    world.venue.offered[NAME] = Decimal(100)
    await world.advance(1.25)
    assert world.order(parent).status is OrderStatus.FILLED


async def test_listings_of_another_currency_or_multiplier_are_not_the_same(world: AlgorithmWorld) -> None:
    """One unit of them is another thing."""
    for differing in (changed(AAPL, name=OTHER, currency="EUR"), changed(AAPL, name=OTHER, multiplier=Decimal(10))):
        world.instruments.at_once[OTHER] = differing
        assert [each.name for each in world.planner.allowed(routed(world), SMART)] == [NAME]


async def test_venues_that_fill_less_and_answer_late_become_dearer(world: AlgorithmWorld) -> None:
    """After children that came to nothing, a worse price elsewhere is taken first."""
    world.venue.offered[OTHER] = Decimal(0)
    world.depths.offer(NAME, ("10.01", "30"), bids=(("9.90", "10"),))
    parent = await world.place(routed(world, "20"))
    await world.turn()
    assert world.record.fill_probability(OTHER, "simulation") == pytest.approx(9 / 11)
    assert world.record.fill_probability(NAME, "simulation") == pytest.approx(9 / 10)
    await world.advance(30)
    assert world.order(parent).status is OrderStatus.FILLED
    assert [name for name, *_ in sent(world, parent)] == [OTHER, OTHER, NAME]


@pytest.mark.parametrize("fault", [lost_before, lost_after])
@pytest.mark.parametrize("after", range(6))
async def test_nothing_is_sent_twice_whatever_is_lost(world: AlgorithmWorld, fault: Fault, after: int) -> None:
    """A lost transaction at any point, and a crash after it: the order is filled once. The world checks the sums."""
    parent = await world.place(routed(world))
    for _ in range(after):
        await world.through()
        for run in world.algorithms.waiting.take_waiting(100):
            await world.preparing.prepare(run)
        await world.algorithms.step()
    world.store.faults.append(fault)
    await world.turn()
    await world.crash()
    await world.start()
    await world.advance(40)
    assert world.order(parent).status is OrderStatus.FILLED
    assert sum(child.cumulative for child in world.children(parent)) == 70


async def test_a_cancel_ends_parent_and_children(world: AlgorithmWorld) -> None:
    """What rests at another listing is called back with its parent."""
    parent = await world.place(routed(world, "60", "10.02", strategy=SmartRouting(("XIEX",))))
    await world.advance(0.5)
    assert [(name, lives) for name, _, _, lives in sent(world, parent)] == [(OTHER, IOC), (OTHER, DAY)]
    await world.orders.cancel(parent.terms.order_id)
    await world.advance(0.5)
    assert world.order(parent).status is OrderStatus.CANCELED
    assert not any(child.live for child in world.children(parent))


async def test_a_replace_is_routed_by_its_new_terms(world: AlgorithmWorld) -> None:
    """A better limit takes what rests back, and takes what is within it now."""
    parent = await world.place(routed(world, "60", "10.02"))
    await world.advance(0.5)
    assert world.order(parent).cumulative == 50
    world.depths.offer(NAME)
    world.depths.offer(OTHER, ("10.05", "40"))
    world.quotes.quotes[NAME] = Quote(NAME, Decimal("10.02"))
    world.quotes.quotes[OTHER] = Quote(OTHER, Decimal("9.95"), Decimal("10.05"))
    await world.replacing.replace(ReplaceRequest(parent.terms.order_id, "r-1", None, Decimal("10.05")))
    await world.advance(3)
    assert sent(world, parent)[-1] == (OTHER, Decimal(10), Decimal("10.05"), IOC)
    assert world.order(parent).status is OrderStatus.FILLED


async def test_a_listing_that_rejects_counts_as_not_filled(world: AlgorithmWorld) -> None:
    """Children that nobody takes are given up in the end, and the order says why."""
    parent = await world.place(routed(world, "20", strategy=SmartRouting(("XIEX",), max_rounds=50), seconds=900))
    world.venue.rejects = True
    await world.advance(240)
    ended = world.order(parent)
    assert (ended.status, ended.reason) == (OrderStatus.CANCELED, "ALGORITHM_GAVE_UP")
    assert world.record.fill_probability(OTHER, "simulation") < 0.6


def test_the_request_of_a_repeated_order_may_name_venues_in_another_order() -> None:
    """What is asked for is the same set; a plan is never given."""
    asked = algorithm_pb2.Algorithm(
        smart_routing=smart_routing_pb2.SmartRouting(venues=["XNAS", "XIEX"], connection_ids=["b", "a"]),
        end_time=Timestamp(seconds=60),
    )
    algorithm = algorithm_of_request(asked)
    assert algorithm.strategy == SmartRouting(("XIEX", "XNAS"), ("a", "b"))
    assert algorithm.aggressiveness is Aggressiveness.AGGRESSIVE
    assert "venues=XIEX,XNAS" in algorithm.digest_text()
    asked.plan.routing.round = 1
    with pytest.raises(CodedError):
        algorithm_of_request(asked)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"cross_at_end": True}, "algorithm"),
        ({"max_participation": Decimal("0.1")}, "algorithm"),
        ({"aggressiveness": Aggressiveness.PASSIVE}, "algorithm.child_aggressiveness"),
    ],
)
def test_what_does_not_go_with_routing_is_refused(wrong: dict[str, object], field: str) -> None:
    """Terms that routing would not heed are refused, not dropped."""
    right = Algorithm(SMART, 10 * SECOND_NS, aggressiveness=Aggressiveness.AGGRESSIVE)
    algorithm = changed(right, **wrong)  # type: ignore[arg-type]  # as each case says
    terms = worked(algorithm)
    assert terms.type is OrderType.MARKET
    assert terms.instructions is not None
    check_algorithm(terms, terms.instructions, right, 0)
    with pytest.raises(CodedError) as caught:
        check_algorithm(terms, terms.instructions, algorithm, 0)
    assert caught.value.reason == "ALGORITHM_MISMATCH"
    assert field in str(caught.value.violations)
