"""Logging in: the password, then the second factor of those who have one."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.identity.domain.secrets import CHALLENGE, TOKEN_BYTES, token_hash, token_text
from services.identity.domain.user import wrong_credentials
from services.identity.domain.values import Environment
from services.identity.pipeline.credentials import Credentials
from services.identity.pipeline.ports import Means
from services.identity.pipeline.second_factors import SecondFactors
from services.identity.pipeline.sessions import Issued, Sessions, session_over
from services.identity.pipeline.stores import Challenge, SessionStore, UserStore


@dataclass(frozen=True, slots=True)
class Challenged:
    """A login that wants the second factor."""

    challenge: str = field(repr=False)
    expires_at: datetime


class Logins:
    """Lets users in."""

    def __init__(
        self,
        credentials: Credentials,
        users: UserStore,
        factors: SecondFactors,
        sessions: Sessions,
        store: SessionStore,
        means: Means,
        *,
        challenge_life: timedelta,
    ) -> None:
        self._credentials, self._users, self._factors = credentials, users, factors
        self._sessions, self._store = sessions, store
        self._clock, self._random, self._challenge_life = means.clock, means.random, challenge_life

    async def login(
        self, environment: Environment, username: str, password: str, *, address: str, client: str
    ) -> Issued | Challenged:
        """Begins a session, or asks for the second factor.

        Raises:
            CodedError: INVALID_CREDENTIALS; TOO_MANY_ATTEMPTS.
        """
        user = await self._credentials.check(environment, username, password, address)
        if not user.second_factor:
            return await self._sessions.begin(user, address=address, client=client, second_factor=False)
        text = token_text(CHALLENGE, self._random(TOKEN_BYTES))
        expires_at = self._clock.now() + self._challenge_life
        challenge = Challenge(token_hash(text), user.user_id, user.password_version, client, expires_at)
        await self._store.add_challenge(challenge)
        return Challenged(text, expires_at)

    async def verify(self, challenge: str, code: str, address: str) -> Issued:
        """Begins the session of a login that wanted the second factor.

        Raises:
            CodedError: INVALID_TOKEN; INVALID_CODE; TOO_MANY_ATTEMPTS.
        """
        hashed = token_hash(challenge)
        found = await self._store.challenge(hashed)
        if found is None or found.expires_at <= self._clock.now():
            raise session_over()
        user = await self._users.by_id(found.user_id)
        if user is None or user.password_version != found.password_version:
            raise session_over()
        await self._factors.check(user, code, address)
        if not await self._store.take_challenge(hashed):
            raise session_over()
        if user.disabled:
            raise wrong_credentials()
        return await self._sessions.begin(user, address=address, client=found.client, second_factor=True)
