"""Sessions, their refresh tokens, and challenges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import asyncpg

from services.identity.domain.session import Presented, Session
from services.identity.pipeline.stores import Challenge
from services.mesh.audit import Change, proven
from services.mesh.snapshots import snapshot
from services.storage.audit_log import AuditTrail
from services.storage.database import Connection, Database

_COLUMNS: Final = (
    "session_id, user_id, second_factor, address, last_address, client, created_at, refreshed_at, expires_at, most_at, "
    "ended_at"
)


class PostgresSessionStore:
    """Keeps sessions."""

    def __init__(self, database: Database, trail: AuditTrail) -> None:
        self._database, self._trail = database, trail

    async def begin(self, session: Session, token_hash: bytes, password_version: int, most: int) -> bool:
        """Stores a session unless the user is disabled or has another password by now; returns whether it did."""
        async with self._database.transaction() as connection:
            # Locked, so that a change of the password comes before this, or ends this session too.
            user = await connection.fetchrow(
                "select environment, roles from users "
                "where user_id = $1 and password_version = $2 and not disabled for update",
                session.user_id,
                password_version,
            )
            if user is None:
                return False
            await connection.execute(
                f"insert into session ({_COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
                session.session_id,
                session.user_id,
                session.second_factor,
                session.address,
                session.last_address,
                session.client,
                session.created_at,
                session.refreshed_at,
                session.expires_at,
                session.most_at,
                session.ended_at,
            )
            await _add_token(connection, token_hash, session.session_id)
            ended = await connection.fetch(
                """
                update session set ended_at = $3 where session_id in (
                    select session_id from session where user_id = $1 and ended_at is null and expires_at > $3
                    order by session_id desc offset $2)
                returning session_id::text
                """,
                session.user_id,
                most,
                session.created_at,
            )
            by = proven(session.user_id, user["roles"], session.session_id)
            new = {**snapshot(session), "ended_for_it": [each for (each,) in ended]}
            change = Change("session", session.session_id, environment=user["environment"], new=new, by=by)
            await self._trail.note(connection, change)
        return True

    async def present(
        self, token_hash: bytes, fresh_hash: bytes, decide: Callable[[Session, bool], tuple[Presented, Session]]
    ) -> tuple[Presented, Session] | None:
        """Decides about a refresh token while nobody else can, and stores what comes of it."""
        async with self._database.transaction() as connection:
            # The session first: everything that presents one of its tokens waits here.
            row = await connection.fetchrow(
                f"select {_COLUMNS} from session where session_id = "
                "(select session_id from refresh_token where token_hash = $1) for update",
                token_hash,
            )
            if row is None:
                return None
            used = await connection.fetchval("select used from refresh_token where token_hash = $1", token_hash)
            before = _session(row)
            outcome, session = decide(before, bool(used))
            if outcome is not Presented.OVER:
                await connection.execute(
                    "update session set refreshed_at = $2, expires_at = $3, last_address = $4, ended_at = $5 "
                    "where session_id = $1",
                    session.session_id,
                    session.refreshed_at,
                    session.expires_at,
                    session.last_address,
                    session.ended_at,
                )
            if outcome is Presented.ROTATED:
                await connection.execute("update refresh_token set used = true where token_hash = $1", token_hash)
                await _add_token(connection, fresh_hash, session.session_id)
            if outcome is not Presented.OVER:
                await self._trail.note(connection, await _refreshed(connection, before, session, outcome))
        return outcome, session

    async def get(self, session_id: str) -> Session | None:
        """Returns a session."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(f"select {_COLUMNS} from session where session_id = $1", session_id)
        return None if row is None else _session(row)

    async def page(self, user_id: str, now: datetime, after: str, limit: int) -> Sequence[Session]:
        """Returns sessions that go on, by id, after an id."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                f"select {_COLUMNS} from session where user_id = $1 and ended_at is null and expires_at > $2 "
                "and session_id > $3 order by session_id limit $4",
                user_id,
                now,
                after,
                limit,
            )
        return [_session(row) for row in rows]

    async def end(self, user_id: str, session_id: str, now: datetime) -> bool:
        """Ends a session of a user's; returns whether one went on."""
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(
                "update session s set ended_at = $3 from users u where u.user_id = s.user_id "
                "and s.user_id = $1 and session_id = $2 and ended_at is null and expires_at > $3 returning environment",
                user_id,
                session_id,
                now,
            )
            if row is not None:
                new = {"ended_at": now}
                change = Change("session", session_id, environment=row[0], old={"ended_at": None}, new=new)
                await self._trail.note(connection, change)
        return row is not None

    async def add_challenge(self, challenge: Challenge) -> None:
        """Stores a challenge."""
        async with self._database.transaction() as connection:
            await connection.execute(
                "insert into challenge (challenge_hash, user_id, password_version, client, expires_at) "
                "values ($1, $2, $3, $4, $5)",
                challenge.challenge_hash,
                challenge.user_id,
                challenge.password_version,
                challenge.client,
                challenge.expires_at,
            )
            environment, _ = await _user(connection, challenge.user_id)
            await self._trail.note(connection, Change("login_challenge", environment=environment, new=challenge))

    async def challenge(self, challenge_hash: bytes) -> Challenge | None:
        """Returns a challenge."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                "select challenge_hash, user_id::text, password_version, client, expires_at from challenge "
                "where challenge_hash = $1",
                challenge_hash,
            )
        return None if row is None else Challenge(*row)

    async def take_challenge(self, challenge_hash: bytes) -> bool:
        """Removes a challenge; returns whether it was there."""
        async with self._database.transaction() as connection:
            done = await connection.execute("delete from challenge where challenge_hash = $1", challenge_hash)
        return bool(done == "DELETE 1")


async def _user(connection: Connection, user_id: str) -> tuple[int, list[int]]:
    """Returns the world and the roles of a user."""
    row = await connection.fetchrow("select environment, roles from users where user_id = $1", user_id)
    return (0, []) if row is None else (row[0], row[1])


async def _refreshed(connection: Connection, before: Session, after: Session, outcome: Presented) -> Change:
    """Returns what a refresh token has changed. One presented again ends the session, and nobody knows for whom."""
    environment, roles = await _user(connection, after.user_id)
    reused = outcome is Presented.REUSED
    return Change(
        "session",
        after.session_id,
        environment=environment,
        old=before,
        new=after,
        refused="REFRESH_TOKEN_REUSED" if reused else "",
        by=None if reused else proven(after.user_id, roles, after.session_id),
    )


async def _add_token(connection: Connection, token_hash: bytes, session_id: str) -> None:
    await connection.execute(
        "insert into refresh_token (token_hash, session_id, used) values ($1, $2, false)", token_hash, session_id
    )


def _session(row: asyncpg.Record) -> Session:
    session_id, user_id, *rest = row
    return Session(str(session_id), str(user_id), *rest)
