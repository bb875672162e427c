"""Stores of IdentityService in memory, for its pipeline."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from services.identity.domain.claims import Claims
from services.identity.domain.session import Presented, Session
from services.identity.domain.throttle import Attempts
from services.identity.domain.user import User
from services.identity.domain.values import Environment, Role
from services.identity.pipeline.stores import Challenge
from services.kernel.errors import unauthenticated

T = TypeVar("T")

MADE_AT = datetime(2026, 1, 1, tzinfo=UTC)


def done(coroutine: Coroutine[Any, Any, T]) -> T:
    """Returns the result of a coroutine that waits for nothing, as with fakes none does."""
    try:
        coroutine.send(None)
    except StopIteration as result:
        value: T = result.value
        return value
    raise AssertionError("the coroutine waits for something")


def user(name: str = "ann", **changes: Any) -> User:
    """Returns a trader of the simulation, whose id is their name and whose hash is `hash of <name>`."""
    values: dict[str, Any] = {
        "user_id": name,
        "environment": Environment.SIMULATION,
        "username": name,
        "display_name": "",
        "email": "",
        "roles": (Role.TRADER,),
        "account_ids": (),
        "password_hash": f"hash of {name}",
        "created_at": MADE_AT,
        "updated_at": MADE_AT,
    }
    return User(**values | changes)


class FakeUsers:
    """Users."""

    def __init__(self, *users: User, sessions: FakeSessions | None = None) -> None:
        self.users = {each.user_id: each for each in users}
        self.sessions = sessions or FakeSessions()

    async def by_name(self, environment: Environment, username: str) -> User | None:
        return next(
            (each for each in self.users.values() if (each.environment, each.username) == (environment, username)), None
        )

    async def by_id(self, user_id: str) -> User | None:
        return self.users.get(user_id)

    async def by_refresh_token(self, token_hash: bytes) -> User | None:
        if token_hash not in self.sessions.tokens:
            return None
        session_id, _ = self.sessions.tokens[token_hash]
        return self.users.get(self.sessions.sessions[session_id].user_id)

    async def page(self, environment: Environment, after: str, limit: int) -> Sequence[User]:
        found = [each for each in self.users.values() if each.environment is environment and each.username > after]
        return sorted(found, key=lambda each: each.username)[:limit]

    async def insert(self, user: User) -> bool:
        if await self.by_name(user.environment, user.username) is not None:
            return False
        self.users[user.user_id] = user
        return True

    async def insert_first(self, environment: Environment, users: Sequence[User]) -> bool:
        if await self.any_of(environment):
            return False
        self.users |= {each.user_id: each for each in users}
        return True

    async def update(self, user: User) -> bool:
        if self.users[user.user_id].version != user.version - 1:
            return False
        self.users[user.user_id] = user
        return True

    async def set_password(
        self, user_id: str, current: str, fresh: str, _keep_session: str, _now: datetime
    ) -> int | None:
        if self.users[user_id].password_hash != current:
            return None
        await self.rehash(user_id, current, fresh)
        return 0

    async def rehash(self, user_id: str, current: str, fresh: str) -> None:
        if self.users[user_id].password_hash == current:
            self.users[user_id] = replace(self.users[user_id], password_hash=fresh)

    async def any_of(self, environment: Environment) -> bool:
        return any(each.environment is environment for each in self.users.values())


class FakeSessions:
    """Sessions."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.tokens: dict[bytes, tuple[str, bool]] = {}
        self.challenges: dict[bytes, Challenge] = {}

    async def begin(self, session: Session, token_hash: bytes, _password_version: int, _most: int) -> bool:
        self.sessions[session.session_id] = session
        self.tokens[token_hash] = (session.session_id, False)
        return True

    async def present(
        self, token_hash: bytes, fresh_hash: bytes, decide: Callable[[Session, bool], tuple[Presented, Session]]
    ) -> tuple[Presented, Session] | None:
        if token_hash not in self.tokens:
            return None
        session_id, used = self.tokens[token_hash]
        outcome, session = decide(self.sessions[session_id], used)
        self.sessions[session_id] = session
        if outcome is Presented.ROTATED:
            self.tokens[token_hash] = (session_id, True)
            self.tokens[fresh_hash] = (session_id, False)
        return outcome, session

    async def get(self, session_id: str) -> Session | None:
        return self.sessions.get(session_id)

    async def page(self, user_id: str, now: datetime, after: str, limit: int) -> Sequence[Session]:
        found = [each for each in self.sessions.values() if each.user_id == user_id and each.goes_on(now)]
        return sorted((each for each in found if each.session_id > after), key=lambda each: each.session_id)[:limit]

    async def end(self, user_id: str, session_id: str, now: datetime) -> bool:
        session = self.sessions.get(session_id)
        if session is None or session.user_id != user_id or not session.goes_on(now):
            return False
        self.sessions[session_id] = replace(session, ended_at=now)
        return True

    async def add_challenge(self, challenge: Challenge) -> None:
        self.challenges[challenge.challenge_hash] = challenge

    async def challenge(self, challenge_hash: bytes) -> Challenge | None:
        return self.challenges.get(challenge_hash)

    async def take_challenge(self, challenge_hash: bytes) -> bool:
        return self.challenges.pop(challenge_hash, None) is not None


class FakeAttempts:
    """Attempts."""

    def __init__(self) -> None:
        self.attempts: dict[bytes, Attempts] = {}

    async def change(self, keys: Sequence[bytes], decide: Callable[[Sequence[Attempts]], Sequence[Attempts]]) -> None:
        decided = decide([self.attempts.get(key, Attempts()) for key in keys])
        self.attempts |= dict(zip(keys, decided, strict=True))

    async def forget(self, key: bytes) -> None:
        self.attempts.pop(key, None)


class FakeRefusals:
    """What was refused, as pairs of the entity's id and the reason."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    async def refused(self, entity_type: str, entity_id: str, environment: Environment | None, reason: str) -> None:
        self.told.append((entity_id, reason))


class FakePasswords:
    """Passwords whose hash is `hash of <password>`, and how often one was made or verified."""

    def __init__(self) -> None:
        self.operations = 0
        self.old: set[str] = set()
        self.failing: Exception | None = None

    async def hash(self, password: str) -> str:
        self.operations += 1
        return f"hash of {password}"

    async def verify(self, stored: str | None, password: str) -> bool:
        self.operations += 1
        if self.failing is not None:
            raise self.failing
        return stored == f"hash of {password}"

    def outdated(self, stored: str) -> bool:
        return stored in self.old


class FakeOver:
    """Counts tokens of sessions that are over.

    Attributes:
        counted: Kind and id of each.
    """

    def __init__(self) -> None:
        self.counted: list[tuple[str, str]] = []

    def over(self, kind: str, session_id: str, environment: Environment) -> None:
        self.counted.append((kind, session_id))


class FakeTokens:
    """Access tokens that are known by their number."""

    def __init__(self) -> None:
        self.signed: dict[str, Claims] = {}

    def sign(self, claims: Claims) -> str:
        token = f"token-{len(self.signed)}"
        self.signed[token] = claims
        return token

    def read(self, token: str) -> Claims:
        if token not in self.signed:
            raise unauthenticated("INVALID_TOKEN", "not one of ours")
        return self.signed[token]
