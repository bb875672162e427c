"""The audit as a list that a test looks at."""

from __future__ import annotations

from collections.abc import Sequence

from services.identity.domain.audit_chain import BEFORE_ALL, Link, LogDigest, hash_of
from services.identity.pipeline.auditing import Seal
from services.kernel.errors import CodedError, unavailable
from services.mesh.audit import Change


class FakeNotes:
    """Keeps what is recorded.

    Attributes:
        broken: The store does not answer.
    """

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.broken = False

    async def note(self, *changes: Change) -> None:
        if self.broken:
            raise unavailable("STORE_UNAVAILABLE", "the store does not answer now")
        self.changes += changes


class FakeSource:
    """The audit log of a service.

    Attributes:
        records: What it holds.
        epoch: Its incarnation.
        error: What it answers with instead.
    """

    def __init__(self, name: str, records: Sequence[bytes]) -> None:
        self.name = name
        self.records = list(records)
        self.epoch = "first"
        self.error: CodedError | None = None

    async def read_after(self, sequence: int, limit: int) -> tuple[str, Sequence[tuple[int, bytes]]]:
        if self.error is not None:
            raise self.error
        return self.epoch, list(enumerate(self.records, 1))[sequence : sequence + limit]


class FakeChain:
    """The chain, in memory.

    Attributes:
        chained: Its links.
        cursors: Epoch and place reached of each log.
        sealed: Its seals.
    """

    def __init__(self) -> None:
        self.chained: list[Link] = []
        self.cursors: dict[str, tuple[str, int]] = {}
        self.sealed: list[Seal] = []

    async def cursor(self, source: str) -> tuple[str, int]:
        return self.cursors.get(source, ("", 0))

    async def append(self, source: str, epoch: str, records: Sequence[tuple[int, bytes]]) -> int:
        known, reached = await self.cursor(source)
        fresh = [(place, record) for place, record in records if known != epoch or place > reached]
        for place, record in fresh:
            last, hash_ = await self.last()
            self.chained.append(Link(last + 1, record, hash_of(hash_, record), told_truly=True))
            self.cursors[source] = epoch, place
        return len(fresh)

    async def last(self) -> tuple[int, bytes]:
        return (self.chained[-1].sequence, self.chained[-1].hash) if self.chained else (0, BEFORE_ALL)

    async def links(self, after: int, limit: int) -> Sequence[Link]:
        return [link for link in self.chained if link.sequence > after][:limit]

    async def seal(self, sequence: int, hash_: bytes) -> None:
        self.sealed.append(Seal(sequence, hash_))

    async def seals(self, after: int, up_to: int) -> Sequence[Seal]:
        return [seal for seal in self.sealed if after < seal.sequence <= up_to]

    async def last_sealed(self) -> int:
        return max((seal.sequence for seal in self.sealed), default=0)


class FakeOrderLog:
    """The order log: whatever part is asked for, it is as a test says.

    Attributes:
        found: Digest and count.
    """

    def __init__(self) -> None:
        self.found = ("", 0)

    async def digest(self, told: LogDigest) -> tuple[str, int]:
        return self.found
