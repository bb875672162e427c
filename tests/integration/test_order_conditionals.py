"""Orders that wait here for the market, over a real Postgres and Redis: released exactly once, whatever is killed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.broker.v1 import routing_service_pb2 as routing
from ordermesh.order.v1 import order_pb2
from ordermesh.order.v1.execution_report_pb2 import (
    EXECUTION_TYPE_EXPIRED,
    EXECUTION_TYPE_NEW,
    EXECUTION_TYPE_REPLACED,
    EXECUTION_TYPE_RESTATED,
    EXECUTION_TYPE_SUSPENDED,
    EXECUTION_TYPE_TRIGGERED_OR_ACTIVATED_BY_SYSTEM,
)
from ordermesh.order.v1.order_pb2 import ORDER_STATUS_EXPIRED, ORDER_STATUS_NEW, ORDER_STATUS_SUSPENDED
from ordermesh.order.v1.trailing_stop_pb2 import TrailingStop
from ordermesh.type.v1 import stream_pb2, trading_pb2
from services.kernel.errors import CodedError
from tests.fakes.order_peers import Peers
from tests.fakes.order_world import Client, OrderProcess, client_of, ready, serving
from tests.fixtures.waiting import eventually

pytestmark = pytest.mark.usefixtures("short_pages")

SELL = trading_pb2.SIDE_SELL
TOUCHED: dict[str, Any] = {
    "type": trading_pb2.ORDER_TYPE_LIMIT_IF_TOUCHED,
    "side": SELL,
    "stop_price": "105",
    "limit_price": "104.5",
}
TRAILING: dict[str, Any] = {
    "type": trading_pb2.ORDER_TYPE_TRAILING_STOP,
    "side": SELL,
    "limit_price": "",
    "trailing_stop": TrailingStop(percent="1"),
}
STOP: dict[str, Any] = {"type": trading_pb2.ORDER_TYPE_STOP, "side": SELL, "limit_price": "", "stop_price": "95"}
ONCE = [EXECUTION_TYPE_SUSPENDED, EXECUTION_TYPE_TRIGGERED_OR_ACTIVATED_BY_SYSTEM, EXECUTION_TYPE_NEW]


@pytest.fixture
def short_pages(resting_peers: Peers) -> None:
    """Pages of so few trades that there are many."""
    resting_peers.market_data.largest_page = 2


def sent(peers: Peers, order_id: str) -> list[routing.NewVenueOrder]:
    """Returns how the venue got an order."""
    return [c.new_order for c in peers.broker.venue.commands if c.new_order.order_id == order_id]


async def types(client: Client, order_id: str) -> list[int]:
    """Returns what happened to an order."""
    return [report.execution_type for report in await client.history(order_id)]


async def followed(peers: Peers) -> None:
    """Waits until the trades are followed."""
    await eventually(lambda: peers.market_data.subscribed)


@asynccontextmanager
async def running(process: OrderProcess, peers: Peers) -> AsyncIterator[Client]:
    """Starts the process, and hands out a client once orders are routed."""
    async with client_of(await process.start()) as client:
        await ready(client, peers)
        yield client


async def test_an_order_that_waits_to_be_touched_goes_to_its_venue_as_a_limit_order(
    client: Client, peers: Peers
) -> None:
    """Nothing of it is there before; a resent request is answered with it."""
    order = await client.place("c-1", **TOUCHED)
    assert order.order_status == ORDER_STATUS_SUSPENDED
    await followed(peers)
    peers.market_data.trade("104.99")
    assert not sent(peers, order.order_id)
    peers.market_data.trade("105")
    told = await client.until(order.order_id, ORDER_STATUS_NEW)
    assert (told.triggered, told.type, told.stop_price) == (True, TOUCHED["type"], "105")
    [new] = sent(peers, order.order_id)
    assert (new.type, new.limit_price) == (trading_pb2.ORDER_TYPE_LIMIT, "104.5")
    assert not new.instructions.stop_price
    assert await types(client, order.order_id) == ONCE
    assert (await client.place("c-1", **TOUCHED)).order_id == order.order_id
    await eventually(lambda: not peers.market_data.subscribed)


async def test_a_price_that_the_last_trade_has_reached_releases_at_once(client: Client, peers: Peers) -> None:
    """The last trade is asked for when the first order of an instrument comes."""
    peers.market_data.trade("106", told=False)
    order = await client.place(**TOUCHED)
    await client.until(order.order_id, ORDER_STATUS_NEW)


async def test_a_trailing_stop_is_told_as_it_follows_and_replaced(client: Client, peers: Peers) -> None:
    """Its stop price and what it follows stand in every report; a replace of the distance is known again."""
    peers.market_data.trade("200", told=False)
    order = await client.place(**TRAILING)
    assert (order.stop_price, order.trailing_stop.percent) == ("", "1")

    await eventually(lambda: client.order(order.order_id), lambda told: told.stop_price == "198")
    peers.market_data.trade("210")
    await eventually(lambda: client.order(order.order_id), lambda told: told.stop_price == "207.9")
    distance = TrailingStop(amount="5.005")
    replaced = await client.replace(order.order_id, "r-1", trailing_stop=distance)
    assert (replaced.stop_price, replaced.trailing_stop.amount) == ("204.99", "5.005")
    assert replaced.trailing_stop.reference_price == "210"
    assert replaced.replace.original_trailing_stop.percent == "1"
    assert (await client.replace(order.order_id, "r-1", trailing_stop=distance)).version == replaced.version
    with pytest.raises(CodedError, match="DUPLICATE_REPLACE_ID"):
        await client.replace(order.order_id, "r-1", trailing_stop=TrailingStop(ticks=1))
    with pytest.raises(CodedError, match="STOP_PRICE_MISMATCH"):
        await client.replace(order.order_id, "r-2", stop_price="1")
    peers.market_data.trade("204.99")
    told = await client.until(order.order_id, ORDER_STATUS_NEW)
    assert (told.triggered, told.stop_price) == (True, "204.99")
    [new] = sent(peers, order.order_id)
    assert (new.type, new.time_in_force) == (trading_pb2.ORDER_TYPE_MARKET, trading_pb2.TIME_IN_FORCE_IOC)
    assert EXECUTION_TYPE_RESTATED in await types(client, order.order_id)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"trailing_stop": None}, "TRAILING_STOP_MISMATCH"),
        ({"type": trading_pb2.ORDER_TYPE_STOP, "stop_price": "95"}, "TRAILING_STOP_MISMATCH"),
        ({"type": trading_pb2.ORDER_TYPE_MARKET_IF_TOUCHED, "trailing_stop": None}, "STOP_PRICE_MISMATCH"),
        ({"limit_price": "95"}, "LIMIT_PRICE_MISMATCH"),
        ({"trailing_stop": TrailingStop(percent="100")}, "INVALID_FIELD"),
        ({"trailing_stop": TrailingStop(ticks=1, reference_price="5")}, "INVALID_FIELD"),
        ({"trailing_stop": TrailingStop()}, "INVALID_FIELD"),
        ({"trailing_stop": TrailingStop(ticks=0)}, "INVALID_FIELD"),
        ({"stop_price": "95.001"}, "PRICE_OFF_TICK"),
    ],
)
async def test_what_does_not_go_together_is_refused(client: Client, changes: dict[str, Any], reason: str) -> None:
    """With its reason, and nothing is kept."""
    with pytest.raises(CodedError) as caught:
        await client.place(**(TRAILING | changes))
    assert caught.value.reason == reason


async def test_a_stop_order_waits_here_when_its_venue_takes_none(
    postgres_url: str, redis_url: str, peers: Peers
) -> None:
    """As the connection has told; what it takes goes there."""
    peers.broker.order_types = (1, 2)
    async with serving(postgres_url, redis_url, peers) as client:
        await ready(client, peers)
        order = await client.place(**STOP)
        assert order.order_status == ORDER_STATUS_SUSPENDED
        await followed(peers)
        peers.market_data.trade("95")
        await client.until(order.order_id, ORDER_STATUS_NEW)
        assert sent(peers, order.order_id)[0].type == trading_pb2.ORDER_TYPE_MARKET


async def test_market_data_that_goes_away_costs_no_trade(client: Client, peers: Peers) -> None:
    """What was made meanwhile is asked for, once it is all there, and applied in its order."""
    order, other = await client.place(**TOUCHED), await client.place(**(TOUCHED | {"stop_price": "110"}))
    await followed(peers)
    peers.market_data.trade("100")
    peers.market_data.down = True
    peers.market_data.cut_trades()
    await eventually(lambda: not peers.market_data.subscribed)
    waiting = await client.place(**(TOUCHED | {"stop_price": "103"}))
    for price in ("101", "105", "102", "112", "101"):
        peers.market_data.trade(price, told=False).canceled = price == "112"
    peers.market_data.recovering = 3
    peers.market_data.down = False
    for each in (order, waiting):
        await client.until(each.order_id, ORDER_STATUS_NEW)
    assert (await client.order(other.order_id)).order_status == ORDER_STATUS_SUSPENDED
    for reason in (stream_pb2.GOING_AWAY_REASON_INTERRUPTED, stream_pb2.GOING_AWAY_REASON_SLOW_READER):
        peers.market_data.cut_trades(reason)
    peers.market_data.trade("110", told=False)
    await client.until(other.order_id, ORDER_STATUS_NEW)
    for each in (order, waiting, other):
        assert await types(client, each.order_id) == ONCE
        assert len(sent(peers, each.order_id)) == 1


@pytest.mark.parametrize("turns", [0, 200])
async def test_a_process_that_is_killed_around_a_trigger_releases_once(
    tmp_path: Path, postgres_url: str, redis_url: str, peers: Peers, *, turns: int
) -> None:
    """Killed as the trade comes, so many turns of our loop later; what is made while it is down counts as well."""
    process = OrderProcess(tmp_path, postgres_url, redis_url, peers)
    try:
        async with running(process, peers) as client:
            reached, missed, kept = [
                (await client.place(**(TOUCHED | {"stop_price": price}))).order_id for price in ("105", "106", "107")
            ]
            await followed(peers)
            peers.market_data.trade("105")
            for _ in range(turns):
                await asyncio.sleep(0)
        await process.kill()
        for price in ("90", "106", "90"):
            peers.market_data.trade(price, told=False)
        async with running(process, peers) as client:
            for order_id in (reached, missed):
                await client.until(order_id, ORDER_STATUS_NEW)
                assert await types(client, order_id) == ONCE
                assert len(sent(peers, order_id)) == 1
            assert await types(client, kept) == [EXECUTION_TYPE_SUSPENDED]
            assert not sent(peers, kept)
    finally:
        await process.kill()


async def test_a_trailing_stop_goes_on_after_a_crash_as_if_there_had_been_none(
    tmp_path: Path, postgres_url: str, redis_url: str, peers: Peers
) -> None:
    """The trades of the time away raise it, and then reach it."""
    process = OrderProcess(tmp_path, postgres_url, redis_url, peers)
    try:
        async with running(process, peers) as client:
            order = await client.place(**TRAILING)
            await followed(peers)
            peers.market_data.trade("200")
            await eventually(lambda: client.order(order.order_id), lambda told: told.stop_price == "198")
        await process.kill()
        for price in ("199", "300", "298", "297.01"):
            peers.market_data.trade(price, told=False)
        async with running(process, peers) as client:
            await followed(peers)
            peers.market_data.trade("297")
            told = await client.until(order.order_id, ORDER_STATUS_NEW)
            assert (told.stop_price, told.trailing_stop.reference_price) == ("297", "300")
            assert len(sent(peers, order.order_id)) == 1
    finally:
        await process.kill()


async def test_what_expired_while_the_process_was_down_does_not_trade(
    tmp_path: Path, postgres_url: str, redis_url: str, peers: Peers
) -> None:
    """Though a trade has reached its price in time; one that waits on expires by itself."""
    process = OrderProcess(tmp_path, postgres_url, redis_url, peers)

    def until(seconds: float) -> dict[str, Any]:
        at = Timestamp()
        at.FromNanoseconds(time.time_ns() + int(seconds * 1e9))
        return TOUCHED | {"time_in_force": trading_pb2.TIME_IN_FORCE_GTD, "expire_at": at}

    try:
        async with running(process, peers) as client:
            soon = until(1.0)
            order = await client.place(**soon)
        await process.kill()
        peers.market_data.trade("106", told=False)
        await eventually(lambda: time.time_ns() > soon["expire_at"].ToNanoseconds())
        async with running(process, peers) as client:
            await client.until(order.order_id, ORDER_STATUS_EXPIRED)
            peers.market_data.trade("100")
            later = await client.place(**until(0.5))
            await client.until(later.order_id, ORDER_STATUS_EXPIRED)
            for each in (order, later):
                assert await types(client, each.order_id) == [EXECUTION_TYPE_SUSPENDED, EXECUTION_TYPE_EXPIRED]
                assert not sent(peers, each.order_id)
                assert each.order_id not in peers.risk.reserved
    finally:
        await process.kill()


async def test_a_held_stop_price_is_replaced_without_the_venue(client: Client, peers: Peers) -> None:
    """At once, and counts at once: the last trade has reached it already."""
    peers.market_data.trade("100", told=False)
    order = await client.place(**TOUCHED)
    await followed(peers)
    replaced = await client.replace(order.order_id, stop_price="103", limit_price="102")
    assert (replaced.order_status, replaced.stop_price, replaced.limit_price) == (ORDER_STATUS_SUSPENDED, "103", "102")
    await client.replace(order.order_id, "r-2", stop_price="99")
    told = await client.until(order.order_id, ORDER_STATUS_NEW)
    assert isinstance(told, order_pb2.Order)
    assert await types(client, order.order_id) == [
        EXECUTION_TYPE_SUSPENDED,
        EXECUTION_TYPE_REPLACED,
        EXECUTION_TYPE_REPLACED,
        EXECUTION_TYPE_TRIGGERED_OR_ACTIVATED_BY_SYSTEM,
        EXECUTION_TYPE_NEW,
    ]
    assert sent(peers, order.order_id)[0].limit_price == "102"
