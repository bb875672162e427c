"""The records of all services are chained, sealed now and then, and verified."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

import structlog

from services.identity.domain.audit_chain import Fault, FaultKind, Link, LogDigest, Walk
from services.kernel.errors import CodedError
from services.mesh.names import Key

_log = structlog.stdlib.get_logger(__name__)

READ_AT_ONCE: Final = 500
PART_SECONDS: Final = 1.0
"""What verifying a part may take: there may be thousands of digests of the order log to be worked out anew."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records to list; empty and None let all through. `environment` is that of who asks."""

    environment: int
    user_id: str = ""
    entity_type: str = ""
    entity_id: str = ""
    account_id: str = ""
    source: str = ""
    request_id: str = ""
    at_or_after: datetime | None = None
    before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Chained:
    """A record with its hash and the one before it."""

    content: bytes
    hash: bytes
    previous_hash: bytes


@dataclass(frozen=True, slots=True)
class Seal:
    """A seal: the hash that a place had; None when the seal is not ours."""

    sequence: int
    hash: bytes | None


class AuditSource(Protocol):
    """The audit log of a service."""

    name: str

    async def read_after(self, sequence: int, limit: int) -> tuple[str, Sequence[tuple[int, bytes]]]:
        """Returns the epoch, and places and records after a place.

        Raises:
            CodedError: The service does not answer.
        """
        ...


class AuditChain(Protocol):
    """The chain in the store. Methods raise CodedError STORE_UNAVAILABLE."""

    async def cursor(self, source: str) -> tuple[str, int]:
        """Returns the epoch and the place up to which the log of a service is chained; an empty epoch for nothing."""
        ...

    async def append(self, source: str, epoch: str, records: Sequence[tuple[int, bytes]]) -> int:
        """Chains records with the cursor, as one; those that are chained already are left out. Returns how many."""
        ...

    async def last(self) -> tuple[int, bytes]:
        """Returns place and hash of the last record."""
        ...

    async def links(self, after: int, limit: int) -> Sequence[Link]:
        """Returns links after a place, in order."""
        ...

    async def seal(self, sequence: int, hash_: bytes) -> None:
        """Seals the chain up to a record."""
        ...

    async def seals(self, after: int, up_to: int) -> Sequence[Seal]:
        """Returns seals of places after one and up to another, in order."""
        ...

    async def last_sealed(self) -> int:
        """Returns the last place that was sealed, 0 for none."""
        ...


class AuditReading(Protocol):
    """The chain as people read it. Methods raise CodedError STORE_UNAVAILABLE."""

    async def page(self, wanted: Wanted, before: int, limit: int) -> Sequence[Chained]:
        """Returns records before a place, the last first."""
        ...

    async def get(self, sequence: int, environment: int) -> Chained | None:
        """Returns a record of an environment, or of both."""
        ...


class OrderLog(Protocol):
    """The order log, as it is now."""

    async def digest(self, told: LogDigest) -> tuple[str, int]:
        """Returns digest and count of the part that a record is of.

        Raises:
            CodedError: OrderService does not answer.
        """
        ...


class Collector:
    """Follows the audit log of one service. What is read twice is chained once: the cursor moves with the chain."""

    def __init__(self, source: AuditSource, chain: AuditChain, interval_seconds: float) -> None:
        self._source, self._chain, self._interval = source, chain, interval_seconds
        self._reached: tuple[str, int] | None = None
        self.away = False

    async def collect(self) -> int:
        """Chains what there is, up to a page; returns how many records.

        Raises:
            CodedError: The service or the store does not answer.
        """
        name = self._source.name
        epoch, after = self._reached or await self._chain.cursor(name)
        told, records = await self._source.read_after(after, READ_AT_ONCE)
        if told != epoch and after:
            # The log is another one, from its beginning.
            told, records = await self._source.read_after(0, READ_AT_ONCE)
        self._reached = None
        if not records:
            # Remembered only while nothing comes: most of the time nothing does.
            self._reached = (epoch, after) if told == epoch else None
            return 0
        return await self._chain.append(name, told, records)

    async def run(self) -> None:
        """Collects for ever; a service that is away is asked again."""
        while True:
            try:
                more = await self.collect() >= READ_AT_ONCE
                self.away = False
            except CodedError as error:
                more = False
                if not self.away:
                    _log.warning("an audit log cannot be read now", source=self._source.name, **{Key.ERROR: str(error)})
                self.away = True
            if not more:
                await asyncio.sleep(self._interval)


class Sealer:
    """Seals the chain when it has grown, and logs the seal: what is elsewhere nobody removes from the store."""

    def __init__(self, chain: AuditChain, interval_seconds: float) -> None:
        self._chain, self._interval = chain, interval_seconds

    async def seal(self) -> bool:
        """Seals what has grown; returns whether it had."""
        sequence, hash_ = await self._chain.last()
        if sequence <= await self._chain.last_sealed():
            return False
        await self._chain.seal(sequence, hash_)
        _log.info("the audit was sealed", hash=hash_.hex(), **{Key.SEQUENCE: sequence})
        return True

    async def run(self) -> None:
        """Seals now and then."""
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self.seal()
            except CodedError as error:
                _log.warning("the audit cannot be sealed now", **{Key.ERROR: str(error)})


@dataclass(frozen=True, slots=True)
class Verified:
    """How far the chain is good, and where on the way it holds what is no record."""

    fault: Fault | None
    sequence: int
    hash: bytes
    last_sequence: int
    sealed_sequence: int
    unreadable: Sequence[int] = ()


class AuditVerifier:
    """Verifies the chain, some records at a time."""

    def __init__(self, chain: AuditChain, order_log: OrderLog, now: Callable[[], float] = time.monotonic) -> None:
        self._chain, self._order_log, self._now = chain, order_log, now

    async def verify(self, after: int, known: bytes | None, limit: int, *, order_log: bool = False) -> Verified:
        """Verifies up to so many records after a place, whose hash may be known from before; fewer when they take long.

        Args:
            after: The place.
            known: Its hash.
            limit: How many at most.
            order_log: Whether the order log must be what the records say of it, too.

        Raises:
            CodedError: STORE_UNAVAILABLE; that the order log cannot be read.
        """
        until = self._now() + PART_SECONDS
        # In this order: a chain that grows meanwhile is never sealed beyond its end.
        sealed, (last, _) = await self._chain.last_sealed(), await self._chain.last()
        walk = await self._begin(after, known)
        end = after + limit
        while walk.fault is None and walk.sequence < end:
            links = await self._chain.links(walk.sequence, min(READ_AT_ONCE, end - walk.sequence))
            if not links:
                if walk.sequence < last:
                    walk.missing(walk.sequence + 1)
                break
            await self._step(walk, links, until, order_log=order_log)
            if self._now() >= until:
                break
        if walk.fault is None and last <= walk.sequence < sealed:
            walk.missing(walk.sequence + 1)
        return Verified(walk.fault, walk.sequence, walk.hash, last, sealed, walk.unreadable)

    async def _begin(self, after: int, known: bytes | None) -> Walk:
        walk = Walk()
        if not after:
            return walk
        at = await self._chain.links(after - 1, 1)
        if not at or at[0].sequence != after:
            walk.missing(after)
        elif known is not None and at[0].hash != known:
            walk.fault = Fault(after, FaultKind.CHANGED, "the record had another hash when it was verified before")
        else:
            walk.sequence, walk.hash = after, at[0].hash
        return walk

    async def _step(self, walk: Walk, links: Sequence[Link], until: float, *, order_log: bool) -> None:
        seals = {each.sequence: each for each in await self._chain.seals(walk.sequence, links[-1].sequence)}
        for link in links:
            seal = seals.get(link.sequence)
            if not walk.step(link) or (seal is not None and not walk.seal(seal.hash)):
                return
            if order_log and link.digest is not None:
                walk.order_log(link.digest, await self._order_log.digest(link.digest))
                if walk.fault is not None or self._now() >= until:
                    return
