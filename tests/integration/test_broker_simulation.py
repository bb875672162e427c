"""BrokerService between the real engine and a real Postgres."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from dataclasses import replace as replace_fields
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import grpc.aio
import pytest
import pytest_asyncio
from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import SecretStr

from ordermesh.broker.v1 import (
    broker_connection_pb2,
    broker_service_pb2,
    broker_service_pb2_grpc,
    routing_service_pb2,
    routing_service_pb2_grpc,
    trade_adjustment_pb2,
    venue_account_pb2,
)
from ordermesh.broker.v1.venue_instructions_pb2 import VenueInstructions
from ordermesh.engine.v1 import instrument_pb2, instrument_service_pb2, instrument_service_pb2_grpc, order_pb2
from ordermesh.marketdata.v1 import market_data_service_pb2_grpc
from ordermesh.type.v1 import error_pb2, restatement_pb2, trading_pb2
from services.broker.__main__ import main
from services.broker.config import BrokerSettings
from services.broker.domain.capabilities import Environment
from services.broker.peers import simulation
from services.kernel.errors import CodedError
from tests.fakes.broker_world import RouteClient, cancel, new_order, order_id, replace, until
from tests.fakes.engine import serving
from tests.fakes.market_data import FakeMarketData
from tests.fixtures.engine import Engine
from tests.fixtures.engine import Trader as Participant
from tests.fixtures.engine import new_order as engine_order
from tests.fixtures.services import RunningService, running_service

SELL = trading_pb2.SIDE_SELL
TRADE = routing_service_pb2.VENUE_REPORT_TYPE_TRADE
REPLACED = routing_service_pb2.VENUE_REPORT_TYPE_REPLACED
CANCEL_REJECTED = routing_service_pb2.VENUE_REPORT_TYPE_CANCEL_REJECTED
TRIGGERED = routing_service_pb2.VENUE_REPORT_TYPE_TRIGGERED
REJECTED = routing_service_pb2.VENUE_REPORT_TYPE_REJECTED
EXPIRED = routing_service_pb2.VENUE_REPORT_TYPE_EXPIRED
ACCEPTED = routing_service_pb2.VENUE_REPORT_TYPE_ACCEPTED
CORRECTED = routing_service_pb2.VENUE_REPORT_TYPE_TRADE_CORRECTED
BUSTED = routing_service_pb2.VENUE_REPORT_TYPE_TRADE_CANCELED
RESTATED = routing_service_pb2.VENUE_REPORT_TYPE_RESTATED


@dataclass
class World:
    """What BrokerService lives in."""

    engine: Engine
    settings: BrokerSettings
    postgres_url: str

    @asynccontextmanager
    async def running(self) -> AsyncIterator[RunningService]:
        """Runs BrokerService."""
        assert self.settings.port_file is not None
        async with running_service(self.settings, main, self.settings.port_file) as running:
            yield running


@pytest_asyncio.fixture
async def world(tmp_path: Path, postgres_url: str) -> AsyncIterator[World]:
    market = FakeMarketData()
    async with AsyncExitStack() as stack:
        add = market_data_service_pb2_grpc.add_MarketDataServiceServicer_to_server
        port = await stack.enter_async_context(serving(add, market))
        engine = await Engine(tmp_path, "--listen=127.0.0.1:0").start()
        stack.push_async_callback(engine.stop)
        async with engine.channel() as channel:
            stub: Any = instrument_service_pb2_grpc.InstrumentServiceStub(channel)
            for each in market.instruments.values():
                number, symbol = each.engine_instrument_id, each.instrument
                instrument = instrument_pb2.Instrument(instrument_id=number, symbol=symbol)
                await stub.DefineInstrument(instrument_service_pb2.DefineInstrumentRequest(instrument=instrument))
        settings = BrokerSettings(
            postgres_url=SecretStr(postgres_url),
            engine_address=engine.address,
            marketdata_address=f"127.0.0.1:{port}",
            credentials_key_file=tmp_path / "keys" / "credentials.key",
            taker_fee_rate=Decimal("0.001"),
            port_file=tmp_path / "broker-port",
            drain_seconds=0,
        )
        yield World(engine, settings, postgres_url)


def stub_of(running: RunningService) -> Any:
    return broker_service_pb2_grpc.BrokerServiceStub(running.channel)


async def cross(route: RouteClient) -> list[routing_service_pb2.VenueReport]:
    """Lets account `a` buy 10 of `b` at 187.25, and 5 more rest."""
    await route.up()
    await route.send(
        new_order(1, account_id="a", quantity="15"),
        new_order(2, account_id="b", side=SELL, quantity="10", limit_price="187"),
    )
    return await route.reported(4)


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


@asynccontextmanager
async def restarted_engine(world: World, tmp_path: Path, route: RouteClient) -> AsyncIterator[Engine]:
    """Kills the engine, and runs it again where it was."""
    port = int(world.engine.address.rpartition(":")[2])
    await world.engine.kill()
    await until(lambda: route.down)
    again = await Engine(tmp_path, f"--listen=127.0.0.1:{port}").start()
    try:
        await route.up(2)
        yield again
    finally:
        await again.stop()


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
        await until(lambda: route.down)
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


async def test_credentials_are_sealed_at_rest_and_never_told(world: World) -> None:
    """A credential is in no answer and in no row as it is; the key file is its owner's alone."""
    secret = "an-open-secret-of-nobody"
    async with world.running() as running:
        stub = stub_of(running)
        made = await stub.CreateConnection(
            broker_service_pb2.CreateConnectionRequest(
                connection_id="second",
                adapter="simulation",
                environment=trading_pb2.ENVIRONMENT_SIMULATION,
                credentials={"api_key": "k", "api_secret": secret},
                default_account_ids=["b", "a"],
            )
        )
        listed = await stub.ListConnections(broker_service_pb2.ListConnectionsRequest())
    assert list(made.connection.credential_names) == ["api_key", "api_secret"]
    assert list(made.connection.default_account_ids) == ["a", "b"]
    assert secret not in str(made)
    assert [each.connection_id for each in listed.connections] == ["second", "simulation"]
    connection = await asyncpg.connect(world.postgres_url)
    try:
        rows = await connection.fetch("select name, sealed from broker.credential order by name")
    finally:
        await connection.close()
    assert [name for name, _ in rows] == ["api_key", "api_secret"]
    assert all(secret.encode() not in sealed for _, sealed in rows)
    path = world.settings.credentials_key_file
    assert path.stat().st_mode & 0o777 == 0o600
    async with world.running() as running:
        told = await stub_of(running).GetConnection(broker_service_pb2.GetConnectionRequest(connection_id="second"))
    assert told.connection.state == broker_connection_pb2.CONNECTION_STATE_UP
    assert list(told.connection.credential_names) == ["api_key", "api_secret"]


async def test_connection_with_open_orders_cannot_be_deleted(world: World) -> None:
    """While an order is open at the venue its connection can be neither switched off nor deleted; afterwards it can."""
    async with world.running() as running, RouteClient(running.channel) as route:
        stub = stub_of(running)
        request = broker_service_pb2.CreateConnectionRequest(
            connection_id="second", adapter="simulation", environment=trading_pb2.ENVIRONMENT_SIMULATION
        )
        await stub.CreateConnection(request)
        await route.up(connection_id="second")
        await route.send(new_order(1, "second"))
        await route.reported(1)
        delete = broker_service_pb2.DeleteConnectionRequest(connection_id="second")
        switch_off = broker_service_pb2.UpdateConnectionRequest(connection_id="second", disabled=True)
        for call, used in ((stub.DeleteConnection, delete), (stub.UpdateConnection, switch_off)):
            with pytest.raises(CodedError) as failure:
                await call(used)
            assert failure.value.reason == "CONNECTION_IN_USE"
        await route.send(cancel(2, 1, "second"))
        await route.reported(2)
        changed = await stub.UpdateConnection(switch_off)
        assert changed.connection.state == broker_connection_pb2.CONNECTION_STATE_DISABLED
        await route.send(new_order(3, "second"))
        refused = (await route.reported(3))[2]
        assert (refused.type, refused.sequence) == (routing_service_pb2.VENUE_REPORT_TYPE_REJECTED, 0)
        await stub.DeleteConnection(delete)
        with pytest.raises(CodedError) as failure:
            await stub.GetConnection(broker_service_pb2.GetConnectionRequest(connection_id="second"))
    assert failure.value.reason == "UNKNOWN_CONNECTION"


async def test_books_of_a_busy_connection_are_saved_while_it_trades(world: World) -> None:
    """What the books hold is saved behind the orders, so that little is asked for again after a crash."""
    world.settings = world.settings.model_copy(update={"books_interval_seconds": 0.05})
    async with world.running() as running, RouteClient(running.channel) as route:
        await cross(route)
        connection = await asyncpg.connect(world.postgres_url)
        try:
            async with asyncio.timeout(10):
                while await connection.fetchval("select max(sequence) from broker.venue_book") != 4:
                    await asyncio.sleep(0.02)
        finally:
            await connection.close()


async def test_a_trade_is_corrected_and_taken_back_for_both_of_its_sides(world: World) -> None:
    """Each names the trade and has an id of its own; the venue's books follow; a killed engine remembers it."""
    async with world.running() as running, RouteClient(running.channel) as route:
        trade = (await cross(route))[-1]
        broker = stub_of(running)
        named: dict[str, str] = {"connection_id": "simulation", "venue_execution_id": trade.venue_execution_id}
        correction = trade_adjustment_pb2.CorrectTradeRequest(
            **named, instrument="AAPL.XNAS", price="180", quantity="8"
        )
        assert (await broker.CorrectTrade(correction)).changed
        assert not (await broker.CorrectTrade(correction)).changed
        corrected = (await route.reported(6))[4:]
        assert {report.type for report in corrected} == {CORRECTED}
        maker, taker = sorted(corrected, key=lambda report: report.order_id)
        assert (maker.last_price, maker.last_quantity, maker.adjustment.leaves_quantity) == ("180", "8", "5")
        assert (taker.fee, taker.adjustment.leaves_quantity) == ("1.44", "0")
        assert taker.adjustment.venue_execution_reference_id == trade.venue_execution_id
        assert taker.venue_execution_id.startswith(f"{trade.venue_execution_id}-")
        await world.engine.kill()
        await world.engine.start()
        epoch = route.opened[-1].epoch
    settings = world.settings.model_copy(update={"engine_address": world.engine.address})
    async with (
        World(world.engine, settings, world.postgres_url).running() as running,
        RouteClient(running.channel, 0, {"simulation": (epoch, 6)}) as again,
    ):
        await again.up()
        broker = stub_of(running)
        assert not (await broker.CorrectTrade(correction)).changed
        assert (await broker.BustTrade(trade_adjustment_pb2.BustTradeRequest(**named))).changed
        assert {report.type for report in await again.reported(2)} == {BUSTED}
        funds = await broker.GetFunds(venue_account_pb2.GetFundsRequest(connection_id="simulation"))
        assert [(each.balance, each.fees) for each in funds.funds if each.currency == "USD"] == [("0", "0")]
        positions = venue_account_pb2.ListVenuePositionsRequest(connection_id="simulation")
        (position,) = (await broker.ListVenuePositions(positions)).positions
        assert (position.quantity, position.bought_quantity, position.sold_quantity) == ("0", "0", "0")
        with pytest.raises(CodedError, match="TRADE_CANCELED"):
            await broker.CorrectTrade(correction)


async def test_an_order_that_another_participant_makes_smaller_is_restated(world: World) -> None:
    """By self-trade prevention with decrement: the resting order of the account loses what the incoming one had."""
    async with world.running() as running, RouteClient(running.channel) as route, world.engine.channel() as channel:
        await route.up()
        await route.send(new_order(1, account_id="a", quantity="15"))
        (accepted,) = await route.reported(1)
        digest = hashlib.blake2b(b"a", digest_size=8).digest()
        other = await Participant(channel, "other").open()
        decrement = order_pb2.SELF_TRADE_PREVENTION_DECREMENT
        await other.send(
            engine_order(
                1,
                order_pb2.SIDE_SELL,
                4,
                18_700,
                instrument_id=(await other_instrument(channel)),
                self_trade_prevention=decrement,
                self_trade_group=int.from_bytes(digest, "big"),
            )
        )
        restated = (await route.reported(2))[-1]
        assert (restated.type, restated.order_id) == (RESTATED, accepted.order_id)
        assert restated.adjustment.quantity == "11"
        assert restated.adjustment.restatement_reason == restatement_pb2.RESTATEMENT_REASON_PARTIAL_DECLINE


async def other_instrument(channel: grpc.aio.Channel) -> int:
    """Returns the engine's number of the instrument that orders are in."""
    stub: Any = instrument_service_pb2_grpc.InstrumentServiceStub(channel)
    listed = (await stub.ListInstruments(instrument_service_pb2.ListInstrumentsRequest())).instruments
    number: int = next(each.instrument.instrument_id for each in listed if each.instrument.symbol == "AAPL.XNAS")
    return number


async def test_trades_of_a_live_connection_are_not_adjusted_from_here(world: World) -> None:
    """Its venue's operator is somebody else; so with an adapter that does not say it can."""
    live = replace_fields(simulation.CAPABILITIES, environments=frozenset(Environment))
    live.check_adjusts_trades(Environment.SIMULATION)
    for capabilities, environment in (
        (live, Environment.LIVE),
        (replace_fields(live, adjusts_trades=False), Environment.SIMULATION),
    ):
        with pytest.raises(CodedError, match="NOT_SUPPORTED_BY_ADAPTER"):
            capabilities.check_adjusts_trades(environment)
