"""Connections as messages of the contract, with their state."""

from __future__ import annotations

from typing import Final

from ordermesh.broker.v1 import broker_connection_pb2
from ordermesh.type.v1 import trading_pb2
from services.broker.domain.capabilities import Capabilities
from services.broker.domain.connection import Connection
from services.broker.pipeline.routing import Routes
from services.broker.pipeline.venues import Venues
from services.kernel.clock import to_ns
from services.kernel.decimals import format_decimal
from services.mesh.streams import timestamp

_UP: Final = broker_connection_pb2.CONNECTION_STATE_UP
_DOWN: Final = broker_connection_pb2.CONNECTION_STATE_DOWN
_DISABLED: Final = broker_connection_pb2.CONNECTION_STATE_DISABLED


class Telling:
    """Tells connections."""

    def __init__(self, venues: Venues, routes: Routes) -> None:
        self._venues = venues
        self._routes = routes

    async def told(self, connection: Connection) -> broker_connection_pb2.BrokerConnection:
        """Returns a connection with its state as it is now."""
        state, text = await self._state(connection)
        return broker_connection_pb2.BrokerConnection(
            connection_id=connection.connection_id,
            display_name=connection.display_name,
            adapter=connection.adapter,
            environment=trading_pb2.Environment.ValueType(connection.environment),
            enabled=connection.enabled,
            default_account_ids=connection.default_account_ids,
            credential_names=connection.credential_names,
            state=state,
            state_text=text,
            built_in=connection.built_in,
            version=connection.version,
            created_at=timestamp(to_ns(connection.created_at)),
            updated_at=timestamp(to_ns(connection.updated_at)),
        )

    async def _state(self, connection: Connection) -> tuple[broker_connection_pb2.ConnectionState.ValueType, str]:
        if not connection.enabled:
            return _DISABLED, "the connection is switched off"
        up = self._routes.up(connection.connection_id)
        if up:
            return _UP, ""
        text = await self._venues.probe(connection.adapter)
        if text or up is False:
            return _DOWN, text or "the connection is being opened"
        return _UP, ""


def capabilities_to_proto(told: Capabilities) -> broker_connection_pb2.AdapterCapabilities:
    """Returns what an adapter can do."""
    return broker_connection_pb2.AdapterCapabilities(
        adapter=told.adapter,
        order_types=map(trading_pb2.OrderType.ValueType, sorted(told.order_types)),
        times_in_force=map(trading_pb2.TimeInForce.ValueType, sorted(told.times_in_force)),
        environments=map(trading_pb2.Environment.ValueType, sorted(told.environments)),
        deduplicates_commands=told.deduplicates_commands,
        recovers_reports=told.recovers_reports,
        tells_account=told.tells_account,
        replaces_orders=told.replaces_orders,
        takes_post_only=told.takes_post_only,
        takes_display_quantity=told.takes_display_quantity,
        adjusts_trades=told.adjusts_trades,
        required_credentials=sorted(told.required_credentials),
        optional_credentials=sorted(told.optional_credentials),
        taker_fee_rate=format_decimal(told.taker_fee_rate),
    )
