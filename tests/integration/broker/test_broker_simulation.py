"""BrokerService between the real engine and a real Postgres: trades, books, crashes of either."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import asyncpg

from ordermesh.broker.v1 import routing_service_pb2, venue_account_pb2
from ordermesh.type.v1 import trading_pb2
from tests.fakes.broker_world import RouteClient, cancel, new_order, order_id
from tests.fixtures.broker import World, cross, stub_of
from tests.fixtures.engine import Engine
from tests.fixtures.waiting import eventually

SELL = trading_pb2.SIDE_SELL
TRADE = routing_service_pb2.VENUE_REPORT_TYPE_TRADE
ACCEPTED = routing_service_pb2.VENUE_REPORT_TYPE_ACCEPTED


async def test_two_accounts_trade_with_each_other(world: World) -> None:
    """Two accounts of one connection trade; each gets its report, the taker pays the fee."""
    async with world.running() as running, RouteClient(running.channel) as route:
        reports = await cross(route)
    assert [report.sequence for report in reports] == [1, 2, 3, 4]
    trades = {report.order_id: report for report in reports if report.type == TRADE}
    maker, taker = trades[order_id(1)], trades[order_id(2)]
    assert (maker.last_price, maker.last_quantity, maker.cumulative_quantity, maker.fee) == ("187.25", "10", "10", "")
    assert (taker.last_price, taker.fee) == ("187.25", "1.8725")
    assert maker.venue_execution_id.split("-")[0] == taker.venue_execution_id.split("-")[0]


async def test_orders_of_one_account_do_not_trade_with_each_other(world: World) -> None:
    """An order that would meet one of its own account is canceled with its reason; the resting one stays."""
    async with world.running() as running, RouteClient(running.channel) as route:
        await route.up()
        await route.send(new_order(1, account_id="a"), new_order(2, account_id="a", side=SELL, limit_price="187"))
        reports = await route.reported(3)
    assert reports[2].type == routing_service_pb2.VENUE_REPORT_TYPE_CANCELED
    assert reports[2].order_id == order_id(2)


async def test_books_tell_positions_funds_and_orders(world: World) -> None:
    """Positions and funds follow from the fills, open orders from the engine; all survive a restart."""
    for attempt in range(2):
        async with world.running() as running:
            if not attempt:
                async with RouteClient(running.channel) as route:
                    await cross(route)
            stub = stub_of(running)
            funds = await stub.GetFunds(venue_account_pb2.GetFundsRequest(connection_id="simulation"))
            positions = await stub.ListVenuePositions(
                venue_account_pb2.ListVenuePositionsRequest(connection_id="simulation")
            )
            orders = await stub.ListVenueOrders(venue_account_pb2.ListVenueOrdersRequest(connection_id="simulation"))
        # Both sides went through the connection: bought and sold are the same, the fee remains.
        assert [(each.currency, each.balance, each.fees) for each in funds.funds] == [("USD", "-1.8725", "1.8725")]
        [position] = positions.positions
        assert (position.instrument, position.quantity, position.average_price) == ("AAPL.XNAS", "0", "")
        assert (position.bought_quantity, position.sold_quantity) == ("10", "10")
        [order] = orders.orders
        assert (order.order_id, order.leaves_quantity, order.cumulative_quantity) == (order_id(1), "5", "10")


async def test_killed_engine_loses_and_doubles_nothing(world: World, tmp_path: Path) -> None:
    """The engine is killed under a stream of orders; after what it missed is sent again, each is accepted once."""
    count = 400
    async with world.running() as running, RouteClient(running.channel) as route:
        await route.up()
        for number in range(1, count // 2 + 1):
            await route.send(new_order(number, account_id=f"a{number}"))
        await route.reported(50)
        port = int(world.engine.address.rpartition(":")[2])
        await world.engine.kill()
        await eventually(lambda: route.down)
        for number in range(count // 2 + 1, count + 1):
            await route.send(new_order(number, account_id=f"a{number}"))
        again = Engine(tmp_path, f"--listen=127.0.0.1:{port}")
        await again.start()
        try:
            opened = await route.up(2)
            assert opened.deduplicates_commands
            # One below what the engine has seen is sent again on purpose.
            first = max(opened.last_command_sequence, 1)
            await route.send(*(new_order(number, account_id=f"a{number}") for number in range(first, count + 1)))
            reports = await route.reported(count)
        finally:
            await again.stop()
    assert [report.sequence for report in reports] == list(range(1, count + 1))
    assert sorted(report.order_id for report in reports) == sorted(order_id(n) for n in range(1, count + 1))
    assert {report.type for report in reports} == {ACCEPTED}


async def test_restarted_broker_goes_on_from_the_cursor(world: World) -> None:
    """After a restart of BrokerService a stream opened with a cursor gets what follows it, and no command twice."""
    async with world.running() as running, RouteClient(running.channel) as route:
        reports = await cross(route)
        epoch = route.opened[0].epoch
    async with (
        world.running() as running,
        RouteClient(running.channel, cursors={"simulation": (epoch, 2)}) as route,
    ):
        opened = await route.up()
        missed = await route.reported(2)
        await route.send(new_order(2, account_id="b", side=SELL), cancel(3, 1))
        await route.reported(3)
    assert (opened.last_command_sequence, opened.last_report_sequence, opened.epoch) == (2, 4, epoch)
    assert [report.SerializeToString() for report in missed[:2]] == [r.SerializeToString() for r in reports[2:]]
    assert [report.sequence for report in route.reports] == [3, 4, 5]


async def test_books_of_a_busy_connection_are_saved_while_it_trades(world: World) -> None:
    """What the books hold is saved behind the orders, so that little is asked for again after a crash."""
    world.settings = world.settings.model_copy(update={"books_interval_seconds": 0.05})
    async with world.running() as running, RouteClient(running.channel) as route:
        await cross(route)
        connection = await asyncpg.connect(world.postgres_url)
        try:
            saved = partial(connection.fetchval, "select max(sequence) from broker.venue_book")
            await eventually(saved, lambda sequence: sequence == 4, 10)
        finally:
            await connection.close()
