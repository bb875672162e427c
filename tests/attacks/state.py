"""What the mesh holds: every row of every table, compared before and after an attack."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any, Final

import asyncpg

from deploy.embedded.mesh import Mesh
from ordermesh.event.v1.audit_record_pb2 import AuditRecord
from tests.fixtures.waiting import eventually

_TABLES: Final = """
    select format('%I.%I', schemaname, tablename) from pg_tables
    where schemaname not in ('pg_catalog', 'information_schema')
"""
_DIGEST: Final = "select count(*), md5(coalesce(string_agg(t::text, ',' order by t::text), '')) from {} t"
_OF: Final = " where t::text like any($1)"
_LEFT_OUT: Final = frozenset(
    {
        "attempts",
        "audit_log_head",
        "audit_seal",
        "consumer_cursor",
        "feed_cursor",
        "venue_book",
        "account_environment",
        "account_environments",
    }
)
"""What counts attempts, what only tells how far somebody has read of what others hold, some seconds later, and what is
kept of accounts that are there: a service that is asked about one asks PortfolioService, and remembers the answer."""
_RECORDS: Final = {"audit_log": "record", "audit_record": "content"}
"""Records of changes, and the column that holds them. Wrong passwords and codes are recorded, too, as refused: that is
what an attack leaves behind."""
_STILL_SECONDS: Final = 1.0
"""Longer than what was done is on its way into the record of changes."""


async def kept(mesh: Mesh, *texts: str) -> dict[str, str]:
    """Returns how many rows each table has, and a digest of them; with texts, of the rows in which any stands."""
    marks = [f"%{mark}%" for text in texts for mark in (text, text.encode().hex())]
    connection = await asyncpg.connect(mesh.postgres_url)
    try:
        found = {}
        for (table,) in await connection.fetch(_TABLES):
            name = table.partition(".")[2]
            if column := _RECORDS.get(name):
                found[table] = await _changes(connection, table, column, [text.encode() for text in texts])
            elif name not in _LEFT_OUT:
                asked = (_DIGEST + _OF, marks) if marks else (_DIGEST,)
                found[table] = str(await connection.fetchrow(asked[0].format(table), *asked[1:]))
        return found
    finally:
        await connection.close()


async def _changes(connection: Any, table: str, column: str, texts: Sequence[bytes]) -> str:
    """Returns how many changes are recorded, and a digest of them; with texts, of those in which any stands."""
    records = [row[0] for row in await connection.fetch(f"select {column} from {table}")]  # noqa: S608 - names of ours
    told = [
        raw
        for raw in records
        if not AuditRecord.FromString(raw).reason and (not texts or any(text in raw for text in texts))
    ]
    return f"count={len(told)} sha256={hashlib.sha256(b''.join(sorted(told))).hexdigest()}"


async def settled(mesh: Mesh, *texts: str) -> dict[str, str]:
    """Returns the same once nothing moves any more of what was begun before."""
    loop = asyncio.get_running_loop()
    last, since = await kept(mesh, *texts), loop.time()

    async def still_for() -> float:
        nonlocal last, since
        before, last = last, await kept(mesh, *texts)
        since = since if before == last else loop.time()
        return loop.time() - since

    await eventually(still_for, lambda seconds: seconds > _STILL_SECONDS)
    return last


def changed(before: dict[str, str], after: dict[str, str]) -> dict[str, str]:
    """Returns the tables whose rows are others, with what they had and have."""
    return {table: f"{told} -> {after[table]}" for table, told in before.items() if told != after[table]}
