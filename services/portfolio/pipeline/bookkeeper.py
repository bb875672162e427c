"""Follows the order log and books every fill exactly once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from itertools import groupby

import structlog

from services.bus.backoff import Backoff
from services.kernel.clock import Clock
from services.kernel.drain import Pace
from services.kernel.errors import CodedError, not_found
from services.portfolio.domain import booking
from services.portfolio.domain.account import Account, Portfolio, account_of_fill
from services.portfolio.domain.fill import Fill, InstrumentTerms
from services.portfolio.pipeline.adjusting import Adjusting
from services.portfolio.pipeline.books import Books
from services.portfolio.pipeline.ports import (
    AlreadyBookedError,
    Commit,
    Cursor,
    FillBatch,
    FillLog,
    Instruments,
    LogChangedError,
    Store,
)

_log = structlog.stdlib.get_logger(__name__)


class BooksBegunAnewError(Exception):
    """The order log is another one; the books were emptied for it. The process begins anew as well.

    What streams and caches hold is of the old log. Ending the process is what surely leaves nothing of it.
    """


class BooksWentBackError(Exception):
    """The books have less of the order log than was handed on: they were emptied for the log of another shard."""


class Bookkeeper:
    """Books what the order log of one shard says, in its order. Each shard has one; `Books` lets them write in turn."""

    def __init__(
        self,
        books: Books,
        store: Store,
        fills: FillLog,
        instruments: Instruments,
        clock: Clock,
        *,
        backoff: Backoff,
        pace: Pace | None = None,
        shard: int = 0,
    ) -> None:
        self._books, self._ledger, self._store = books, books.ledger, store
        self._fills, self._instruments, self._clock = fills, instruments, clock
        self._backoff = backoff
        self._pace = pace or Pace(0)
        self._shard = shard
        self.booked = 0
        self.duplicates = 0
        self.adjusted = 0
        self._adjusting = Adjusting(books, store, instruments, clock, shard)

    async def run(self) -> None:
        """Books for ever. What is away is waited for; a fill that cannot be booked now is tried again, never left out.

        Raises:
            BooksBegunAnewError: The order log is another one.
            ShardMismatchError: There are more order logs, or fewer, than this process was told of.
        """
        while True:
            try:
                await self._follow()
            except LogChangedError:
                _log.warning("the order log says that it is another one; asking it again", shard=self._shard)
            except BooksWentBackError:
                _log.warning("the books were emptied; booking the order log from its beginning", shard=self._shard)
            except CodedError as error:
                _log.warning("booking waits", error=str(error), shard=self._shard)
            await self._backoff.wait()

    async def _follow(self) -> None:
        await self._books.settle()
        cursor = await self._cursor()
        handed_on = cursor.sequence
        async for batch in self._fills.follow(cursor):
            await self._books.settle()  # a write of somebody else may have left memory in doubt
            handed_on = await self._book(cursor.epoch, batch, handed_on)
            self._backoff.reset()
            await self._pace.turn()

    async def _cursor(self) -> Cursor:
        epoch, cursor = await self._fills.epoch(), self._ledger.cursor(self._shard)
        if cursor.epoch and cursor.epoch != epoch:
            _log.critical("the order log is another one; emptying the books for it", old=cursor.epoch, new=epoch)
            ended = BooksBegunAnewError(f"the order log is {epoch} now, and was {cursor.epoch}")
            try:
                await self._books.begin_anew(self._shard, epoch)
            except CodedError as error:
                # Nobody knows whether they are empty now. Whoever starts next finds out.
                raise ended from error
            raise ended
        return Cursor(epoch, cursor.sequence)

    async def _book(self, epoch: str, batch: FillBatch, handed_on: int) -> int:
        for adjusted, group in groupby(batch.fills, _is_adjusted):
            fills = list(group)
            if adjusted:
                for fill in fills:
                    self.adjusted += await self._adjusting.book(epoch, fill)
            else:
                await self._book_fills(epoch, fills, handed_on)
            handed_on = fills[-1].sequence
        self._ledger.reached(batch.as_of, self._shard)
        return handed_on

    async def _book_fills(self, epoch: str, fills: Sequence[Fill], handed_on: int) -> None:
        terms = await self._terms(fills)
        async with self._books.booking() as commit:
            reached = self._ledger.cursor(self._shard).sequence
            if reached < handed_on:
                raise BooksWentBackError
            if fresh := [fill for fill in fills if fill.sequence > reached]:
                await self._commit(commit, epoch, fresh, terms)

    async def _commit(
        self,
        commit: Callable[[Commit], Awaitable[None]],
        epoch: str,
        fills: Sequence[Fill],
        terms: Mapping[str, InstrumentTerms],
    ) -> None:
        after = Cursor(epoch, fills[-1].sequence)
        try:
            await commit(prepared := self._prepare(after, _without(set(), fills), terms))
        except AlreadyBookedError:
            # So rare that it is asked for only then: each fill has its own id, and the cursor keeps them apart.
            booked = await self._store.booked_among(epoch, [fill.trade_id for fill in fills])
            await commit(prepared := self._prepare(after, _without(booked, fills), terms))
        self._count(fills, {change.fill.sequence for change in prepared.booked.changes})

    def _prepare(self, after: Cursor, new: Sequence[Fill], terms: Mapping[str, InstrumentTerms]) -> Commit:
        opened = self._open_missing(new)
        accounts = {account.account_id: account for account, _ in opened}
        accounts |= {name: known for name in {f.account_id for f in new} if (known := self._ledger.accounts.get(name))}
        books = booking.Books(accounts, self._ledger.positions, terms, self._ledger.sequence)
        booked = booking.book(books, new, self._clock.now())
        return Commit(opened, booked, self._ledger.cursor(self._shard), after, self._shard)

    def _count(self, fills: Sequence[Fill], booked: Collection[int]) -> None:
        self.booked += len(booked)
        if len(booked) < len(fills):
            repeated = [fill.trade_id for fill in fills if fill.sequence not in booked]
            self.duplicates += len(repeated)
            _log.error("fills are in the order log twice; booked once", trade_ids=repeated)

    async def _terms(self, fills: Sequence[Fill]) -> dict[str, InstrumentTerms]:
        terms: dict[str, InstrumentTerms] = {}
        for name in {fill.instrument for fill in fills}:
            if (found := await self._instruments.find(name)) is None:
                raise not_found("UNKNOWN_INSTRUMENT", f"there are fills in {name}, which nobody knows")
            terms[name] = found
        return terms

    def _open_missing(self, fills: Sequence[Fill]) -> list[tuple[Account, Portfolio]]:
        missing = {fill.account_id for fill in fills} - self._ledger.accounts.keys()
        if missing:
            _log.warning("opening accounts that fills name and nobody opened", accounts=sorted(missing))
        return [self._books.prepare(account_of_fill(account_id)) for account_id in sorted(missing)]


def _without(booked: Collection[str], fills: Sequence[Fill]) -> list[Fill]:
    """Returns the fills that are not booked, each once."""
    known = set(booked)
    fresh: list[Fill] = []
    for fill in fills:
        if fill.trade_id not in known:
            known.add(fill.trade_id)
            fresh.append(fill)
    return fresh


def _is_adjusted(fill: Fill) -> bool:
    return fill.adjustment is not None
