"""What a preview asks others: risk, the book, the route."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from ordermesh.broker.v1.broker_connection_pb2 import AdapterCapabilities
from ordermesh.broker.v1.route_query_pb2 import QueryRouteRequest
from ordermesh.broker.v1.routing_service_pb2_grpc import RoutingServiceStub
from ordermesh.marketdata.v1.book_access_pb2 import GetOrderBookRequest
from ordermesh.marketdata.v1.book_pb2 import BookLevel
from ordermesh.marketdata.v1.instrument_pb2 import INSTRUMENT_STATUS_CALL_AUCTION
from ordermesh.marketdata.v1.market_data_service_pb2 import GetInstrumentRequest
from ordermesh.marketdata.v1.market_data_service_pb2_grpc import MarketDataServiceStub
from ordermesh.risk.v1.reservation_service_pb2 import CheckOrderRequest
from ordermesh.risk.v1.reservation_service_pb2_grpc import ReservationServiceStub
from services.kernel.decimals import ZERO
from services.kernel.errors import CodedError, unavailable
from services.mesh.client import Channel
from services.order.domain import refusals
from services.order.domain.algorithms.terms import Aggressiveness, Algorithm
from services.order.domain.held import as_sent, stays_here
from services.order.domain.preview import Depth, Level
from services.order.domain.terms import OrderTerms
from services.order.domain.values import OrderType, TimeInForce
from services.order.peers.risk import RiskStream
from services.order.peers.risk_messages import reservation_of
from services.order.pipeline.ports import ACCEPTED, Decision
from services.order.pipeline.previewing import Route
from services.order.wire import REASON_OF_NUMBER, breach_of, nanoseconds

MOST_LEVELS: Final = 1_000
"""Levels of a side that are asked for: the most that the contract lets."""


class RiskChecks:
    """Checks without reserving, while the stream that reserves is up to date."""

    def __init__(self, channel: Channel, stream: RiskStream, shard: int, *, timeout_seconds: float = 1.0) -> None:
        self._stub = ReservationServiceStub(channel)
        self._stream, self._shard, self._timeout_seconds = stream, shard, timeout_seconds

    async def check(self, terms: OrderTerms) -> tuple[Decision, int]:
        """Returns what would be decided, and the sequence of the log that it reflects.

        Raises:
            CodedError: RISK_UNAVAILABLE.
        """
        if not self._stream.ready:
            raise refusals.risk_unavailable()
        request = CheckOrderRequest(shard=self._shard, order=reservation_of(terms))
        try:
            response = await self._stub.CheckOrder(request, timeout=self._timeout_seconds)
        except CodedError:
            raise refusals.risk_unavailable() from None
        told = response.decision
        if not told.reason:
            return ACCEPTED, response.as_of
        breach = breach_of(told.breach) if told.HasField("breach") else None
        return Decision(REASON_OF_NUMBER.get(told.reason, "RISK_LIMIT_EXCEEDED"), told.text, breach), response.as_of


class MarketDepths:
    """Books of MarketDataService."""

    def __init__(self, channel: Channel) -> None:
        self._stub = MarketDataServiceStub(channel)

    async def depth(self, instrument: str) -> Depth:
        """Returns the book of an instrument, as deep as it is told.

        Raises:
            CodedError: NO_MARKET_DATA; VENUE_UNAVAILABLE, when the feed is lost and the book may be old;
                SERVICE_UNAVAILABLE.
        """
        told, listed = await asyncio.gather(
            self._stub.GetOrderBook(GetOrderBookRequest(instrument=instrument, depth=MOST_LEVELS)),
            self._stub.GetInstrument(GetInstrumentRequest(instrument=instrument)),
        )
        book, terms = told.book, listed.instrument
        if book.stale:
            raise unavailable("VENUE_UNAVAILABLE", f"the venue's feed of {instrument} is lost: the book may be old")
        return Depth(
            _levels(book.bids),
            _levels(book.asks),
            MOST_LEVELS,
            currency=terms.currency,
            multiplier=Decimal(terms.contract_multiplier or "1"),
            sequence=book.sequence,
            epoch=book.epoch,
            at_ns=nanoseconds(book.venue_time),
            collecting=terms.status == INSTRUMENT_STATUS_CALL_AUCTION,
        )


class Routing:
    """Routes, as BrokerService takes them."""

    def __init__(self, channel: Channel) -> None:
        self._stub = RoutingServiceStub(channel)

    async def route(self, terms: OrderTerms) -> Route:
        """Returns where an order would go.

        Raises:
            CodedError: UNKNOWN_CONNECTION or SERVICE_UNAVAILABLE.
        """
        request = QueryRouteRequest(account_id=terms.account_id, connection_id=terms.connection_id)
        response = await self._stub.QueryRoute(request)
        connection, capabilities = response.connection, response.capabilities
        return Route(
            connection.connection_id,
            connection.display_name,
            connection.adapter,
            state=connection.state,
            state_text=connection.state_text,
            supported=_supported(terms, capabilities),
            fee_rate=Decimal(capabilities.taker_fee_rate) if capabilities.taker_fee_rate else ZERO,
        )


def _supported(terms: OrderTerms, capabilities: AdapterCapabilities) -> bool:
    """Tells whether an adapter takes an order: of one that is held here, what it becomes when it is released."""
    types = {*map(int, capabilities.order_types)}
    if int(terms.type) not in types or stays_here(terms):
        terms = as_sent(terms)
    instructions = terms.instructions
    if instructions is not None and instructions.algorithm is not None:
        return _takes_children(terms, instructions.algorithm, capabilities)
    return (
        int(terms.type) in types
        and int(terms.time_in_force) in {*map(int, capabilities.times_in_force)}
        and (instructions is None or not instructions.post_only or capabilities.takes_post_only)
        and (instructions is None or instructions.display_quantity is None or capabilities.takes_display_quantity)
    )


def _takes_children(terms: OrderTerms, algorithm: Algorithm, capabilities: AdapterCapabilities) -> bool:
    """Tells whether a venue takes what a parent is worked with: it never gets the parent itself."""
    types, lives = {*map(int, capabilities.order_types)}, {*map(int, capabilities.times_in_force)}
    at_once = algorithm.aggressiveness is Aggressiveness.AGGRESSIVE
    rests = at_once or (OrderType.LIMIT in types and TimeInForce.DAY in lives)
    takes = not (at_once or algorithm.cross_at_end) or (terms.type in types and TimeInForce.IOC in lives)
    return rests and takes


def _levels(levels: Iterable[BookLevel]) -> tuple[Level, ...]:
    return tuple(Level(Decimal(level.price), Decimal(level.quantity)) for level in levels)
