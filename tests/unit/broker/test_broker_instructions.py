"""Stop prices, expiries, post-only and display quantities on their way to the engine, and what is refused here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace as changed
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.broker.v1 import routing_service_pb2
from ordermesh.broker.v1.venue_instructions_pb2 import VenueInstructions
from ordermesh.engine.v1 import execution_pb2, order_pb2
from ordermesh.type.v1 import error_pb2, trading_pb2
from services.broker.domain.messages import OrderType, ReportKind, TimeInForce
from services.broker.peers import simulation
from services.broker.peers.engine_codec import EngineCodec
from tests.fakes.broker_world import BrokerWorld, broker_world, cancel, new_order, order_bytes, order_id, replace

REJECTED = routing_service_pb2.VENUE_REPORT_TYPE_REJECTED
STOP_LIMIT, STOP = trading_pb2.ORDER_TYPE_STOP_LIMIT, trading_pb2.ORDER_TYPE_STOP
GTD = trading_pb2.TIME_IN_FORCE_GTD


@pytest_asyncio.fixture
async def world() -> AsyncIterator[BrokerWorld]:
    async with broker_world() as running:
        yield running


def instructed(number: int, **values: Any) -> routing_service_pb2.VenueCommand:
    """Returns a stop-limit order with every instruction that it may have."""
    instructions = VenueInstructions(
        stop_price="187.5", display_quantity="3", expire_at=Timestamp(seconds=9_000_000_000, nanos=5)
    )
    terms: dict[str, Any] = {"type": STOP_LIMIT, "time_in_force": GTD, "instructions": instructions}
    return new_order(number, **(terms | values))


async def test_instructions_reach_the_engine_in_ticks_lots_and_nanoseconds(world: BrokerWorld) -> None:
    """A plain order beside it has none of them; a new stop price goes with a replace."""
    async with world.route() as route:
        await route.up()
        post_only = VenueInstructions(post_only=True)
        await route.send(
            instructed(1), new_order(2), new_order(3, instructions=post_only), replace(4, of=1, stop_price="187.4")
        )
        await route.reported(4)
    commands = [command for _, received in world.engine.received for command in received]
    first, plain, passive = (command.new_order for command in commands[:3])
    assert (first.order_type, first.time_in_force) == (
        order_pb2.ORDER_TYPE_STOP_LIMIT,
        order_pb2.TIME_IN_FORCE_GOOD_TILL_DATE,
    )
    assert (first.price_ticks, first.stop_price_ticks, first.display_quantity_lots) == (18725, 18750, 3)
    assert (first.expire_time_ns, first.post_only) == (9_000_000_000_000_000_005, False)
    assert (plain.stop_price_ticks, plain.display_quantity_lots, plain.expire_time_ns) == (0, 0, 0)
    assert passive.post_only
    assert commands[3].replace_order.stop_price_ticks == 18740
    assert not commands[3].replace_order.HasField("display_quantity_lots")


async def test_orders_for_an_auction_and_another_expiry_reach_the_engine(world: BrokerWorld) -> None:
    """Each auction has a time in force of its own; a replace that names no expiry leaves it as it was."""
    async with world.route() as route:
        await route.up()
        later = Timestamp(seconds=9_000_000_000, nanos=7)
        await route.send(
            new_order(
                1, type=trading_pb2.ORDER_TYPE_MARKET, limit_price="", time_in_force=int(TimeInForce.AT_THE_OPENING)
            ),
            new_order(2, time_in_force=int(TimeInForce.AT_THE_CLOSE)),
            replace(3, of=2, expire_at=later),
            replace(4, of=2),
        )
        await route.reported(4)
    opening, closing, moved, left = [command for _, received in world.engine.received for command in received]
    assert opening.new_order.time_in_force == order_pb2.TIME_IN_FORCE_AT_THE_OPENING
    assert (opening.new_order.order_type, opening.new_order.price_ticks) == (order_pb2.ORDER_TYPE_MARKET, 0)
    assert closing.new_order.time_in_force == order_pb2.TIME_IN_FORCE_AT_THE_CLOSE
    assert moved.replace_order.expire_time_ns == 9_000_000_000_000_000_007
    assert not left.replace_order.HasField("expire_time_ns")


@pytest.mark.parametrize(
    ("values", "name", "told"),
    [
        ({"stop_price": "187.505"}, "stop_price_ticks", 2**63 - 1),
        ({"display_quantity": "1.5"}, "display_quantity_lots", -1),
    ],
)
async def test_what_cannot_be_told_is_sent_so_that_the_engine_refuses_it(
    world: BrokerWorld, values: dict[str, str], name: str, told: int
) -> None:
    """Outside of every band, fewer lots than none: the refusal has its place in the engine's sequence."""
    async with world.route() as route:
        await route.up()
        await route.send(new_order(1, instructions=VenueInstructions(**values)))  # type: ignore[arg-type]  # as each case says
        await route.reported(1)
    [command] = [command for _, received in world.engine.received for command in received]
    assert getattr(command.new_order, name) == told


@pytest.mark.parametrize(
    ("offered", "values", "says"),
    [
        ({"order_types": frozenset({OrderType.LIMIT, OrderType.MARKET})}, {}, "does not take STOP_LIMIT orders"),
        ({"times_in_force": frozenset({TimeInForce.GTC, TimeInForce.DAY})}, {}, "does not take GTD orders"),
        ({"takes_display_quantity": False}, {}, "does not show a part of an order"),
        (
            {"takes_post_only": False},
            {"type": 2, "time_in_force": 2, "instructions": VenueInstructions(post_only=True)},
            "does not take post-only orders",
        ),
    ],
)
async def test_a_connection_that_lacks_something_refuses_what_needs_it(
    world: BrokerWorld, monkeypatch: pytest.MonkeyPatch, offered: dict[str, Any], values: dict[str, Any], says: str
) -> None:
    """Typed, outside of the venue's sequence; orders that do not need it go their way."""
    monkeypatch.setattr(simulation, "CAPABILITIES", changed(simulation.CAPABILITIES, **offered))
    async with world.route() as route:
        await route.up()
        await route.send(new_order(1), instructed(2, **values), new_order(3), cancel(4, of=3))
        reports = await route.reported(4)
    refused = next(report for report in reports if not report.sequence)
    assert (refused.type, refused.order_id) == (REJECTED, order_id(2))
    assert refused.reason == error_pb2.ERROR_REASON_NOT_SUPPORTED_BY_ADAPTER
    assert says in refused.text
    assert [c.command_sequence for _, received in world.engine.received for c in received] == [1, 3, 4]


REASONS = [
    ("TRIGGERED", "UNSPECIFIED", ReportKind.TRIGGERED, ""),
    ("REJECTED", "POST_ONLY", ReportKind.REJECTED, "POST_ONLY_WOULD_TRADE"),
    ("CANCEL_REJECTED", "POST_ONLY", ReportKind.CANCEL_REJECTED, "POST_ONLY_WOULD_TRADE"),
    ("EXPIRED", "EXPIRE_TIME", ReportKind.EXPIRED, "EXPIRE_AT_REACHED"),
    ("EXPIRED", "END_OF_DAY", ReportKind.EXPIRED, "TRADING_DAY_ENDED"),
    ("EXPIRED", "AUCTION_OVER", ReportKind.EXPIRED, "AUCTION_ENDED"),
    ("REJECTED", "CALL_PHASE", ReportKind.REJECTED, "AUCTION_CALL_PHASE"),
    ("CANCEL_REJECTED", "INVALID_EXPIRE_TIME", ReportKind.CANCEL_REJECTED, "EXPIRE_AT_REACHED"),
    ("REJECTED", "INVALID_EXPIRE_TIME", ReportKind.REJECTED, "EXPIRE_AT_REACHED"),
    ("REJECTED", "INVALID_DISPLAY_QUANTITY", ReportKind.REJECTED, "QUANTITY_OUT_OF_RANGE"),
    ("REJECTED", "INVALID_STOP_PRICE", ReportKind.REJECTED, "VENUE_REJECTED"),
    ("REJECTED", "INVALID_EXECUTION_INSTRUCTION", ReportKind.REJECTED, "VENUE_REJECTED"),
]


@pytest.mark.parametrize(("type_", "why", "kind", "reason"), REASONS)
async def test_what_the_engine_says_has_a_reason_of_the_contract(
    world: BrokerWorld, type_: str, why: str, kind: ReportKind, reason: str
) -> None:
    """A trigger needs none."""
    async with world.route() as route:
        await route.up()
        await route.send(new_order(1))
        await route.reported(1)
    codec: EngineCodec = world.adapter._codec
    execution = execution_pb2.Execution(
        order_id=order_bytes(1),
        instrument_id=1,
        execution_type=execution_pb2.ExecutionType.Value(f"EXECUTION_TYPE_{type_}"),
        reason=execution_pb2.ExecutionReason.Value(f"EXECUTION_REASON_{why}"),
    )
    told = codec.report(execution)
    assert (told.kind, told.reason) == (kind, reason)
    assert bool(told.text) == bool(reason)
