"""The single writer of the log: what waits goes into one transaction, in order, and is told once it is committed."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence

import structlog

from services.kernel.clock import Clock
from services.kernel.drain import Wakeup
from services.kernel.errors import CodedError
from services.kernel.identifiers import Identifiers
from services.order.domain import refusals
from services.order.domain.contingency import follow_list
from services.order.domain.order_trades import OrderHistory
from services.order.pipeline.book import Book
from services.order.pipeline.entries import Draft
from services.order.pipeline.metrics import Metrics
from services.order.pipeline.ports import DuplicateKeyError, InDoubtError, Listener, NotCommittedError, Store
from services.order.pipeline.reactions import Reactions
from services.order.pipeline.work import Work

_log = structlog.stdlib.get_logger(__name__)

_MICROSECOND = 1_000
_NO_HISTORIES: Mapping[str, OrderHistory | None] = {}


class LogDivergedError(Exception):
    """Somebody else has written to the log: memory cannot be trusted any more, and the process must end."""


class Writer:
    """Commits batch after batch, one at a time: that is what makes sequences gapless.

    A batch is prepared on top of what is committed and becomes visible only after its commit. Numbers of a batch that
    failed are used again; nobody has seen them.
    """

    def __init__(
        self,
        book: Book,
        store: Store,
        clock: Clock,
        identifiers: Identifiers,
        metrics: Metrics,
        *,
        most_per_batch: int = 2_000,
        most_waiting: int = 20_000,
        retry_seconds: float = 0.1,
    ) -> None:
        self._book, self._store, self._clock = book, store, clock
        self._identifiers, self._metrics = identifiers, metrics
        self._reactions = Reactions(follow_list)
        self._most_per_batch, self._most_waiting = most_per_batch, most_waiting
        self._retry_seconds = retry_seconds
        self._listeners: list[Listener] = []
        self._inbox: deque[Work] = deque()
        self._wakeup = Wakeup()
        self._room = asyncio.Event()
        self._room.set()
        self.waiting = 0
        self.available = True

    def listen(self, listener: Listener) -> None:
        """Tells a listener everything that is committed from now on."""
        self._listeners.append(listener)

    def check_available(self) -> None:
        """Refuses what cannot be committed now.

        Raises:
            CodedError: STORE_UNAVAILABLE or OVERLOADED.
        """
        if not self.available:
            raise refusals.store_unavailable()
        if self.waiting > self._most_waiting:
            raise refusals.overloaded(self.waiting)

    def put(self, work: Work) -> None:
        """Queues work."""
        self._inbox.append(work)
        self.waiting += work.weight
        if self.waiting > self._most_waiting:
            self._room.clear()
        self._wakeup.call()

    async def room(self) -> None:
        """Waits until the queue is short enough for more work that must not be refused."""
        await self._room.wait()

    async def run(self) -> None:
        """Commits for ever.

        Raises:
            LogDivergedError: The log is not what it was left as.
        """
        while True:
            works = await self._take()
            await self._write(works)

    async def _take(self) -> list[Work]:
        while not self._inbox:
            await self._wakeup.wait()
        works: list[Work] = []
        weight = 0
        while self._inbox and (not works or weight + self._inbox[0].weight <= self._most_per_batch):
            work = self._inbox.popleft()
            weight += work.weight
            works.append(work)
        self._lighten(weight)
        return works

    def _lighten(self, weight: int) -> None:
        self.waiting -= weight
        if self.waiting <= self._most_waiting:
            self._room.set()

    async def _write(self, works: list[Work]) -> None:
        while works:
            try:
                draft = await self._prepared(works)
            except CodedError as error:
                _log.error("the store does not tell orders that reports are of", error=str(error))
                works = await self._refused(works)
                continue
            started = time.perf_counter()
            try:
                if draft.entries or draft.cursors:
                    await self._store.commit(draft)
            except DuplicateKeyError:
                works = await self._without_duplicates(works, draft)
            except NotCommittedError as error:
                _log.error("the store refused a transaction", error=str(error.__cause__ or error))
                works = await self._refused(works)
            except InDoubtError as error:
                _log.error("the store was lost during a transaction", error=str(error.__cause__ or error))
                works = await self._decide(works, draft)
            else:
                self._metrics.committed(draft, time.perf_counter() - started)
                self._publish(works, draft)
                return

    async def _prepared(self, works: Sequence[Work]) -> Draft:
        """Returns a draft; orders that need not be live, whose trades a venue has adjusted, are looked up for it.

        What is looked up cannot change meanwhile: nobody else writes.
        """
        draft = self._prepare(works)
        histories: dict[str, OrderHistory | None] = {}
        while draft.wanted:
            found = await self._store.histories(draft.wanted)
            histories |= {order_id: found.get(order_id) for order_id in draft.wanted}
            accounts = {history.order.terms.account_id for history in found.values()}
            if unknown := self._book.unknown_accounts(accounts):
                self._book.load_accounts(await self._store.account_sequences(unknown))
            draft = self._prepare(works, histories)
        return draft

    def _prepare(self, works: Sequence[Work], histories: Mapping[str, OrderHistory | None] = _NO_HISTORIES) -> Draft:
        # Time in the log never goes back, whatever the clock does, and is whole microseconds, as Postgres keeps it.
        now_ns = -(-self._clock.now_ns() // _MICROSECOND) * _MICROSECOND
        draft = Draft(self._book, max(now_ns, self._book.at_ns), histories)
        for work in works:
            work.prepare(draft, self._identifiers)
        self._reactions.react(draft, self._identifiers)
        self._store.encode(draft)
        return draft

    def _publish(self, works: Sequence[Work], draft: Draft) -> None:
        # Without a pause in between: whoever subscribes finds the book and the listeners at the same sequence.
        self.available = True
        self._book.install(draft)
        if draft.entries or draft.cursors:
            for listener in self._listeners:
                listener.committed(draft)
        for work in works:
            work.committed()

    async def _without_duplicates(self, works: list[Work], draft: Draft) -> list[Work]:
        keys = [(order.terms.account_id, order.terms.client_order_id) for order in draft.placed]
        try:
            existing = await self._store.find(keys)
        except CodedError:
            return await self._refused(works)
        if not existing:
            raise LogDivergedError("a sequence of the log, or an order id, was used by somebody else")
        for work in works:
            work.resolve(existing)
        return [work for work in works if work.weight]

    async def _refused(self, works: Sequence[Work]) -> list[Work]:
        kept = self._fail(works)
        self._abandon(works)
        # What must not be lost is tried again; until that works, nothing new is taken.
        self.available = not kept
        if kept:
            self._fail_waiting()
            await asyncio.sleep(self._retry_seconds)
        return kept

    async def _decide(self, works: Sequence[Work], draft: Draft) -> list[Work]:
        self.available = False
        kept = self._fail(works)
        head = await self._recovered()
        if draft.entries and head == draft.last_sequence:
            _log.info("the transaction had been committed", sequence=head)
            self._publish(works, draft)
            return []
        if head != self._book.sequence:
            raise LogDivergedError(f"the log ends at {head}, not at {self._book.sequence}")
        _log.info("the transaction had not been committed", sequence=head)
        self._abandon(works)
        self.available = True
        return kept

    async def _recovered(self) -> int:
        while True:
            self._fail_waiting()
            try:
                return await self._store.recover()
            except CodedError as error:
                _log.warning("the store is away", error=str(error))
                await asyncio.sleep(self._retry_seconds)

    def _fail(self, works: Sequence[Work]) -> list[Work]:
        error = refusals.store_unavailable()
        for work in works:
            if not work.kept:
                work.failed(error)
        return [work for work in works if work.kept]

    def _abandon(self, works: Sequence[Work]) -> None:
        for work in works:
            if not work.kept:
                work.abandoned()

    def _fail_waiting(self) -> None:
        """Answers the callers of what waits, and keeps what must not be lost."""
        works = list(self._inbox)
        self._inbox.clear()
        self._inbox.extend(self._fail(works))
        self._abandon(works)
        self._lighten(sum(work.weight for work in works if not work.kept))
