"""BrokerService: connections, and what their venues know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.broker.v1 import broker_service_pb2, broker_service_pb2_grpc, trade_adjustment_pb2, venue_account_pb2
from services.broker.domain.account import Position
from services.broker.domain.capabilities import Environment
from services.broker.domain.connection import Connection
from services.broker.domain.messages import Correction
from services.broker.pipeline.connections import Connections, Wish
from services.broker.pipeline.directory import ConnectionDirectory
from services.broker.pipeline.routing import Routes
from services.broker.pipeline.venues import Venues
from services.broker.servicer.routing import venue_order_to_proto
from services.broker.servicer.telling import Telling, capabilities_to_proto
from services.kernel.clock import Clock
from services.kernel.decimals import format_decimal
from services.mesh.pages import Pages
from services.mesh.streams import timestamp
from services.mesh.tokens import PageTokens, filters_of

_DEFAULT_PAGE: Final = 100


class BrokerServicer(broker_service_pb2_grpc.BrokerServiceServicer):
    """Serves whoever keeps connections."""

    def __init__(
        self,
        connections: Connections,
        directory: ConnectionDirectory,
        venues: Venues,
        routes: Routes,
        clock: Clock,
        shown: Callable[[Connection], bool] | None = None,
    ) -> None:
        """Makes the servicer.

        Args:
            connections: Makes and changes them.
            directory: Those that there are.
            venues: What their venues tell.
            routes: How they stand.
            clock: The time.
            shown: Which connections lists show the caller. None: all.
        """
        self._connections, self._directory, self._venues = connections, directory, venues
        self._shown = shown
        self._telling = Telling(venues, routes)
        self._clock = clock

    async def CreateConnection(
        self, request: broker_service_pb2.CreateConnectionRequest, context: Any
    ) -> broker_service_pb2.CreateConnectionResponse:
        """Makes a connection."""
        wish = Wish(request.display_name, not request.disabled, request.default_account_ids, dict(request.credentials))
        environment = Environment(request.environment)
        connection = await self._connections.create(request.connection_id, request.adapter, environment, wish)
        return broker_service_pb2.CreateConnectionResponse(connection=await self._telling.told(connection))

    async def GetConnection(
        self, request: broker_service_pb2.GetConnectionRequest, context: Any
    ) -> broker_service_pb2.GetConnectionResponse:
        """Tells one connection."""
        connection = self._directory.get(request.connection_id)
        return broker_service_pb2.GetConnectionResponse(connection=await self._telling.told(connection))

    async def ListConnections(
        self, request: broker_service_pb2.ListConnectionsRequest, context: Any
    ) -> broker_service_pb2.ListConnectionsResponse:
        """Lists connections by id."""
        tokens = PageTokens(filters_of(request))
        after = tokens.read(request.page_token) or ("",)
        size = request.page_size or _DEFAULT_PAGE
        found = self._directory.list_after(after[0], size + 1, request.adapter, self._shown)
        told = [await self._telling.told(connection) for connection in found[:size]]
        token = tokens.make(found[size - 1].connection_id) if len(found) > size else ""
        return broker_service_pb2.ListConnectionsResponse(connections=told, next_page_token=token)

    async def UpdateConnection(
        self, request: broker_service_pb2.UpdateConnectionRequest, context: Any
    ) -> broker_service_pb2.UpdateConnectionResponse:
        """Changes a connection."""
        wish = Wish(
            request.display_name,
            not request.disabled,
            request.default_account_ids,
            dict(request.credentials),
            request.forget_credentials,
        )
        connection = await self._connections.update(request.connection_id, request.version, wish)
        return broker_service_pb2.UpdateConnectionResponse(connection=await self._telling.told(connection))

    async def DeleteConnection(
        self, request: broker_service_pb2.DeleteConnectionRequest, context: Any
    ) -> broker_service_pb2.DeleteConnectionResponse:
        """Deletes a connection."""
        await self._connections.delete(request.connection_id, request.version)
        return broker_service_pb2.DeleteConnectionResponse()

    async def GetCapabilities(
        self, request: broker_service_pb2.GetCapabilitiesRequest, context: Any
    ) -> broker_service_pb2.GetCapabilitiesResponse:
        """Tells what the adapter of a connection can do."""
        capabilities = self._directory.capabilities(request.connection_id)
        return broker_service_pb2.GetCapabilitiesResponse(capabilities=capabilities_to_proto(capabilities))

    async def GetFunds(
        self, request: venue_account_pb2.GetFundsRequest, context: Any
    ) -> venue_account_pb2.GetFundsResponse:
        """Tells the money that the venue holds."""
        account = await self._venues.account(request.connection_id)
        funds = [
            venue_account_pb2.VenueFunds(
                currency=each.currency, balance=format_decimal(each.balance), fees=format_decimal(each.fees)
            )
            for each in account.funds
        ]
        return venue_account_pb2.GetFundsResponse(funds=funds, time=self._now())

    async def ListVenuePositions(
        self, request: venue_account_pb2.ListVenuePositionsRequest, context: Any
    ) -> venue_account_pb2.ListVenuePositionsResponse:
        """Lists positions by the venue's books."""
        pages = Pages(request, _DEFAULT_PAGE)
        account = await self._venues.account(request.connection_id)
        shown, token = pages.cut(account.positions, lambda position: position.instrument)
        told = [_position(position) for position in shown]
        return venue_account_pb2.ListVenuePositionsResponse(positions=told, next_page_token=token, time=self._now())

    async def ListVenueHoldings(
        self, request: venue_account_pb2.ListVenueHoldingsRequest, context: Any
    ) -> venue_account_pb2.ListVenueHoldingsResponse:
        """Lists what is held outright by the venue's books."""
        pages = Pages(request, _DEFAULT_PAGE)
        account = await self._venues.account(request.connection_id)
        shown, token = pages.cut(account.holdings, lambda holding: holding.instrument)
        told = [_holding(holding) for holding in shown]
        return venue_account_pb2.ListVenueHoldingsResponse(holdings=told, next_page_token=token, time=self._now())

    async def ListVenueOrders(
        self, request: venue_account_pb2.ListVenueOrdersRequest, context: Any
    ) -> venue_account_pb2.ListVenueOrdersResponse:
        """Lists orders that are open at the venue."""
        pages = Pages(request, _DEFAULT_PAGE)
        orders = await self._venues.all_open_orders(request.connection_id)
        shown, token = pages.cut(orders, lambda order: order.venue_order_id, _by_number)
        told = [venue_order_to_proto(order) for order in shown]
        return venue_account_pb2.ListVenueOrdersResponse(orders=told, next_page_token=token, time=self._now())

    async def BustTrade(
        self, request: trade_adjustment_pb2.BustTradeRequest, context: Any
    ) -> trade_adjustment_pb2.BustTradeResponse:
        """Has the venue take a trade back."""
        changed = await self._venues.adjust_trade(request.connection_id, request.venue_execution_id, None)
        return trade_adjustment_pb2.BustTradeResponse(changed=changed)

    async def CorrectTrade(
        self, request: trade_adjustment_pb2.CorrectTradeRequest, context: Any
    ) -> trade_adjustment_pb2.CorrectTradeResponse:
        """Has the venue correct a trade."""
        correction = Correction(request.instrument, request.price, request.quantity)
        changed = await self._venues.adjust_trade(request.connection_id, request.venue_execution_id, correction)
        return trade_adjustment_pb2.CorrectTradeResponse(changed=changed)

    def _now(self) -> Timestamp:
        return timestamp(self._clock.now_ns())


def _by_number(venue_order_id: str) -> tuple[int, str]:
    """Sorts numbers as numbers."""
    return len(venue_order_id), venue_order_id


def _position(position: Position) -> venue_account_pb2.VenuePosition:
    average = position.average_price
    return venue_account_pb2.VenuePosition(
        instrument=position.instrument,
        quantity=format_decimal(position.quantity),
        average_price="" if average is None else format_decimal(average),
        bought_quantity=format_decimal(position.bought_quantity),
        sold_quantity=format_decimal(position.sold_quantity),
        currency=position.currency,
    )


def _holding(position: Position) -> venue_account_pb2.VenueHolding:
    average = position.average_price
    return venue_account_pb2.VenueHolding(
        instrument=position.instrument,
        quantity=format_decimal(position.quantity),
        average_price="" if average is None else format_decimal(average),
        currency=position.currency,
    )
