"""What can be asked of the log and its orders."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.order.domain.order import Order
from services.order.domain.values import OrderStatus, Topic
from services.order.pipeline.entries import LoggedEntry, LoggedReport


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders; empty and None mean any."""

    account_id: str = ""
    instrument: str = ""
    statuses: Sequence[OrderStatus] = ()
    client_order_id: str = ""
    parent_order_id: str = ""
    order_list_id: str = ""
    strategy_id: str = ""
    begin: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class FillFilter:
    """Which fills; empty, 0 and None mean any."""

    account_id: str = ""
    instrument: str = ""
    order_id: str = ""
    begin: datetime | None = None
    end: datetime | None = None
    environment: int = 0


FillPlace = tuple[datetime, int, int]
"""Time, sequence and shard: of two shards, fills may have the first two alike."""


@dataclass(frozen=True, slots=True)
class FillRow:
    """A fill: its report, and where it stands in the list."""

    executed_at: datetime
    sequence: int
    payload: bytes
    shard: int = 0

    @property
    def place(self) -> FillPlace:
        """Where it stands in a list, newest first."""
        return self.executed_at, self.sequence, self.shard


class Lists(Protocol):
    """Pages of what the store holds. Each raises STORE_UNAVAILABLE."""

    async def orders(self, wanted: OrderFilter, before: str | None, limit: int) -> Sequence[Order]:
        """Returns orders, newest first, older than the one with the id `before`."""
        ...

    async def fills(self, wanted: FillFilter, before: FillPlace | None, limit: int) -> Sequence[FillRow]:
        """Returns fills, newest first, older than the one at `before`."""
        ...

    async def fill(self, trade_id: str) -> FillRow | None:
        """Returns a fill by its id, None when there is none."""
        ...

    async def adjustments(self, order_ids: Collection[str]) -> Sequence[bytes]:
        """Returns the reports of what venues did to trades of orders after they were made, oldest first."""
        ...

    async def history(self, order_id: str, after: int, limit: int) -> Sequence[LoggedReport]:
        """Returns what happened to an order after a sequence, oldest first."""
        ...


class Log(Protocol):
    """The log as the store has it. Each raises STORE_UNAVAILABLE."""

    async def of_account(
        self, account_id: str, instrument: str, after: int, up_to: int, limit: int
    ) -> Sequence[LoggedReport]:
        """Returns entries of an account after one sequence up to another, oldest first."""
        ...

    async def after(
        self, sequence: int, limit: int, topics: Collection[Topic] = (), up_to: int = ...
    ) -> Sequence[LoggedEntry]:
        """Returns entries of some topics (none named: of all) after a sequence, oldest first."""
        ...
