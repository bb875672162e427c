"""Orders of every kind at the real engine: replaced, waiting, dated, post-only, for an auction."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.broker.v1 import routing_service_pb2, routing_service_pb2_grpc
from ordermesh.broker.v1.venue_instructions_pb2 import VenueInstructions
from ordermesh.engine.v1 import instrument_pb2, instrument_service_pb2, instrument_service_pb2_grpc
from ordermesh.type.v1 import error_pb2, trading_pb2
from tests.fakes.broker_world import RouteClient, cancel, new_order, order_id, replace
from tests.fixtures.broker import World, restarted_engine

SELL = trading_pb2.SIDE_SELL
TRADE = routing_service_pb2.VENUE_REPORT_TYPE_TRADE
REPLACED = routing_service_pb2.VENUE_REPORT_TYPE_REPLACED
CANCEL_REJECTED = routing_service_pb2.VENUE_REPORT_TYPE_CANCEL_REJECTED
TRIGGERED = routing_service_pb2.VENUE_REPORT_TYPE_TRIGGERED
REJECTED = routing_service_pb2.VENUE_REPORT_TYPE_REJECTED
EXPIRED = routing_service_pb2.VENUE_REPORT_TYPE_EXPIRED
ACCEPTED = routing_service_pb2.VENUE_REPORT_TYPE_ACCEPTED


async def test_replaced_orders_at_the_real_engine(world: World) -> None:
    """A raised quantity loses priority, a lowered one keeps it; below what has traded the order is done."""
    async with world.running() as running, RouteClient(running.channel) as route:
        await route.up()
        await route.send(new_order(1, account_id="a"), new_order(2, account_id="b"), new_order(3, account_id="c"))
        await route.send(replace(4, of=1, quantity="11"), replace(5, of=2, quantity="6"))
        await route.send(new_order(6, account_id="d", side=SELL, quantity="8"))
        reports = await route.reported(3 + 2 + 1 + 4)
        fills = [report for report in reports if report.type == TRADE and report.order_id != order_id(6)]
        assert [(fill.order_id, fill.last_quantity) for fill in fills] == [(order_id(2), "6"), (order_id(3), "2")]
        await route.send(replace(7, of=3, quantity="1"), replace(8, of=3, quantity="20"), cancel(9, of=3))
        done, again, canceled = (await route.reported(13))[10:]
    assert (done.type, done.command_sequence, done.cumulative_quantity) == (REPLACED, 7, "2")
    assert [(each.type, each.command_sequence) for each in (again, canceled)] == [
        (CANCEL_REJECTED, 8),
        (CANCEL_REJECTED, 9),
    ]


async def test_stop_orders_wait_at_the_real_engine(world: World, tmp_path: Path) -> None:
    """One that waits is told for reconciliation as what it is; a trade releases it; a killed engine still has it."""
    instructions = VenueInstructions(
        stop_price="187.5", display_quantity="3", expire_at=Timestamp(seconds=4_000_000_000, nanos=7)
    )
    values: dict[str, Any] = {"type": trading_pb2.ORDER_TYPE_STOP_LIMIT, "time_in_force": trading_pb2.TIME_IN_FORCE_GTD}
    async with world.running() as running, RouteClient(running.channel) as route:
        await route.up()
        await route.send(
            new_order(1, account_id="a", limit_price="188", instructions=instructions, **values),
            new_order(
                2,
                account_id="a",
                type=trading_pb2.ORDER_TYPE_STOP,
                limit_price="",
                instructions=VenueInstructions(stop_price="190"),
            ),
            new_order(3, account_id="b", side=SELL, quantity="12", limit_price="187.6"),
        )
        await route.reported(3)
        async with restarted_engine(world, tmp_path, route):
            request = routing_service_pb2.QueryVenueOrdersRequest(connection_id="simulation", shard=0)
            told = await routing_service_pb2_grpc.RoutingServiceStub(running.channel).QueryVenueOrders(request)
            waiting, bare, _ = sorted(told.orders, key=lambda each: each.order_id)
            assert (waiting.terms.type, waiting.limit_price, waiting.terms.instructions) == (
                values["type"],
                "188",
                instructions,
            )
            assert (bare.terms.type, bare.limit_price) == (trading_pb2.ORDER_TYPE_STOP, "")
            assert (bare.terms.instructions.stop_price, bare.leaves_quantity) == ("190", "10")
            await route.send(replace(4, of=1, quantity="10", limit_price="188", stop_price="187.6"))
            await route.reported(4)
            await route.send(new_order(5, account_id="c", quantity="1", limit_price="187.6"))
            reports = await route.reported(4 + 6)
    own = [(report.type, report.last_quantity) for report in reports if report.order_id == order_id(1)]
    assert own == [(ACCEPTED, ""), (REPLACED, ""), (TRIGGERED, ""), (TRADE, "10")]


async def test_dated_and_post_only_orders_at_the_real_engine(world: World) -> None:
    """The engine refuses and expires in words of the contract."""
    soon = Timestamp()
    async with world.running() as running, RouteClient(running.channel) as route:
        await route.up()
        soon.FromNanoseconds(time.time_ns() + 1_000_000_000)
        await route.send(
            new_order(
                1,
                account_id="a",
                time_in_force=trading_pb2.TIME_IN_FORCE_GTD,
                instructions=VenueInstructions(expire_at=soon),
            ),
            new_order(2, account_id="b", side=SELL, instructions=VenueInstructions(post_only=True)),
            new_order(
                3,
                account_id="b",
                time_in_force=trading_pb2.TIME_IN_FORCE_GTD,
                instructions=VenueInstructions(expire_at=Timestamp(seconds=1)),
            ),
        )
        reports = await route.reported(4)
    assert [(report.order_id, report.type, report.reason) for report in reports] == [
        (order_id(1), ACCEPTED, 0),
        (order_id(2), REJECTED, error_pb2.ERROR_REASON_POST_ONLY_WOULD_TRADE),
        (order_id(3), REJECTED, error_pb2.ERROR_REASON_EXPIRE_AT_REACHED),
        (order_id(1), routing_service_pb2.VENUE_REPORT_TYPE_EXPIRED, error_pb2.ERROR_REASON_EXPIRE_AT_REACHED),
    ]


async def test_orders_for_an_auction_at_the_real_engine(world: World, tmp_path: Path) -> None:
    """They wait with a price or without, are told for reconciliation, outlive a killed engine, expire in the end."""
    closing: dict[str, Any] = {"time_in_force": trading_pb2.TIME_IN_FORCE_AT_THE_CLOSE}
    market: dict[str, Any] = {"type": trading_pb2.ORDER_TYPE_MARKET, "limit_price": ""}
    async with world.running() as running, RouteClient(running.channel) as route:
        await route.up()
        await route.send(
            new_order(1, account_id="a", quantity="10", **market, **closing),
            new_order(2, account_id="b", side=SELL, quantity="4", **closing),
        )
        await route.reported(2)
        async with restarted_engine(world, tmp_path, route) as engine, engine.channel() as channel:
            request = routing_service_pb2.QueryVenueOrdersRequest(connection_id="simulation", shard=0)
            told = await routing_service_pb2_grpc.RoutingServiceStub(running.channel).QueryVenueOrders(request)
            waiting, limited = sorted(told.orders, key=lambda each: each.order_id)
            assert (waiting.terms.type, waiting.limit_price) == (trading_pb2.ORDER_TYPE_MARKET, "")
            assert limited.limit_price == "187.25"
            stub: Any = instrument_service_pb2_grpc.InstrumentServiceStub(channel)
            kind = instrument_pb2.AUCTION_KIND_CLOSING
            await stub.BeginAuction(instrument_service_pb2.BeginAuctionRequest(instrument_id=1, kind=kind))
            await route.send(new_order(3, account_id="c", time_in_force=trading_pb2.TIME_IN_FORCE_IOC))
            await route.reported(3)
            await stub.UncrossAuction(instrument_service_pb2.UncrossAuctionRequest(instrument_id=1))
            reports = (await route.reported(6))[2:]
    assert {(report.order_id, report.type, report.reason, report.last_quantity, report.fee) for report in reports} == {
        (order_id(3), REJECTED, error_pb2.ERROR_REASON_AUCTION_CALL_PHASE, "", ""),
        (order_id(1), TRADE, 0, "4", ""),
        (order_id(2), TRADE, 0, "4", ""),
        (order_id(1), EXPIRED, error_pb2.ERROR_REASON_AUCTION_ENDED, "", ""),
    }


async def test_a_moved_expiry_is_what_the_engine_goes_by(world: World) -> None:
    """An order whose expiry was brought forward expires then, and one that is not dated has none to move."""
    soon, late = Timestamp(), Timestamp(seconds=4_000_000_000)
    async with world.running() as running, RouteClient(running.channel) as route:
        await route.up()
        await route.send(
            new_order(
                1,
                account_id="a",
                time_in_force=trading_pb2.TIME_IN_FORCE_GTD,
                instructions=VenueInstructions(expire_at=late),
            ),
            new_order(2, account_id="a"),
        )
        await route.reported(2)
        soon.FromNanoseconds(time.time_ns() + 1_000_000_000)
        await route.send(replace(3, of=2, expire_at=late), replace(4, of=1, expire_at=soon))
        reports = (await route.reported(5))[2:]
    assert [(report.order_id, report.type, report.reason) for report in reports] == [
        (order_id(2), CANCEL_REJECTED, error_pb2.ERROR_REASON_EXPIRE_AT_REACHED),
        (order_id(1), REPLACED, 0),
        (order_id(1), EXPIRED, error_pb2.ERROR_REASON_EXPIRE_AT_REACHED),
    ]
