"""Kinds of orders beyond the plain ones, over gRPC: what is told of them, and that a restart changes nothing."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc.aio
import pytest
import pytest_asyncio

from ordermesh.engine.v1 import (
    execution_pb2,
    instrument_pb2,
    instrument_service_pb2,
    instrument_service_pb2_grpc,
    market_feed_service_pb2,
    market_feed_service_pb2_grpc,
    order_entry_service_pb2,
    order_pb2,
)
from tests.fixtures.engine import BUY, SELL, Engine, Trader, define, kinds, new_order, order_id
from tests.fixtures.waiting import eventually

GOOD_TILL_DATE = order_pb2.TIME_IN_FORCE_GOOD_TILL_DATE


@pytest_asyncio.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    """A running engine with one instrument."""
    engine = await Engine(tmp_path).start()
    async with engine.channel() as channel:
        await define(channel, 1)
    yield engine
    assert await engine.stop() == 0


async def told(
    channel: grpc.aio.Channel, participant: str
) -> tuple[list[execution_pb2.Execution], list[order_pb2.OpenOrder]]:
    """Asks for every execution and the open orders of a participant."""
    stub = Trader(channel, participant).stub
    request = order_entry_service_pb2.QueryExecutionsRequest(participant=participant)
    executions = list((await stub.QueryExecutions(request)).executions)
    query = order_entry_service_pb2.QueryOpenOrdersRequest(participant=participant)
    return executions, [order async for batch in stub.QueryOpenOrders(query) for order in batch.orders]


async def same_after_a_crash(engine: Engine, *participants: str) -> None:
    """Kills the engine, and checks that it comes back with the same executions and open orders."""
    async with engine.channel() as channel:
        before = [await told(channel, participant) for participant in participants]
    await engine.kill()
    await engine.start()
    async with engine.channel() as channel:
        assert [await told(channel, participant) for participant in participants] == before


async def test_a_post_only_order_never_takes(engine: Engine) -> None:
    """Where it would take it is refused with a reason; else it rests, and is shown as post-only."""
    async with engine.channel() as channel:
        trader = await Trader(channel, "one").open()
        await trader.send(
            new_order(1, SELL, 5, 100),
            new_order(2, BUY, 5, 100, post_only=True),
            new_order(3, BUY, 5, 99, post_only=True),
            order_pb2.Command(
                command_sequence=4,
                replace_order=order_pb2.ReplaceOrder(order_id=order_id(3), price_ticks=100, quantity_lots=5),
            ),
            new_order(5, BUY, 5, 99, post_only=True, time_in_force=order_pb2.TIME_IN_FORCE_IMMEDIATE_OR_CANCEL),
        )
        executions = await trader.executions(5)
        assert kinds(executions) == ["NEW", "REJECTED", "NEW", "CANCEL_REJECTED", "REJECTED"]
        assert [each.reason for each in executions] == [
            execution_pb2.EXECUTION_REASON_UNSPECIFIED,
            execution_pb2.EXECUTION_REASON_POST_ONLY,
            execution_pb2.EXECUTION_REASON_UNSPECIFIED,
            execution_pb2.EXECUTION_REASON_POST_ONLY,
            execution_pb2.EXECUTION_REASON_INVALID_EXECUTION_INSTRUCTION,
        ]
        _, orders = await told(channel, "one")
        assert [(order.price_ticks, order.post_only) for order in orders] == [(100, False), (99, True)]
    await same_after_a_crash(engine, "one")


async def test_a_good_till_date_order_expires_by_itself(engine: Engine) -> None:
    """It expires at its time with nobody asking, and a restart tells of it as it was told."""
    due = time.time_ns() + 1_000_000_000
    async with engine.channel() as channel:
        trader = await Trader(channel, "one").open()
        await trader.send(
            new_order(1, BUY, 5, 100, time_in_force=GOOD_TILL_DATE, expire_time_ns=due),
            new_order(2, BUY, 5, 100, time_in_force=GOOD_TILL_DATE, expire_time_ns=due + 3_600_000_000_000),
            new_order(3, BUY, 5, 100, time_in_force=GOOD_TILL_DATE, expire_time_ns=1),
        )
        accepted, later, refused, expired = await trader.executions(4)
        assert kinds([accepted, later, refused, expired]) == ["NEW", "NEW", "REJECTED", "EXPIRED"]
        assert refused.reason == execution_pb2.EXECUTION_REASON_INVALID_EXPIRE_TIME
        assert expired.order_id == order_id(1)
        assert expired.reason == execution_pb2.EXECUTION_REASON_EXPIRE_TIME
        assert expired.order_status == order_pb2.ORDER_STATUS_EXPIRED
        assert expired.time_ns >= due
        _, orders = await told(channel, "one")
        assert [order.expire_time_ns for order in orders] == [due + 3_600_000_000_000]
    await same_after_a_crash(engine, "one")


async def test_an_order_that_fell_due_while_the_engine_was_away_expires_at_its_start(engine: Engine) -> None:
    """The engine starts, sees that the time has passed, and lets the order expire before anybody can trade with it."""
    due = time.time_ns() + 1_000_000_000
    async with engine.channel() as channel:
        trader = await Trader(channel, "one").open()
        await trader.send(new_order(1, BUY, 5, 100, time_in_force=GOOD_TILL_DATE, expire_time_ns=due))
        await trader.executions(1)
    await engine.kill()
    await eventually(time.time_ns, lambda now: now >= due)
    await engine.start()
    async with engine.channel() as channel:
        other = await Trader(channel, "two").open()
        await other.send(new_order(1, SELL, 5, 100))
        assert kinds(await other.executions(1)) == ["NEW"]
        assert kinds((await told(channel, "one"))[0]) == ["NEW", "EXPIRED"]


async def test_an_iceberg_order_shows_a_part_of_itself(engine: Engine) -> None:
    """Depth and open orders show a tranche; the next comes when it is traded, also after a restart."""
    async with engine.channel() as channel:
        maker = await Trader(channel, "one").open()
        taker = await Trader(channel, "two").open()
        await maker.send(
            new_order(1, SELL, 12, 100, display_quantity_lots=5),
            new_order(2, SELL, 4, 100),
            new_order(3, SELL, 4, 100, display_quantity_lots=5),
        )
        executions = await maker.executions(3)
        assert kinds(executions) == ["NEW", "NEW", "REJECTED"]
        assert executions[2].reason == execution_pb2.EXECUTION_REASON_INVALID_DISPLAY_QUANTITY
        await taker.send(new_order(1, BUY, 6, 100))
        assert [each.last_quantity_lots for each in await taker.executions(3)] == [0, 5, 1]
        orders = (await told(channel, "one"))[1]
        assert [(order.leaves_quantity_lots, order.displayed_leaves_lots) for order in orders] == [(7, 5), (3, 3)]
        assert [order.display_quantity_lots for order in orders] == [5, 0]
        assert await asks(channel) == [(100, 8, 2)]
    await same_after_a_crash(engine, "one", "two")
    async with engine.channel() as channel:
        maker = await Trader(channel, "one").open(after=5)
        reveal = order_pb2.ReplaceOrder(
            order_id=order_id(1), price_ticks=100, quantity_lots=12, display_quantity_lots=0
        )
        await maker.send(order_pb2.Command(command_sequence=4, replace_order=reveal))
        assert kinds(await maker.executions(1)) == ["REPLACED"]
        assert await asks(channel) == [(100, 10, 2)]


async def asks(channel: grpc.aio.Channel) -> list[tuple[int, int, int]]:
    """Asks for a snapshot of the feed, and returns price, quantity and orders of each ask."""
    subscription = market_feed_service_pb2.InstrumentSubscription(instrument_id=1)
    request = market_feed_service_pb2.SubscribeRequest(subscriptions=[subscription])
    async for message in market_feed_service_pb2_grpc.MarketFeedServiceStub(channel).Subscribe(request):
        if message.HasField("snapshot"):
            return [(level.price_ticks, level.quantity_lots, level.order_count) for level in message.snapshot.asks]
    raise AssertionError("the feed ended before a snapshot")


async def test_stop_orders_wait_for_their_price_and_are_told_when_they_go(engine: Engine) -> None:
    """They are shown as waiting, survive a crash, are triggered by another's trade, and can be changed before."""
    stop = {"order_type": order_pb2.ORDER_TYPE_STOP, "stop_price_ticks": 105}
    stop_limit = {"order_type": order_pb2.ORDER_TYPE_STOP_LIMIT, "stop_price_ticks": 110}
    async with engine.channel() as channel:
        waiter = await Trader(channel, "one").open()
        await waiter.send(
            new_order(1, BUY, 3, 0, **stop),
            new_order(2, BUY, 4, 108, **stop_limit),
            new_order(3, BUY, 4, 100, stop_price_ticks=105),
        )
        executions = await waiter.executions(3)
        assert kinds(executions) == ["NEW", "NEW", "REJECTED"]
        assert [each.stop_price_ticks for each in executions] == [105, 110, 105]
        assert executions[2].reason == execution_pb2.EXECUTION_REASON_INVALID_STOP_PRICE
    await same_after_a_crash(engine, "one")
    async with engine.channel() as channel:
        waiter = await Trader(channel, "one").open(after=3)
        orders = (await told(channel, "one"))[1]
        assert [(order.waiting, order.order_type, order.stop_price_ticks) for order in orders] == [
            (True, order_pb2.ORDER_TYPE_STOP, 105),
            (True, order_pb2.ORDER_TYPE_STOP_LIMIT, 110),
        ]
        change = order_pb2.ReplaceOrder(order_id=order_id(2), price_ticks=107, quantity_lots=4, stop_price_ticks=106)
        await waiter.send(order_pb2.Command(command_sequence=4, replace_order=change))
        assert kinds(await waiter.executions(1)) == ["REPLACED"]
        other = await Trader(channel, "two").open()
        await other.send(new_order(1, SELL, 1, 105), new_order(2, SELL, 4, 106), new_order(3, BUY, 1, 105))
        released = await waiter.executions(4)
        assert [
            (kind, each.order_id, each.last_price_ticks) for kind, each in zip(kinds(released), released, strict=True)
        ] == [
            ("TRIGGERED", order_id(1), 0),
            ("TRADE", order_id(1), 106),
            ("TRIGGERED", order_id(2), 0),
            ("TRADE", order_id(2), 106),
        ]
        (order,) = (await told(channel, "one"))[1]
        assert (order.waiting, order.order_type, order.leaves_quantity_lots) == (False, order_pb2.ORDER_TYPE_LIMIT, 3)
        assert (order.price_ticks, order.stop_price_ticks) == (107, 106)
    await same_after_a_crash(engine, "one", "two")


async def test_an_auction_opens_the_market(engine: Engine) -> None:
    """Orders collect, trade at one price, those for the auction alone expire, and the rest trades on."""
    async with engine.channel() as channel:
        operator = instrument_service_pb2_grpc.InstrumentServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await operator.UncrossAuction(instrument_service_pb2.UncrossAuctionRequest(instrument_id=1))
        assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
        begin = instrument_service_pb2.BeginAuctionRequest(instrument_id=1, kind=instrument_pb2.AUCTION_KIND_OPENING)
        assert (await operator.BeginAuction(begin)).changed
        assert not (await operator.BeginAuction(begin)).changed
        trader = await Trader(channel, "one").open()
        at_the_opening = order_pb2.TIME_IN_FORCE_AT_THE_OPENING
        await trader.send(
            new_order(1, BUY, 5, 0, order_type=order_pb2.ORDER_TYPE_MARKET, time_in_force=at_the_opening),
            new_order(2, BUY, 5, 99, time_in_force=at_the_opening),
            new_order(3, BUY, 5, 101),
            new_order(4, SELL, 8, 100),
            new_order(5, SELL, 1, 100, time_in_force=order_pb2.TIME_IN_FORCE_IMMEDIATE_OR_CANCEL),
        )
        executions = await trader.executions(5)
        assert kinds(executions) == ["NEW"] * 4 + ["REJECTED"]
        assert executions[-1].reason == execution_pb2.EXECUTION_REASON_CALL_PHASE
        orders = (await told(channel, "one"))[1]
        assert [order.waiting for order in orders] == [True, True, False, False]
        before = await operator.QueryAuction(instrument_service_pb2.QueryAuctionRequest(instrument_id=1))
        assert (before.kind, before.status) == (begin.kind, instrument_pb2.TRADING_STATUS_CALL)
        assert (before.price_ticks, before.volume_lots, before.surplus_lots) == (100, 8, 2)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await operator.QueryAuction(instrument_service_pb2.QueryAuctionRequest(instrument_id=9))
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    await same_after_a_crash(engine, "one")
    async with engine.channel() as channel:
        operator = instrument_service_pb2_grpc.InstrumentServiceStub(channel)
        assert await operator.QueryAuction(instrument_service_pb2.QueryAuctionRequest(instrument_id=1)) == before
        (listed,) = (await operator.ListInstruments(instrument_service_pb2.ListInstrumentsRequest())).instruments
        assert listed.status == instrument_pb2.TRADING_STATUS_CALL
        trader = await Trader(channel, "one").open(after=5)
        uncrossed = await operator.UncrossAuction(
            instrument_service_pb2.UncrossAuctionRequest(instrument_id=1, reference_price_ticks=101)
        )
        assert (uncrossed.price_ticks, uncrossed.volume_lots) == (101, 8)
        executions = await trader.executions(5)
        assert kinds(executions) == ["TRADE"] * 4 + ["EXPIRED"]
        assert {each.liquidity for each in executions[:4]} == {execution_pb2.LIQUIDITY_AUCTION}
        assert executions[-1].order_id == order_id(2)
        assert executions[-1].reason == execution_pb2.EXECUTION_REASON_AUCTION_OVER
        await trader.send(new_order(6, SELL, 2, 101))
        assert kinds(await trader.executions(3)) == ["NEW", "TRADE", "TRADE"]
        assert (await told(channel, "one"))[1] == []
        after = await operator.QueryAuction(instrument_service_pb2.QueryAuctionRequest(instrument_id=1))
        assert (after.kind, after.HasField("price_ticks"), after.volume_lots) == (0, False, 0)
    await same_after_a_crash(engine, "one")


async def test_a_moved_expiry_outlives_a_crash(engine: Engine) -> None:
    """The order keeps its place, expires at its new time, and a killed engine knows no other."""
    dated = order_pb2.TIME_IN_FORCE_GOOD_TILL_DATE
    soon, late = time.time_ns() + 3_000_000_000, time.time_ns() + 10**15

    def moved(sequence: int, order: int, expire_time: int) -> order_pb2.Command:
        replace = order_pb2.ReplaceOrder(
            order_id=order_id(order), price_ticks=100, quantity_lots=5, expire_time_ns=expire_time
        )
        return order_pb2.Command(command_sequence=sequence, replace_order=replace)

    async with engine.channel() as channel:
        trader = await Trader(channel, "one").open()
        await trader.send(
            new_order(1, BUY, 5, 100, time_in_force=dated, expire_time_ns=late),
            new_order(2, BUY, 5, 100, time_in_force=dated, expire_time_ns=soon),
            moved(3, 1, soon),
            moved(4, 2, late),
            moved(5, 2, 1),
        )
        executions = await trader.executions(5)
        assert kinds(executions) == ["NEW", "NEW", "REPLACED", "REPLACED", "CANCEL_REJECTED"]
        assert executions[-1].reason == execution_pb2.EXECUTION_REASON_INVALID_EXPIRE_TIME
    await same_after_a_crash(engine, "one")
    async with engine.channel() as channel:
        trader = await Trader(channel, "one").open(after=5)
        await trader.send(new_order(6, SELL, 1, 100))
        first = (await trader.executions(3))[1]
        assert (first.order_id, first.liquidity) == (order_id(1), execution_pb2.LIQUIDITY_MAKER)
        (expired,) = await trader.executions(1)
        assert (expired.order_id, expired.reason) == (order_id(1), execution_pb2.EXECUTION_REASON_EXPIRE_TIME)
        assert expired.time_ns >= soon
        (left,) = (await told(channel, "one"))[1]
        assert (left.order_id, left.expire_time_ns) == (order_id(2), late)
    await same_after_a_crash(engine, "one")
