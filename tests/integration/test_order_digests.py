"""Digests of the order log: whatever is changed in it shows, and what was recorded before stays good."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from services.order.store.digests import VERSION, LogDigests
from services.storage.audit_log import AuditTrail
from services.storage.database import Database
from services.storage.migrations import migrate

pytestmark = pytest.mark.asyncio

NEXT = (2).to_bytes(8, "big") + (1).to_bytes(4, "big") + b"q"
"""What a digest is made of for a second event that nobody has asked for, with a report of one byte."""


@pytest_asyncio.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    """The store of OrderService."""
    await migrate(postgres_url, "order", schema="orders")
    async with Database(postgres_url, "orders") as made:
        yield made


async def log(database: Database, *events: tuple[int, bytes, bytes | None]) -> LogDigests:
    """Makes the log these events: sequence, report, who asked."""
    async with database.transaction() as connection:
        await connection.execute("delete from events")
        await connection.executemany(
            "insert into events "
            "select 0, $1::bigint, 0, 1, 'demo', 0, gen_random_uuid(), 'A.X', 1, now(), null, $2, $3",
            events,
        )
    return LogDigests(database, AuditTrail("order"))


async def test_what_was_recorded_before_stays_good(database: Database) -> None:
    """The digest of the first version is what it was: SHA-256 of sequence, length, report and who asked."""
    digests = await log(database, (1, b"p", b"who"), (2, b"q", None))
    one = (1).to_bytes(8, "big") + (1).to_bytes(4, "big") + b"p" + b"who"
    assert await digests.digest(0, 0, 2, 1) == (hashlib.sha256(one + NEXT).hexdigest(), 2)


async def test_who_asked_cannot_be_made_longer_by_the_event_behind(database: Database) -> None:
    """An event that is hidden in who asked for the one before it: the first version did not see it."""
    honest = await log(database, (1, b"p", b"who"), (2, b"q", None))
    before = [(await honest.digest(0, 0, 2, version))[0] for version in (1, VERSION)]
    hidden = await log(database, (1, b"p", b"who" + NEXT))
    after = [(await hidden.digest(0, 0, 2, version))[0] for version in (1, VERSION)]
    assert before[0] == after[0]
    assert before[1] != after[1]


async def test_nobody_is_not_an_empty_somebody(database: Database) -> None:
    """Nor is what was asked for by somebody the same without a word of who."""
    told = set()
    for who in (None, b"", b"who"):
        digests = await log(database, (1, b"p", who))
        told.add(await digests.digest(0, 0, 1, VERSION))
    assert len(told) == 3
