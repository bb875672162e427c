"""Orders with instructions over a real Postgres and Redis: what waits is there after a restart, with all its terms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.broker.v1 import routing_service_pb2 as routing
from ordermesh.order.v1 import order_pb2
from ordermesh.order.v1.execution_report_pb2 import EXECUTION_TYPE_TRIGGERED_OR_ACTIVATED_BY_SYSTEM
from ordermesh.order.v1.order_pb2 import ORDER_STATUS_FILLED, ORDER_STATUS_NEW, ORDER_STATUS_PENDING_NEW
from ordermesh.type.v1 import trading_pb2
from services.kernel.errors import CodedError, ErrorKind
from tests.fakes.order_peers import Peers
from tests.fakes.order_world import OrderProcess, client_of, ready, serving
from tests.fixtures.waiting import eventually

FAR, FARTHER = Timestamp(seconds=4_000_000_000, nanos=7), Timestamp(seconds=4_000_000_000, nanos=8)
STOP_LIMIT: dict[str, Any] = {
    "type": trading_pb2.ORDER_TYPE_STOP_LIMIT,
    "time_in_force": trading_pb2.TIME_IN_FORCE_GTD,
    "stop_price": "187.5",
    "limit_price": "188",
    "display_quantity": "10",
    "expire_at": FAR,
}

pytestmark = pytest.mark.usefixtures("resting_peers")


def has_all_terms(order: order_pb2.Order) -> bool:
    """Tells whether an order has the terms of `STOP_LIMIT`."""
    return all(getattr(order, name) == value for name, value in STOP_LIMIT.items())


def tell(peers: Peers, order_id: str, **report: Any) -> None:
    """Lets the venue say something of an order."""
    peers.broker.tell([peers.broker.venue.report(order_id, routing.VenueReport(**report))])


async def test_a_waiting_stop_order_is_there_after_a_restart(postgres_url: str, redis_url: str, peers: Peers) -> None:
    """With its terms and its reservation; it is released and filled then, and released ones are read back as such."""
    async with serving(postgres_url, redis_url, peers) as client:
        await ready(client, peers)
        order = await client.place("c-1", **STOP_LIMIT)
        assert has_all_terms(await client.until(order.order_id, ORDER_STATUS_NEW))
        assert peers.risk.reserved[order.order_id].stop_price == "187.5"
    async with serving(postgres_url, redis_url, peers) as client:
        await ready(client, peers)
        assert (await client.place("c-1", **STOP_LIMIT)).order_id == order.order_id
        with pytest.raises(CodedError, match="DUPLICATE_CLIENT_ORDER_ID"):
            await client.place("c-1", **(STOP_LIMIT | {"display_quantity": "11"}))
        assert peers.risk.reserved[order.order_id].stop_price == "187.5"
        tell(peers, order.order_id, type=routing.VENUE_REPORT_TYPE_TRIGGERED, cumulative_quantity="0")
        await eventually(lambda: client.order(order.order_id), lambda told: told.triggered)
    async with serving(postgres_url, redis_url, peers) as client:
        await ready(client, peers)
        read = await client.order(order.order_id)
        assert (read.triggered, read.order_status, has_all_terms(read)) == (True, ORDER_STATUS_NEW, True)
        assert not peers.risk.reserved[order.order_id].stop_price
        with pytest.raises(CodedError, match="STOP_PRICE_MISMATCH") as caught:
            await client.replace(order.order_id, stop_price="189")
        assert caught.value.kind is ErrorKind.INVALID
        tell(
            peers,
            order.order_id,
            type=routing.VENUE_REPORT_TYPE_TRADE,
            last_price="188",
            last_quantity="100",
            cumulative_quantity="100",
        )
        await client.until(order.order_id, ORDER_STATUS_FILLED)
        types = [report.execution_type for report in await client.history(order.order_id)]
        assert types == [1, 2, EXECUTION_TYPE_TRIGGERED_OR_ACTIVATED_BY_SYSTEM, 3]


async def test_an_order_that_its_venue_never_saw_is_sent_whole_after_a_crash(
    tmp_path: Path, postgres_url: str, redis_url: str, peers: Peers
) -> None:
    """What recovery sends is read from the log: every term of the order, and of its replace."""
    process = OrderProcess(tmp_path, postgres_url, redis_url, peers)
    address = await process.start()
    try:
        async with client_of(address) as client:
            await ready(client, peers)
            peers.broker.disconnect()
            order = await client.place(**STOP_LIMIT)
            await client.replace(order.order_id, stop_price="187.75", expire_at=FARTHER)
            assert (await client.order(order.order_id)).stop_price == "187.5"
        await process.kill()
        peers.broker.connect()
        async with client_of(await process.start()) as client:
            await ready(client, peers)
            await eventually(lambda: len(commands_of(peers, order.order_id)) == 2)
            new, replace = commands_of(peers, order.order_id)
            told = new.new_order.instructions
            assert (told.stop_price, told.display_quantity, told.expire_at) == ("187.5", "10", FAR)
            assert (replace.replace.stop_price, replace.replace.limit_price) == ("187.75", "188")
            assert replace.replace.expire_at == FARTHER
            replaced = await client.until(order.order_id, ORDER_STATUS_NEW)
            assert (replaced.stop_price, replaced.display_quantity) == ("187.75", "10")
            assert (replaced.expire_at, replaced.replace.original_expire_at) == (FARTHER, FAR)
            assert replaced.order_status != ORDER_STATUS_PENDING_NEW
    finally:
        await process.kill()


async def test_a_reduce_only_order_is_so_to_risk_after_a_restart(
    postgres_url: str, redis_url: str, peers: Peers
) -> None:
    """RiskService must know it of every order that it holds, lest one outlives the position."""
    async with serving(postgres_url, redis_url, peers) as client:
        await ready(client, peers)
        order = await client.place("c-1", reduce_only=True)
        assert (await client.until(order.order_id, ORDER_STATUS_NEW)).reduce_only
        assert peers.risk.reserved[order.order_id].reduce_only
    peers.risk.reserved.clear()
    async with serving(postgres_url, redis_url, peers) as client:
        await ready(client, peers)
        assert peers.risk.reserved[order.order_id].reduce_only
        assert (await client.order(order.order_id)).reduce_only


def commands_of(peers: Peers, order_id: str) -> list[routing.VenueCommand]:
    """Returns what the venue was sent of an order."""
    return [c for c in peers.broker.venue.commands if order_id in (c.new_order.order_id, c.replace.order_id)]
