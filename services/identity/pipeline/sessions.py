"""Sessions: begun, refreshed, ended; and the tokens that callers get."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from services.identity.domain.caller import Caller
from services.identity.domain.claims import Claims
from services.identity.domain.secrets import REFRESH, TOKEN_BYTES, token_hash, token_text
from services.identity.domain.session import Presented, Session, SessionRules, begin, present
from services.identity.domain.user import User, wrong_credentials
from services.identity.domain.values import Proof, Scope
from services.identity.pipeline.ports import AccessTokens, Means
from services.identity.pipeline.stores import CountedRefusals, SessionStore, UserStore
from services.kernel.errors import CodedError, not_found, unauthenticated
from services.mesh.names import Key

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Issued:
    """Tokens given out.

    Attributes:
        access_token: The access token.
        access_expires_at: When it ends.
        refresh_token: The refresh token; empty for an API key.
        refresh_expires_at: When it ends.
    """

    access_token: str = field(repr=False)
    access_expires_at: datetime
    refresh_token: str = field(default="", repr=False)
    refresh_expires_at: datetime | None = None


class Issuer:
    """Makes access tokens."""

    def __init__(self, tokens: AccessTokens, means: Means, life: timedelta) -> None:
        self._tokens, self._clock, self._identifiers, self._life = tokens, means.clock, means.identifiers, life

    def issue(
        self, user: User, session_id: str, scopes: Sequence[Scope], proofs: Sequence[Proof], most: datetime | None
    ) -> Issued:
        """Returns an access token, which ends no later than `most`."""
        now = self._clock.now().replace(microsecond=0)
        expires_at = now + self._life
        if most is not None:
            expires_at = min(expires_at, most.replace(microsecond=0))
        claims = Claims(
            user.user_id,
            user.roles,
            user.environment,
            user.account_ids,
            tuple(scopes),
            session_id,
            tuple(proofs),
            self._identifiers.new_id(),
            now,
            expires_at,
        )
        return Issued(self._tokens.sign(claims), expires_at)


class Sessions:
    """Begins sessions, refreshes and ends them."""

    def __init__(
        self,
        store: SessionStore,
        users: UserStore,
        issuer: Issuer,
        means: Means,
        rules: SessionRules,
        refusals: CountedRefusals,
        *,
        most_sessions: int,
    ) -> None:
        self._store, self._users, self._issuer, self._refusals = store, users, issuer, refusals
        self._clock, self._identifiers, self._random = means.clock, means.identifiers, means.random
        self._rules = rules
        self._most_sessions = most_sessions
        self.reused = 0

    async def begin(self, user: User, *, address: str, client: str, second_factor: bool) -> Issued:
        """Begins a session of a user who has proved who they are.

        Raises:
            CodedError: INVALID_CREDENTIALS, when the user was disabled or the password changed meanwhile.
        """
        session = begin(
            self._identifiers.new_id(),
            user.user_id,
            self._rules,
            self._clock.now(),
            address=address,
            client=client,
            second_factor=second_factor,
        )
        refresh = token_text(REFRESH, self._random(TOKEN_BYTES))
        if not await self._store.begin(session, token_hash(refresh), user.password_version, self._most_sessions):
            raise wrong_credentials()
        return self._issued(user, session, refresh)

    async def refresh(self, token: str, address: str) -> Issued:
        """Exchanges a refresh token.

        Raises:
            CodedError: INVALID_TOKEN; REFRESH_TOKEN_REUSED, and the session has ended.
        """
        hashed, now = token_hash(token), self._clock.now()
        # Read before the token is used up: should the store fail here, the client may try again.
        user = await self._users.by_refresh_token(hashed)
        if user is None:
            raise session_over()
        fresh = token_text(REFRESH, self._random(TOKEN_BYTES))

        def decide(session: Session, used: bool) -> tuple[Presented, Session]:
            return present(session, self._rules, now, used=used, address=address)

        decided = await self._store.present(hashed, token_hash(fresh), decide)
        if decided is None:
            raise session_over()
        outcome, session = decided
        if outcome is Presented.OVER:
            self._refusals.over("session", session.session_id, user.environment)
            raise session_over()
        if outcome is Presented.REUSED:
            self.reused += 1
            _log.warning("a refresh token was presented twice", **{Key.SESSION: session.session_id})
            raise unauthenticated(
                "REFRESH_TOKEN_REUSED", "the refresh token was exchanged before; its session has ended, log in again"
            )
        return self._issued(user, session, fresh)

    async def logout(self, caller: Caller) -> None:
        """Ends the caller's session."""
        caller.require_login()
        await self._store.end(caller.user.user_id, caller.session_id, self._clock.now())

    async def page(self, caller: Caller, after: str, limit: int) -> Sequence[Session]:
        """Returns the caller's sessions that go on, by id, after an id."""
        caller.require_login()
        return await self._store.page(caller.user.user_id, self._clock.now(), after, limit)

    async def revoke(self, caller: Caller, session_id: str) -> None:
        """Ends a session of the caller's.

        Raises:
            CodedError: UNKNOWN_SESSION.
        """
        caller.require_login()
        if not await self._store.end(caller.user.user_id, session_id, self._clock.now()):
            raise not_found("UNKNOWN_SESSION", "there is no session of that id that goes on")

    def _issued(self, user: User, session: Session, refresh: str) -> Issued:
        proofs = (Proof.PASSWORD, Proof.CODE) if session.second_factor else (Proof.PASSWORD,)
        access = self._issuer.issue(user, session.session_id, tuple(Scope), proofs, session.most_at)
        return Issued(access.access_token, access.access_expires_at, refresh, session.expires_at)


def session_over() -> CodedError:
    """Returns the error for a token that is good no more."""
    return unauthenticated("INVALID_TOKEN", "the token is not good, or its session has ended; log in again")
