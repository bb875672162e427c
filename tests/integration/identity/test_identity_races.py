"""Two who decide at once about the same row: the second sees what the first has decided."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from services.identity.domain.secrets import token_hash
from services.identity.domain.session import Presented, Session, present
from services.identity.domain.throttle import Attempts
from services.identity.store.attempts import PostgresAttemptStore
from services.identity.store.schema import SCHEMA
from services.identity.store.sessions import PostgresSessionStore
from services.storage.audit_log import AuditTrail
from services.storage.database import Database
from tests.fixtures.identity import Client, World
from tests.fixtures.waiting import eventually

KEY = b"key"


@asynccontextmanager
async def first(world: World, statement: str, *values: Any) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Lends the connection of somebody who holds a row and has not committed; commits at the end of the block."""
    connection = await asyncpg.connect(world.postgres_url, server_settings={"search_path": SCHEMA})
    try:
        async with connection.transaction():
            await connection.execute(statement, *values)
            yield connection
    finally:
        await connection.close()


async def until_waiting(world: World) -> None:
    """Waits until somebody waits for a row."""
    waiting = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    await eventually(lambda: world.rows(waiting), bool, 10)


async def test_attempts_are_counted_one_after_the_other(client: Client, world: World) -> None:
    """Who counts while another does counts on."""
    seen: list[int] = []

    def decide(attempts: Sequence[Attempts]) -> Sequence[Attempts]:
        seen.extend(each.count for each in attempts)
        return [Attempts(each.count + 1) for each in attempts]

    async with Database(world.postgres_url, SCHEMA) as database:
        store = PostgresAttemptStore(database)
        await store.change([KEY], decide)
        async with first(world, "select from attempts where key = $1 for update", KEY) as connection:
            second = asyncio.create_task(store.change([KEY], decide))
            await until_waiting(world)
            await connection.execute("update attempts set count = 7 where key = $1", KEY)
        await second
    assert seen == [0, 7]


async def test_a_refresh_token_is_decided_about_by_one_at_a_time(client: Client, world: World) -> None:
    """Who presents it while another exchanges it is the second to present it."""
    await client.register()
    tokens = await client.login()
    hashed, now, rules = token_hash(tokens.refresh_token), world.clock.now(), world.settings.session_rules()

    def decide(session: Session, used: bool) -> tuple[Presented, Session]:
        return present(session, rules, now, used=used, address="")

    async with Database(world.postgres_url, SCHEMA) as database:
        store = PostgresSessionStore(database, AuditTrail("identity"))
        async with first(world, "update session set last_address = ''") as connection:
            second = asyncio.create_task(store.present(hashed, b"fresh", decide))
            await until_waiting(world)
            await connection.execute("update refresh_token set used = true where token_hash = $1", hashed)
        decided = await second
    assert decided is not None
    assert decided[0] is Presented.REUSED


async def test_attempts_that_are_counted_and_forgotten_at_once_end(world: World) -> None:
    """Many log in to one account from one address: nobody waits for who waits for them, and none is counted in vain."""
    address, account = b"b", b"a"
    before = datetime.now(UTC)
    swept = before + timedelta(days=1)
    after = swept + timedelta(days=1)

    def decide(attempts: Sequence[Attempts]) -> Sequence[Attempts]:
        # The account's is over as soon as it is there, the address's never.
        return [Attempts(each.count + 1, at) for each, at in zip(attempts, (after, before), strict=True)]

    async with Database(world.postgres_url, SCHEMA) as database:
        store = PostgresAttemptStore(database)

        async def login() -> None:
            for _ in range(10):
                await store.change([address, account], decide)
                await store.forget(account)
                await store.sweep(before, swept, before)

        await asyncio.gather(*(login() for _ in range(8)))
    assert [tuple(row) for row in await world.rows("select key, count from identity.attempts")] == [(address, 80)]
