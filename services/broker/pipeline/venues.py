"""What the venues of connections are asked, beside the orders that are routed to them."""

from __future__ import annotations

from collections.abc import Awaitable

from services.broker.domain.account import VenueAccount
from services.broker.domain.messages import Correction, OpenOrders, VenueOrder
from services.broker.pipeline.directory import ConnectionDirectory
from services.broker.pipeline.ports import VenueAdapter
from services.kernel.errors import CodedError, ErrorKind, unavailable
from services.mesh.audit import Change, Notes, asked

_ABOUT_THE_TRADE = (ErrorKind.NOT_FOUND, ErrorKind.INVALID, ErrorKind.PRECONDITION)


class Venues:
    """Asks the venue of a connection through its adapter."""

    def __init__(self, directory: ConnectionDirectory, notes: Notes) -> None:
        """Asks nobody yet; `notes` records what venues have changed of trades, which they keep."""
        self._directory = directory
        self._notes = notes

    async def account(self, connection_id: str) -> VenueAccount:
        """Returns money and positions of a connection by the venue's books.

        Raises:
            CodedError: UNKNOWN_CONNECTION or VENUE_UNAVAILABLE.
        """
        adapter = self._adapter(connection_id)
        try:
            return await adapter.account(connection_id)
        except CodedError as error:
            raise _venue_error(error) from error

    async def open_orders(self, connection_id: str, shard: int) -> OpenOrders:
        """Returns the orders of one shard that are open at the venue of a connection.

        Raises:
            CodedError: UNKNOWN_CONNECTION or VENUE_UNAVAILABLE.
        """
        adapter = self._adapter(connection_id)
        try:
            return await adapter.open_orders(connection_id, shard)
        except CodedError as error:
            raise _venue_error(error) from error

    async def all_open_orders(self, connection_id: str) -> list[VenueOrder]:
        """Returns the orders of all shards that are open at the venue of a connection.

        Raises:
            CodedError: UNKNOWN_CONNECTION or VENUE_UNAVAILABLE.
        """
        shards = self._adapter(connection_id).shards(connection_id)
        told = [await self.open_orders(connection_id, shard) for shard in shards]
        return [order for each in told for order in each.orders]

    async def adjust_trade(self, connection_id: str, venue_execution_id: str, correction: Correction | None) -> bool:
        """Has the venue take a trade back, or correct it; returns whether that changed anything.

        Raises:
            CodedError: UNKNOWN_CONNECTION, NOT_SUPPORTED_BY_ADAPTER, UNKNOWN_TRADE, TRADE_CANCELED, INVALID_FIELD,
                PRICE_OFF_TICK, QUANTITY_OFF_LOT or VENUE_UNAVAILABLE.
        """
        connection = self._directory.get(connection_id)
        adapter = self._directory.adapter_of(connection)
        adapter.capabilities.check_adjusts_trades(connection.environment)
        new = {"connection_id": connection_id, "busted": correction is None, "correction": correction}
        change = Change("trade", venue_execution_id, environment=connection.environment, new=new)
        async with asked(self._notes, change) as answer:
            changed = await _of_venue(adapter.adjust_trade(connection_id, venue_execution_id, correction))
            answer.new = {**new, "changed": changed}
        return changed

    async def probe(self, adapter: str) -> str:
        """Returns why the venue of an adapter cannot be reached; empty when it can."""
        try:
            await self._directory.adapter(adapter).probe()
        except CodedError as error:
            return error.message
        return ""

    def _adapter(self, connection_id: str) -> VenueAdapter:
        return self._directory.adapter_of(self._directory.get(connection_id))


async def _of_venue(adjusting: Awaitable[bool]) -> bool:
    try:
        return await adjusting
    except CodedError as error:
        if error.kind in _ABOUT_THE_TRADE:
            raise
        raise _venue_error(error) from error


def _venue_error(error: CodedError) -> CodedError:
    return unavailable("VENUE_UNAVAILABLE", f"the venue cannot be asked now: {error.message}", retry_after_seconds=1.0)
