"""Which connections a caller reaches: those of their own environment. Others are as unknown as what there is not."""

from __future__ import annotations

from typing import Any, Final

from services.broker.domain.connection import Connection
from services.broker.pipeline.directory import ConnectionDirectory, unknown_connection
from services.kernel.errors import permission
from services.mesh.access.accounts import lives_in
from services.mesh.interceptors.accounts import AccountInterceptor, of_no_account

_BY_ID: Final = (
    "GetConnection",
    "UpdateConnection",
    "DeleteConnection",
    "GetCapabilities",
    "GetFunds",
    "ListVenuePositions",
    "ListVenueHoldings",
    "ListVenueOrders",
    "BustTrade",
    "CorrectTrade",
)


def shown(connection: Connection) -> bool:
    """Tells whether lists show the caller a connection."""
    return lives_in(connection.environment.value)


def connection_interceptor(directory: ConnectionDirectory) -> AccountInterceptor:
    """Returns what stands around the methods of BrokerService. Lists leave out what a caller does not reach."""

    async def known(request: Any) -> None:
        if not shown(directory.get(request.connection_id)):
            raise unknown_connection(request.connection_id)

    async def new(request: Any) -> None:
        if not lives_in(request.environment):
            raise permission("PERMISSION_DENIED", "connections are made in the caller's own environment")

    return AccountInterceptor(
        None, {**dict.fromkeys(_BY_ID, known), "CreateConnection": new, "ListConnections": of_no_account}
    )
