"""Trades corrected and taken back at the real engine, and orders that it makes smaller."""

from __future__ import annotations

import hashlib
from dataclasses import replace as replace_fields
from typing import Any

import grpc.aio
import pytest

from ordermesh.broker.v1 import routing_service_pb2, trade_adjustment_pb2, venue_account_pb2
from ordermesh.engine.v1 import instrument_service_pb2, instrument_service_pb2_grpc, order_pb2
from ordermesh.type.v1 import restatement_pb2
from services.broker.domain.capabilities import Environment
from services.broker.peers import simulation
from services.kernel.errors import CodedError
from tests.fakes.broker_world import RouteClient, new_order
from tests.fixtures.broker import World, cross, stub_of
from tests.fixtures.engine import Trader as Participant
from tests.fixtures.engine import new_order as engine_order

CORRECTED = routing_service_pb2.VENUE_REPORT_TYPE_TRADE_CORRECTED
BUSTED = routing_service_pb2.VENUE_REPORT_TYPE_TRADE_CANCELED
RESTATED = routing_service_pb2.VENUE_REPORT_TYPE_RESTATED


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
