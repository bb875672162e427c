"""What the pipeline needs of others; adapters and fakes implement it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from services.portfolio.domain.account import Account, Portfolio
from services.portfolio.domain.booking import Booked
from services.portfolio.domain.cash import CashChange
from services.portfolio.domain.fill import Fill, InstrumentTerms
from services.portfolio.domain.position import Position


class LogChangedError(Exception):
    """The order log is another one than that which was being followed."""


class AlreadyBookedError(Exception):
    """One of the fills to book is booked already; nothing was written."""


class ShardMismatchError(Exception):
    """There is another number of order logs than this process was told of: fills would be missed."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far the order log of a shard has been booked.

    Attributes:
        epoch: Incarnation of the log; empty before the first contact.
        sequence: Last fill booked.
    """

    epoch: str = ""
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class FillBatch:
    """News of the order log: fills after the last batch, in order, and how far it has been read.

    Attributes:
        fills: May be none.
        as_of: Every fill up to this sequence is in this batch or was in one before.
    """

    fills: Sequence[Fill]
    as_of: int


class FillLog(Protocol):
    """The fills of the order log of one shard."""

    async def epoch(self) -> str:
        """Returns the incarnation of the log.

        Raises:
            CodedError: SERVICE_UNAVAILABLE.
            ShardMismatchError: There are more logs, or fewer, than this process was told of.
        """
        ...

    def follow(self, cursor: Cursor) -> AsyncIterator[FillBatch]:
        """Yields what comes after a cursor, for ever, none left out.

        Raises:
            LogChangedError: The log is no longer that of the cursor.
            CodedError: SERVICE_UNAVAILABLE.
        """
        ...


class Instruments(Protocol):
    """Knows the terms of instruments."""

    async def find(self, name: str) -> InstrumentTerms | None:
        """Returns an instrument's terms; None when there is none of that name.

        Raises:
            CodedError: SERVICE_UNAVAILABLE.
        """
        ...


@dataclass(slots=True)  # not frozen, and never changed: so it is made in a fourth of the time
class LoggedChange:
    """An entry of the log of positions, as it goes to streams and to the bus.

    Attributes:
        sequence: Its place in the log.
        account_id: Account.
        instrument: Instrument.
        payload: As published.
    """

    sequence: int
    account_id: str
    instrument: str
    payload: bytes


@dataclass(slots=True)
class State:
    """Everything, as the store has it.

    Attributes:
        accounts: By id.
        positions: By account, by instrument.
        portfolios: By id.
        sequence: Last place in the log of positions.
        cursors: How far the order log of each shard has been booked.
    """

    accounts: dict[str, Account] = field(default_factory=dict)
    positions: dict[str, dict[str, Position]] = field(default_factory=dict)
    portfolios: dict[str, Portfolio] = field(default_factory=dict)
    sequence: int = 0
    cursors: dict[int, Cursor] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Commit:
    """What is committed as one.

    Attributes:
        opened: Accounts opened for the fills, with the portfolio of each.
        booked: What the fills make of the books.
        before: The cursor that the books are at.
        after: The cursor that they are at then.
        shard: Shard whose log it is.
    """

    opened: Sequence[tuple[Account, Portfolio]]
    booked: Booked
    before: Cursor
    after: Cursor
    shard: int = 0

    @property
    def adjusts(self) -> bool:
        """Whether it books the cancel or correction of a fill, and nothing else."""
        return any(change.fill.adjustment is not None for change in self.booked.changes)


class Store(Protocol):
    """The truth. Methods raise CodedError STORE_UNAVAILABLE: whether they took effect is then unknown."""

    async def load(self) -> State:
        """Returns everything."""
        ...

    async def commit(self, commit: Commit) -> list[LoggedChange]:
        """Stores bookings and cursor as one, and returns the entries of the log of positions.

        Raises:
            AlreadyBookedError: One of the fills is booked.
            RuntimeError: The cursor is not where the commit says: somebody else books too.
        """
        ...

    async def booked_among(self, epoch: str, trade_ids: Collection[str]) -> set[str]:
        """Returns which fills are booked already."""
        ...

    async def is_adjusted(self, epoch: str, execution_id: str) -> bool:
        """Tells whether a report of what became of a fill is booked."""
        ...

    async def fills_of(self, epoch: str, account_id: str, instrument: str) -> list[Fill]:
        """Returns a position's fills as they count now, in the order of the log; canceled ones are left out."""
        ...

    async def changes_after(self, sequence: int, limit: int) -> list[LoggedChange]:
        """Returns entries of the log of positions after a sequence, oldest first; none when there are no more."""
        ...

    async def begin_anew(self, shard: int, epoch: str) -> None:
        """Empties the books for another order log of a shard: positions gone, cash as opened, a new log of positions.

        The logs of the other shards are booked from their beginning again.
        """
        ...

    async def add_account(self, account: Account, own: Portfolio) -> None:
        """Stores an account and its portfolio.

        Raises:
            CodedError: ALREADY_EXISTS.
        """
        ...

    async def opened_with(self, account_id: str) -> Mapping[str, Decimal]:
        """Returns the cash that an account was opened with, by currency."""
        ...

    async def cash_change(self, account_id: str, request_id: str) -> CashChange | None:
        """Returns a change of cash that was made; None when none was made under this name."""
        ...

    async def put_cash(self, change: CashChange, after: Account) -> None:
        """Stores a change of cash, and what it makes of the account."""
        ...

    async def put_portfolio(self, portfolio: Portfolio) -> None:
        """Stores a portfolio, new or changed.

        Raises:
            CodedError: ALREADY_EXISTS, when the account has another one of that name.
        """
        ...

    async def delete_portfolio(self, portfolio_id: str) -> None:
        """Deletes a portfolio."""
        ...


class Announcer(Protocol):
    """Is told what was committed, in the order of the log. Must not block and must not fail."""

    def announce(self, changes: Sequence[LoggedChange]) -> None:
        """Takes note of entries of the log of positions."""
        ...
