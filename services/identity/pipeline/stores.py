"""What the pipeline keeps, as ports. All of them raise STORE_UNAVAILABLE."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from services.identity.domain.api_key import ApiKey
from services.identity.domain.keys import KeyTimes
from services.identity.domain.session import Presented, Session
from services.identity.domain.throttle import Attempts
from services.identity.domain.user import User
from services.identity.domain.values import Environment


@dataclass(frozen=True, slots=True)
class Challenge:
    """A login that wants the second factor.

    Attributes:
        challenge_hash: Hash of what the client was told.
        user_id: Who logs in.
        password_version: Version of the password that was given.
        client: What the client called itself.
        expires_at: When it ends.
    """

    challenge_hash: bytes = field(repr=False)
    user_id: str
    password_version: int
    client: str
    expires_at: datetime


class UserStore(Protocol):
    """Users."""

    async def by_name(self, environment: Environment, username: str) -> User | None:
        """Returns the user of a name."""
        ...

    async def by_id(self, user_id: str) -> User | None:
        """Returns the user of an id."""
        ...

    async def by_refresh_token(self, token_hash: bytes) -> User | None:
        """Returns the user of the session that a refresh token is of, used or not."""
        ...

    async def page(self, environment: Environment, after: str, limit: int) -> Sequence[User]:
        """Returns users by name, after a name."""
        ...

    async def insert(self, user: User) -> bool:
        """Stores a new user; returns whether the name was free."""
        ...

    async def insert_first(self, environment: Environment, users: Sequence[User]) -> bool:
        """Stores the users of an environment that has none, all or none of them; returns whether it did."""
        ...

    async def update(self, user: User) -> bool:
        """Stores what may change of a user but the password, if the stored one is at the version before.

        The sessions of one who is disabled end with it.
        """
        ...

    async def set_password(
        self, user_id: str, current: str, fresh: str, keep_session: str, now: datetime
    ) -> int | None:
        """Replaces a hash, and ends all sessions but one.

        Returns:
            How many sessions have ended; None when the current hash is another by now.
        """
        ...

    async def rehash(self, user_id: str, current: str, fresh: str) -> None:
        """Replaces a hash by one of the same password, if it is still the current one."""
        ...

    async def any_of(self, environment: Environment) -> bool:
        """Tells whether there are users in an environment."""
        ...


class SessionStore(Protocol):
    """Sessions, their refresh tokens, and challenges."""

    async def begin(self, session: Session, token_hash: bytes, password_version: int, most: int) -> bool:
        """Stores a session unless the user is disabled or has another password by now; returns whether it did.

        Where there are more than so many, the oldest end.
        """
        ...

    async def present(
        self, token_hash: bytes, fresh_hash: bytes, decide: Callable[[Session, bool], tuple[Presented, Session]]
    ) -> tuple[Presented, Session] | None:
        """Decides about a refresh token while nobody else can, and stores what comes of it.

        Args:
            token_hash: The token presented.
            fresh_hash: The one to take its place when it is rotated.
            decide: Told the session, and whether the token was used.

        Returns:
            What was decided; None when the token is not known.
        """
        ...

    async def get(self, session_id: str) -> Session | None:
        """Returns a session."""
        ...

    async def page(self, user_id: str, now: datetime, after: str, limit: int) -> Sequence[Session]:
        """Returns sessions that go on, by id, after an id."""
        ...

    async def end(self, user_id: str, session_id: str, now: datetime) -> bool:
        """Ends a session of a user's; returns whether one went on."""
        ...

    async def add_challenge(self, challenge: Challenge) -> None:
        """Stores a challenge."""
        ...

    async def challenge(self, challenge_hash: bytes) -> Challenge | None:
        """Returns a challenge."""
        ...

    async def take_challenge(self, challenge_hash: bytes) -> bool:
        """Removes a challenge; returns whether it was there."""
        ...


class SecondFactorStore(Protocol):
    """Secrets of second factors, and recovery codes."""

    async def enroll(self, user_id: str, secret: bytes) -> bool:
        """Stores a secret to be confirmed, in place of one that was not; returns whether none is confirmed."""
        ...

    async def secret(self, user_id: str, *, confirmed: bool) -> bytes | None:
        """Returns the secret of a user, confirmed or to be confirmed."""
        ...

    async def confirm(self, user_id: str, step: int, recovery: Sequence[bytes], now: datetime) -> bool:
        """Confirms the secret and stores the recovery codes; returns whether it was to be confirmed."""
        ...

    async def spend_step(self, user_id: str, step: int) -> bool:
        """Uses up a step and those before it; returns whether it was not used up."""
        ...

    async def spend_recovery(self, user_id: str, code_hash: bytes) -> bool:
        """Uses up a recovery code; returns whether it was good."""
        ...

    async def replace_recovery(self, user_id: str, recovery: Sequence[bytes]) -> None:
        """Replaces the recovery codes."""
        ...

    async def remove(self, user_id: str, now: datetime) -> None:
        """Removes the second factor and the recovery codes."""
        ...


class ApiKeyStore(Protocol):
    """API keys."""

    async def insert(self, key: ApiKey, secret_hash: bytes, most: int, now: datetime) -> bool:
        """Stores a key unless the user has so many good ones; returns whether it did."""
        ...

    async def page(self, user_id: str, after: str, limit: int, *, revoked: bool) -> Sequence[ApiKey]:
        """Returns keys by id, after an id."""
        ...

    async def by_secret(self, secret_hash: bytes) -> ApiKey | None:
        """Returns the key of a secret."""
        ...

    async def get(self, api_key_id: str) -> ApiKey | None:
        """Returns a key."""
        ...

    async def used(self, api_key_id: str, address: str, now: datetime) -> None:
        """Notes that a key was exchanged."""
        ...

    async def revoke(self, user_id: str, api_key_id: str, now: datetime) -> ApiKey | None:
        """Revokes a key of a user's, and returns it; one that was revoked stays so."""
        ...


class AttemptStore(Protocol):
    """Attempts."""

    async def change(self, keys: Sequence[bytes], decide: Callable[[Sequence[Attempts]], Sequence[Attempts]]) -> None:
        """Replaces what was tried by what is decided, while nobody else can; nothing changes when it raises."""
        ...

    async def forget(self, key: bytes) -> None:
        """Forgets what was tried."""
        ...


class RefusalStore(Protocol):
    """Records of what was refused to somebody who may be another than they say."""

    async def refused(self, entity_type: str, entity_id: str, environment: Environment | None, reason: str) -> None:
        """Records a refusal; of an entity that is not known neither id nor environment."""
        ...


class CountedRefusals(Protocol):
    """Counts what is refused over and over at no cost to who asks: nobody waits for the record of it."""

    def over(self, kind: str, session_id: str, environment: Environment) -> None:
        """Counts a token whose session, or API key, is good no more."""
        ...


class KeyStore(Protocol):
    """Private keys that sign, sealed."""

    async def load(self) -> Sequence[tuple[KeyTimes, str]]:
        """Returns all keys with their private parts."""
        ...

    async def change(
        self, decide: Callable[[Sequence[KeyTimes]], tuple[Sequence[tuple[KeyTimes, str]], Sequence[str]]]
    ) -> None:
        """Adds and removes keys as decided, while no other process does."""
        ...


class Housekeeping(Protocol):
    """Removes what is over."""

    async def sweep(self, sessions_before: datetime, attempts_before: datetime, now: datetime) -> None:
        """Removes sessions that ended and attempts that were made before a time, and challenges that are over."""
        ...
