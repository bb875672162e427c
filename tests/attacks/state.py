"""What the mesh holds: every row of every table, compared before and after an attack."""

from __future__ import annotations

import asyncio
from typing import Final

import asyncpg

from deploy.embedded.mesh import Mesh
from tests.fixtures.trader import eventually

_TABLES: Final = """
    select format('%I.%I', schemaname, tablename) from pg_tables
    where schemaname not in ('pg_catalog', 'information_schema')
"""
_DIGEST: Final = "select count(*), md5(coalesce(string_agg(t::text, ',' order by t::text), '')) from {} t"
_OF: Final = " where t::text like any($1)"
_COUNTED: Final = frozenset({"identity.attempts"})
"""Wrong passwords and secrets are counted there: that is what an attack leaves behind."""
_STILL_SECONDS: Final = 1.0
"""Longer than what was done is on its way into the record of changes."""


async def kept(mesh: Mesh, *texts: str) -> dict[str, str]:
    """Returns how many rows each table has, and a digest of them; with texts, of the rows in which any stands."""
    marks = [f"%{mark}%" for text in texts for mark in (text, text.encode().hex())]
    connection = await asyncpg.connect(mesh.postgres_url)
    try:
        found = {}
        for (table,) in await connection.fetch(_TABLES):
            if table not in _COUNTED:
                asked = (_DIGEST + _OF, marks) if marks else (_DIGEST,)
                found[table] = str(await connection.fetchrow(asked[0].format(table), *asked[1:]))
        return found
    finally:
        await connection.close()


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
