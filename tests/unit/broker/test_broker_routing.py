"""The route stream: commands reach the engine in order and once, reports come back without gap or repeat."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from ordermesh.broker.v1 import routing_service_pb2
from ordermesh.engine.v1 import execution_pb2, order_pb2
from ordermesh.type.v1 import error_pb2, trading_pb2
from services.broker.domain.capabilities import Environment
from services.broker.pipeline.connections import Wish
from services.kernel.errors import CodedError
from tests.fakes.broker_world import BrokerWorld, broker_world, cancel, new_order, order_bytes, order_id
from tests.fixtures.waiting import eventually

ACCEPTED = routing_service_pb2.VENUE_REPORT_TYPE_ACCEPTED
TRADE = routing_service_pb2.VENUE_REPORT_TYPE_TRADE
CANCELED = routing_service_pb2.VENUE_REPORT_TYPE_CANCELED
REJECTED = routing_service_pb2.VENUE_REPORT_TYPE_REJECTED
CANCEL_REJECTED = routing_service_pb2.VENUE_REPORT_TYPE_CANCEL_REJECTED


@pytest_asyncio.fixture
async def world() -> AsyncIterator[BrokerWorld]:
    async with broker_world(fee="0.001") as running:
        yield running


async def test_order_reaches_the_engine_in_ticks_and_lots(world: BrokerWorld) -> None:
    """An order arrives with its number, its terms in ticks and lots, and its account as self-trade group."""
    async with world.route() as route:
        await route.up()
        await route.send(
            new_order(5, instrument="BTC-USDT.BINANCE", limit_price="60000.1", quantity="0.025", side=2),
        )
        await route.reported(1)
    [(participant, [command])] = world.engine.received
    assert participant == "simulation/0"
    assert command.command_sequence == 5
    assert command.new_order.order_id == order_bytes(5)
    assert command.new_order.instrument_id == 2
    assert command.new_order.side == order_pb2.SIDE_SELL
    assert command.new_order.price_ticks == 600_001
    assert command.new_order.quantity_lots == 25
    assert command.new_order.time_in_force == order_pb2.TIME_IN_FORCE_GOOD_TILL_CANCEL
    assert command.new_order.self_trade_prevention == order_pb2.SELF_TRADE_PREVENTION_CANCEL_NEWEST
    assert command.new_order.self_trade_group > 0


async def test_market_order_has_no_price(world: BrokerWorld) -> None:
    """A market order is sent without a price."""
    async with world.route() as route:
        await route.up()
        order = new_order(
            1, type=trading_pb2.ORDER_TYPE_MARKET, limit_price="", time_in_force=trading_pb2.TIME_IN_FORCE_IOC
        )
        await route.send(order)
        await route.reported(1)
    command = world.engine.received[0][1][0].new_order
    assert (command.order_type, command.price_ticks) == (order_pb2.ORDER_TYPE_MARKET, 0)
    assert command.time_in_force == order_pb2.TIME_IN_FORCE_IMMEDIATE_OR_CANCEL


async def test_fill_is_told_in_decimals_with_its_fee(world: BrokerWorld) -> None:
    """A taker's fill carries price, quantity, cumulative quantity, its own execution id, and the fee of the rate."""
    async with world.route() as route:
        await route.up()
        await route.send(new_order(1))
        await route.reported(1)
        world.engine.fill("simulation/0", order_bytes(1), 4, 18_720)
        world.engine.fill("simulation/0", order_bytes(1), 6, 18_725, taker=False)
        accepted, first, second = await route.reported(3)
    assert (accepted.type, accepted.order_id, accepted.sequence) == (ACCEPTED, order_id(1), 1)
    assert (first.type, first.last_price, first.last_quantity, first.cumulative_quantity) == (TRADE, "187.2", "4", "4")
    assert first.fee == "0.7488"
    assert (first.venue_order_id, first.venue_time.seconds, first.venue_time.nanos) == ("1", 1_700_000_000, 2)
    assert (second.cumulative_quantity, second.fee) == ("10", "")
    assert first.venue_execution_id != second.venue_execution_id


async def test_commands_before_ready_are_dropped(world: BrokerWorld) -> None:
    """A command that comes before OrderService has answered the opening is dropped; one after it goes through."""
    async with world.route() as route:
        route.answering = False
        opened = await route.up()
        await route.send(new_order(1))
        await route.ready("simulation", opened.opened_number)
        await route.send(new_order(2))
        [report] = await route.reported(1)
    assert report.order_id == order_id(2)
    assert [command.command_sequence for _, batch in world.engine.received for command in batch] == [2]


async def test_answer_to_an_older_opening_is_ignored(world: BrokerWorld) -> None:
    """After a break only the newest opening can be answered."""
    async with world.route() as route:
        route.answering = False
        first = await route.up()
        world.engine.restart()
        second = await route.up(2)
        await route.ready("simulation", first.opened_number)
        await route.send(new_order(1))
        await route.ready("simulation", second.opened_number)
        await route.send(new_order(2))
        [report] = await route.reported(1)
    assert report.order_id == order_id(2)


async def test_batch_goes_on_as_one_message(world: BrokerWorld) -> None:
    """Commands that came together reach the engine together, in their order."""
    async with world.route() as route:
        await route.up()
        await route.send(*(new_order(number) for number in range(1, 201)))
        reports = await route.reported(200)
    assert [len(batch) for _, batch in world.engine.received] == [200]
    assert [report.sequence for report in reports] == list(range(1, 201))


async def test_dead_engine_is_told_and_comes_back(world: BrokerWorld) -> None:
    """A dead engine is told once as down; back again, it is opened after the last report, and says where it stands."""
    async with world.route() as route:
        await route.up()
        await route.send(new_order(7))
        await route.reported(1)
        await world.stop_engine()
        await eventually(lambda: route.down)
        await route.send(new_order(8))
        await world.start_engine()
        again = await route.up(2)
        assert (again.last_command_sequence, again.last_report_sequence) == (7, 1)
        await route.send(new_order(8))
        reports = await route.reported(2)
    assert [report.order_id for report in reports] == [order_id(7), order_id(8)]
    assert len(route.down) == 1
    assert world.engine.opens[-1].after_execution_sequence == 1


async def test_resent_command_has_no_second_effect(world: BrokerWorld) -> None:
    """A command sent again is ignored by the engine, and the order's reports come once."""
    async with world.route() as route:
        await route.up()
        await route.send(new_order(1))
        await route.reported(1)
        await route.send(new_order(1), new_order(2))
        reports = await route.reported(2)
    assert [report.order_id for report in reports] == [order_id(1), order_id(2)]
    assert world.engine.participants["simulation/0"].ignored == 1


async def test_gap_is_filled_from_the_engine(world: BrokerWorld) -> None:
    """Reports that went missing on the way are asked for, and come in their place."""
    world.engine.hidden = {2, 3}
    async with world.route() as route:
        await route.up()
        await route.send(*(new_order(number) for number in range(1, 6)))
        reports = await route.reported(5)
    assert [report.sequence for report in reports] == [1, 2, 3, 4, 5]


async def test_repeated_reports_are_dropped(world: BrokerWorld) -> None:
    """Reports that the engine tells again do not come again."""
    async with world.route() as route:
        await route.up()
        await route.send(*(new_order(number) for number in range(1, 4)))
        await route.reported(3)
        world.engine.repeat("simulation/0", 1, 3)
        await route.send(new_order(4))
        reports = await route.reported(4)
    assert [report.sequence for report in reports] == [1, 2, 3, 4]


async def test_reports_after_the_cursor_come_first(world: BrokerWorld) -> None:
    """A stream opened with a cursor begins with the reports after it."""
    async with world.route() as route:
        await route.up()
        await route.send(*(new_order(number) for number in range(1, 6)))
        await route.reported(5)
    async with world.route(cursors={"simulation": (world.engine.epoch, 3)}) as route:
        opened = await route.up()
        reports = await route.reported(2)
    assert (opened.last_report_sequence, opened.epoch) == (5, world.engine.epoch)
    assert [report.sequence for report in reports] == [4, 5]


async def test_engine_that_lost_its_history_begins_anew(world: BrokerWorld) -> None:
    """An engine of another epoch is opened from its beginning, and its epoch is told."""
    async with world.route() as route:
        first = await route.up()
        await route.send(new_order(1))
        await route.reported(1)
        world.engine.restart(lost=True)
        second = await route.up(2)
        await route.send(new_order(2))
        reports = await route.reported(2)
    assert second.epoch == world.engine.epoch != first.epoch
    assert [report.sequence for report in reports] == [1, 1]


async def test_cancel_and_its_refusal(world: BrokerWorld) -> None:
    """A cancel ends the order with its reason; one of an order that is not there is refused with its reason."""
    async with world.route() as route:
        await route.up()
        await route.send(new_order(1), cancel(2, of=1), cancel(3, of=1))
        _, canceled, refused = await route.reported(3)
    assert (canceled.type, canceled.reason) == (CANCELED, error_pb2.ERROR_REASON_CANCELED_ON_REQUEST)
    assert (refused.type, refused.reason) == (CANCEL_REJECTED, error_pb2.ERROR_REASON_ORDER_NOT_LIVE)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"instrument": "NONE.XNAS"}, error_pb2.ERROR_REASON_UNKNOWN_INSTRUMENT),
        ({"limit_price": "187.255"}, error_pb2.ERROR_REASON_PRICE_OUT_OF_RANGE),
        ({"quantity": "1.5"}, error_pb2.ERROR_REASON_QUANTITY_OUT_OF_RANGE),
    ],
)
async def test_order_that_cannot_be_told_is_refused_by_the_engine(
    world: BrokerWorld, values: dict[str, str], reason: int
) -> None:
    """An unknown instrument, a price off the tick or a quantity off the lot is refused with a place in the sequence."""
    async with world.route() as route:
        await route.up()
        await route.send(new_order(1, **values), new_order(2))
        refused, accepted = await route.reported(2)
    assert (refused.type, refused.reason, refused.sequence) == (REJECTED, reason, 1)
    assert accepted.sequence == 2


async def test_unknown_connection_is_refused_here(world: BrokerWorld) -> None:
    """An order for a connection that does not exist is refused at once, outside of any venue's sequence."""
    async with world.route() as route:
        await route.up()
        await route.send(new_order(1, "nowhere"), cancel(2, 1, "nowhere"))
        refused, cancel_refused = await route.reported(2)
    assert (refused.type, refused.sequence, refused.connection_id) == (REJECTED, 0, "nowhere")
    assert refused.reason == error_pb2.ERROR_REASON_UNKNOWN_CONNECTION
    assert cancel_refused.type == CANCEL_REJECTED


async def test_order_without_connection_takes_the_accounts_own(world: BrokerWorld) -> None:
    """An order that names no connection goes through its account's, its cancel too, others through the simulation."""
    await world.connections.create("second", "simulation", _environment(), _wish("own"))
    async with world.route() as route:
        await route.up()
        await route.up(connection_id="second")
        await route.send(new_order(1, "", account_id="own"), new_order(2, "", account_id="other"), cancel(3, 1, ""))
        reports = await route.reported(3)
    assert {(report.connection_id, report.order_id) for report in reports} == {
        ("second", order_id(1)),
        ("simulation", order_id(2)),
    }
    assert {name for name, _ in world.engine.received} == {"second/0", "simulation/0"}


async def test_connection_made_while_streaming_is_opened(world: BrokerWorld) -> None:
    """A connection made while a route stream runs is opened on it; one that is deleted goes down."""
    async with world.route() as route:
        await route.up()
        await world.connections.create("late", "simulation", _environment(), _wish())
        await route.up(connection_id="late")
        await world.connections.delete("late", 0)
        await eventually(lambda: any(down.connection_id == "late" for down in route.down))


async def test_new_stream_of_a_shard_ends_the_one_before(world: BrokerWorld) -> None:
    """Two streams of one shard cannot be: the newer one ends the older, another shard's goes on."""
    async with world.route(0) as first, world.route(1) as other, world.route(0) as second:
        await second.up()
        await eventually(first._reader.done)
        await second.send(new_order(1))
        await second.reported(1)
        await other.up()
        await other.send(new_order(1))
        await other.reported(1)
    assert set(world.engine.participants) == {"simulation/0", "simulation/1"}


async def test_stream_must_begin_with_open(world: BrokerWorld) -> None:
    """A stream whose first message is no opening is refused, naming the field."""
    call = world.routing.Route()
    await call.write(routing_service_pb2.RouteRequest(commands=routing_service_pb2.CommandBatch()))
    with pytest.raises(CodedError) as failure:
        await call.read()
    assert failure.value.violations[0].field == "open"


async def test_second_open_ends_the_stream_with_an_error(world: BrokerWorld) -> None:
    """An opening in the middle of a stream is refused."""
    async with world.route() as route:
        await route.up()
        await route._write(open=routing_service_pb2.RouteOpen())
        await eventually(lambda: route.ended is not None)
    assert isinstance(route.ended, CodedError)
    assert route.ended.reason == "INVALID_FIELD"


async def test_drain_ends_the_stream(world: BrokerWorld) -> None:
    """When the service drains, the stream ends without an error."""
    async with world.route() as route:
        await route.up()
        world.draining.begin()
        await eventually(route._reader.done)
    assert route.ended is None


async def test_venue_orders_are_told_for_reconciliation(world: BrokerWorld) -> None:
    """QueryVenueOrders tells what is open at the venue and up to which report; a shard never heard of has nothing."""
    async with world.route() as route:
        await route.up()
        await route.send(new_order(1), new_order(2), cancel(3, 2))
        await route.reported(3)
        world.engine.fill("simulation/0", order_bytes(1), 4, 18_725)
        answer = await world.routing.QueryVenueOrders(
            routing_service_pb2.QueryVenueOrdersRequest(connection_id="simulation")
        )
        empty = await world.routing.QueryVenueOrders(
            routing_service_pb2.QueryVenueOrdersRequest(connection_id="simulation", shard=9)
        )
    [order] = answer.orders
    assert (order.order_id, order.quantity, order.cumulative_quantity, order.leaves_quantity) == (
        order_id(1),
        "10",
        "4",
        "6",
    )
    assert (order.limit_price, order.instrument, answer.as_of) == ("187.25", "AAPL.XNAS", 4)
    assert not empty.orders


async def test_report_of_unknown_kind_moves_the_cursor(world: BrokerWorld) -> None:
    """An execution that has no name here is passed on without one, so that the sequence has no gap."""
    async with world.route() as route:
        await route.up()
        await route.send(new_order(1))
        await route.reported(1)
        world.engine.tell(
            "simulation/0",
            execution_type=execution_pb2.EXECUTION_TYPE_MASS_CANCELED,
            order_id=order_bytes(1),
            instrument_id=1,
        )
        _, other = await route.reported(2)
    assert (other.type, other.sequence, other.order_id) == (
        routing_service_pb2.VENUE_REPORT_TYPE_UNSPECIFIED,
        2,
        order_id(1),
    )


def _environment() -> Environment:
    return Environment.SIMULATION


def _wish(*accounts: str) -> Wish:
    return Wish("", enabled=True, default_account_ids=accounts, credentials={})
