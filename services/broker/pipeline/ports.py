"""What the pipeline needs of the outside."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Protocol

from services.broker.domain.account import VenueAccount
from services.broker.domain.capabilities import Capabilities
from services.broker.domain.connection import Connection
from services.broker.domain.messages import Command, Correction, Cursor, OpenOrders, Report, VenuePosition


class HistoryLostError(Exception):
    """The venue's sequence of reports is another one than the cursor's: it has lost its history."""


class VenueLink(Protocol):
    """An open way to a venue for one connection and shard."""

    @property
    def position(self) -> VenuePosition:
        """How far the venue is with the connection, at the opening."""
        ...

    async def send(self, commands: Sequence[Command]) -> None:
        """Sends commands in their order, as one message.

        Raises:
            CodedError: The venue is gone; some of the commands may have arrived.
        """
        ...

    def reports(self) -> AsyncGenerator[list[Report], None]:
        """Yields the reports after the cursor, then live ones; ends, or raises CodedError, when the venue is gone."""
        ...

    def close(self) -> None:
        """Gives the way up."""
        ...


class VenueAdapter(Protocol):
    """A kind of venue. One adapter serves all connections of its kind."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    async def open(self, connection_id: str, shard: int, cursor: Cursor) -> VenueLink:
        """Opens the way to the venue.

        Raises:
            HistoryLostError: The cursor belongs to another incarnation of the venue's sequence.
            CodedError: The venue cannot be reached, or no longer has the reports after the cursor.
        """
        ...

    async def reports_after(self, connection_id: str, shard: int, sequence: int, limit: int) -> list[Report]:
        """Returns up to `limit` reports after a sequence, to fill a gap; none when there are no more.

        Raises:
            CodedError: The venue cannot be reached, or no longer has them.
        """
        ...

    async def open_orders(self, connection_id: str, shard: int) -> OpenOrders:
        """Returns the orders that are open at the venue.

        Raises:
            CodedError: The venue cannot be reached.
        """
        ...

    def shards(self, connection_id: str) -> list[int]:
        """Returns the shards that have traded through a connection."""
        ...

    async def account(self, connection_id: str) -> VenueAccount:
        """Returns money and positions of a connection by the venue's books, as of now.

        Raises:
            CodedError: The venue cannot be reached.
        """
        ...

    async def adjust_trade(self, connection_id: str, venue_execution_id: str, correction: Correction | None) -> bool:
        """Has a trade taken back or corrected, for both of its sides; returns whether that changed anything.

        Raises:
            CodedError: UNKNOWN_TRADE, TRADE_CANCELED, INVALID_FIELD, or the venue cannot be reached.
        """
        ...

    async def probe(self) -> None:
        """Asks the venue for a sign of life.

        Raises:
            CodedError: The venue cannot be reached.
        """
        ...

    def forget(self, connection_id: str) -> None:
        """Drops what is held of a connection that is no more."""
        ...


class ConnectionStore(Protocol):
    """Where connections are kept."""

    async def load_connections(self) -> list[Connection]:
        """Returns all connections."""
        ...

    async def insert(self, connection: Connection, credentials: Mapping[str, str]) -> None:
        """Stores a new connection.

        Raises:
            CodedError: ALREADY_EXISTS or STORE_UNAVAILABLE.
        """
        ...

    async def update(self, connection: Connection, credentials: Mapping[str, str], forget: Sequence[str]) -> bool:
        """Stores a changed connection if the stored one is at the version before; returns whether it was."""
        ...

    async def delete(self, connection_id: str, version: int) -> bool:
        """Deletes a connection of a version; returns whether there was one."""
        ...
