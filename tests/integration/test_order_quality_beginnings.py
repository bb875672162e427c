"""Execution quality of orders that go to no venue when they are placed: measured from when they came in."""

from __future__ import annotations

import time

from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.order.v1 import algorithm_pb2
from ordermesh.order.v1.order_pb2 import ORDER_STATUS_FILLED, ORDER_STATUS_NEW, ORDER_STATUS_SUSPENDED
from ordermesh.type.v1 import trading_pb2
from tests.fakes.order_peers import Peers
from tests.integration.test_order_execution_quality import quality, quoted, summary, until_arrival


async def test_a_parent_is_measured_from_its_own_arrival(postgres_url: str, redis_url: str, peers: Peers) -> None:
    """Its children go to venues, it never does; its figures begin with its first entry all the same."""
    peers.market_data.quote("187", "187.2")
    hour = 3_600
    algorithm = algorithm_pb2.Algorithm(
        twap=algorithm_pb2.Twap(),
        start_time=Timestamp(seconds=int(time.time()) + hour),
        end_time=Timestamp(seconds=int(time.time()) + 2 * hour),
    )
    async with quoted(postgres_url, redis_url, peers) as client:
        placed = await client.place(time_in_force=trading_pb2.TIME_IN_FORCE_DAY, algorithm=algorithm)
        assert placed.order_status == ORDER_STATUS_NEW
        told = await quality(client, placed.order_id)
        assert (told.arrival.bid_price, told.arrival_mid_price) == ("187", "187.1")


async def test_a_held_order_is_measured_from_when_it_was_placed(
    postgres_url: str, redis_url: str, peers: Peers
) -> None:
    """While it waits, and after its release at another price, also in the figures of its day."""
    peers.market_data.quote("187", "187.2")
    async with quoted(postgres_url, redis_url, peers) as client:
        placed = await client.place(
            type=trading_pb2.ORDER_TYPE_LIMIT_IF_TOUCHED,
            side=trading_pb2.SIDE_SELL,
            stop_price="190",
            limit_price="187",
        )
        assert placed.order_status == ORDER_STATUS_SUSPENDED
        assert (await quality(client, placed.order_id)).arrival_mid_price == "187.1"
        peers.market_data.quote("190", "190.2")
        await until_arrival(client, peers)
        peers.market_data.trade("190")
        await client.until(placed.order_id, ORDER_STATUS_FILLED)
        assert (await quality(client, placed.order_id)).arrival_mid_price == "187.1"
        [day] = (await summary(client, account_id="demo")).summaries
        assert day.order_count == 1
