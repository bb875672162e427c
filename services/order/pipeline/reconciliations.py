"""The records of reconciliation: taken at once, stored behind the order path, tried again until they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol

import structlog

from services.bus.backoff import Backoff
from services.kernel.clock import Clock
from services.kernel.drain import Drain
from services.kernel.errors import CodedError
from services.kernel.identifiers import Identifiers
from services.order.domain.reconciliation import Finding, Reconciliation, ReconciliationKind
from services.order.pipeline.book import Book

ORDERS_PER_RECORD: Final = 100
_MOST_PER_COMMIT: Final = 500
_MOST_WAITING: Final = 20_000
_LONGEST_TEXT: Final = 1_000
_MICROSECOND: Final = 1_000

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ReconciliationFilter:
    """Which records; empty and None mean any."""

    connection_id: str = ""
    kinds: Sequence[ReconciliationKind] = ()
    begin: datetime | None = None
    end: datetime | None = None
    environment: int = 0


class ReconciliationStore(Protocol):
    """Keeps records. Each raises STORE_UNAVAILABLE."""

    async def append(self, records: Sequence[Reconciliation]) -> None:
        """Stores records; one that is there already stays as it is."""
        ...

    async def prune(self, kept: int) -> int:
        """Deletes all but so many of the newest, and returns how many it deleted."""
        ...

    async def page(self, wanted: ReconciliationFilter, before: str, limit: int) -> Sequence[Reconciliation]:
        """Returns records, newest first, older than the one with the id `before`; empty: from the newest."""
        ...


class Findings(Protocol):
    """Takes what is found. Must not block and must not fail."""

    def add(self, finding: Finding) -> None:
        """Takes a finding; it is stored soon."""
        ...


class Reconciliations:
    """All records. `add` is for whoever finds, `run` stores, `page` is for whoever asks."""

    def __init__(
        self,
        store: ReconciliationStore,
        book: Book,
        clock: Clock,
        identifiers: Identifiers,
        *,
        kept: int = 100_000,
        environments: Mapping[str, int] | None = None,
    ) -> None:
        """Makes them.

        Args:
            store: Keeps them.
            book: Tells how far the log has come.
            clock: The time.
            identifiers: Numbers them.
            kept: How many of the newest are kept.
            environments: The environments of connections, as these open.
        """
        self._environments = {} if environments is None else environments
        self._store, self._book, self._clock, self._identifiers = store, book, clock, identifiers
        self._kept = kept
        self._waiting: Drain[Reconciliation] = Drain()
        self._taken: list[Reconciliation] = []
        self._backoff = Backoff()
        self._since_pruned = kept

    @property
    def waiting(self) -> int:
        """How many records wait for the store."""
        return len(self._waiting) + len(self._taken)

    def add(self, finding: Finding) -> None:
        """Takes a finding. When the store has been away for so long that too many wait, it is only logged, in full."""
        for part in _parts(finding):
            record = Reconciliation(
                self._identifiers.new_id(),
                part,
                self._now_ns(),
                self._book.sequence,
                self._book.shard,
                self._environments.get(part.connection_id, 0),
            )
            if len(self._waiting) >= _MOST_WAITING:
                _log.error("a record of reconciliation is not kept: too many wait for the store", record=str(record))
                continue
            self._waiting.put(record)

    async def run(self) -> None:
        """Stores, for ever; what cannot be stored now is tried again."""
        while True:
            self._taken = await self._waiting.take(_MOST_PER_COMMIT)
            while self._taken:
                try:
                    await self._store_taken()
                except CodedError as error:
                    _log.warning("records of reconciliation wait", error=str(error), count=self.waiting)
                    await self._backoff.wait()

    async def flush(self) -> None:
        """Stores what waits, at the end; what cannot be stored is logged, in full."""
        self._taken += self._waiting.take_waiting(_MOST_WAITING)
        try:
            await self._store_taken()
        except CodedError as error:
            for record in self._taken:
                _log.error("a record of reconciliation is not kept", error=str(error), record=str(record))

    async def page(self, wanted: ReconciliationFilter, before: str, limit: int) -> Sequence[Reconciliation]:
        """Returns records, newest first, older than the one with the id `before`; empty: from the newest.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        return await self._store.page(wanted, before, limit)

    async def _store_taken(self) -> None:
        if not self._taken:
            return
        await self._store.append(self._taken)
        self._since_pruned += len(self._taken)
        self._taken = []
        self._backoff.reset()
        # A hundredth more than are kept may be there, so that not each record costs a look at all of them.
        if self._since_pruned > self._kept // 100:
            deleted = await self._store.prune(self._kept)
            self._since_pruned = 0
            if deleted:
                _log.info("the oldest records of reconciliation are deleted", count=deleted)

    def _now_ns(self) -> int:
        return self._clock.now_ns() // _MICROSECOND * _MICROSECOND


def _parts(finding: Finding) -> Iterator[Finding]:
    """Returns a finding in parts of a bounded size, without what the store cannot hold."""
    found, decided = _text(finding.found), _text(finding.decided)
    most = max(len(finding.order_ids), len(finding.venue_order_ids))
    for first in range(0, max(most, 1), ORDERS_PER_RECORD):
        ours = tuple(map(_text, finding.order_ids[first : first + ORDERS_PER_RECORD]))
        theirs = tuple(map(_text, finding.venue_order_ids[first : first + ORDERS_PER_RECORD]))
        count = max(len(ours), len(theirs)) if most > ORDERS_PER_RECORD else finding.count
        yield replace(finding, found=found, decided=decided, order_ids=ours, venue_order_ids=theirs, count=count)


def _text(text: str) -> str:
    """Returns a text, which a venue may have had a part in, as Postgres takes it: bounded, without a zero character."""
    return text.replace("\0", "\ufffd")[:_LONGEST_TEXT]
