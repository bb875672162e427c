"""What the venues of connections are asked, beside the orders that are routed to them."""

from __future__ import annotations

from collections.abc import Awaitable, Collection
from typing import Final, TypeVar

from services.broker.domain.account import VenueAccount
from services.broker.domain.messages import Correction, OpenOrders, VenueOrder
from services.broker.pipeline.directory import ConnectionDirectory
from services.broker.pipeline.ports import VenueAdapter
from services.kernel.errors import CodedError, ErrorKind, unavailable
from services.mesh.audit import Change, Notes, asked

T = TypeVar("T")

_ABOUT_THE_TRADE: Final = (ErrorKind.NOT_FOUND, ErrorKind.INVALID, ErrorKind.PRECONDITION)


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
        return await _of_venue(self._adapter(connection_id).account(connection_id))

    async def open_orders(self, connection_id: str, shard: int) -> OpenOrders:
        """Returns the orders of one shard that are open at the venue of a connection.

        Raises:
            CodedError: UNKNOWN_CONNECTION or VENUE_UNAVAILABLE.
        """
        return await _of_venue(self._adapter(connection_id).open_orders(connection_id, shard))

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
            changed = await _of_venue(
                adapter.adjust_trade(connection_id, venue_execution_id, correction), as_told=_ABOUT_THE_TRADE
            )
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


async def _of_venue(answer: Awaitable[T], as_told: Collection[ErrorKind] = ()) -> T:
    """Returns what a venue answers; an error says that it cannot be asked, but for kinds that are told as they are."""
    try:
        return await answer
    except CodedError as error:
        if error.kind in as_told:
            raise
        text = f"the venue cannot be asked now: {error.message}"
        raise unavailable("VENUE_UNAVAILABLE", text, retry_after_seconds=1.0) from error
