"""Who calls: the access token of a call, and what has become of its session and its user since."""

from __future__ import annotations

from services.identity.domain.caller import Caller
from services.identity.domain.claims import Claims
from services.identity.domain.values import Proof
from services.identity.pipeline.ports import AccessTokens
from services.identity.pipeline.sessions import session_over
from services.identity.pipeline.stores import ApiKeyStore, CountedRefusals, SessionStore, UserStore
from services.kernel.clock import Clock
from services.kernel.errors import unauthenticated

_SCHEME = "bearer"


class Callers:
    """Tells who calls. Here, unlike elsewhere, a token dies with its session: this is where sessions are known."""

    def __init__(
        self,
        tokens: AccessTokens,
        users: UserStore,
        sessions: SessionStore,
        keys: ApiKeyStore,
        refusals: CountedRefusals,
        clock: Clock,
    ) -> None:
        self._tokens, self._users, self._sessions, self._keys, self._clock = tokens, users, sessions, keys, clock
        self._refusals = refusals

    async def known(self, authorization: str) -> Caller:
        """Returns the caller of an `authorization` header.

        Raises:
            CodedError: INVALID_TOKEN.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != _SCHEME or not token:
            raise unauthenticated("INVALID_TOKEN", "this wants an access token: authorization: Bearer <token>")
        claims = self._tokens.read(token.strip())
        user = await self._users.by_id(claims.user_id)
        if user is None or user.disabled or not await self._goes_on(claims):
            kind = "api_key" if Proof.KEY in claims.proofs else "session"
            self._refusals.over(kind, claims.session_id, claims.environment)
            raise session_over()
        return Caller(user, claims.session_id, claims.scopes, claims.proofs)

    async def _goes_on(self, claims: Claims) -> bool:
        now = self._clock.now()
        if Proof.KEY in claims.proofs:
            key = await self._keys.get(claims.session_id)
            return key is not None and key.user_id == claims.user_id and key.good(now)
        session = await self._sessions.get(claims.session_id)
        return session is not None and session.user_id == claims.user_id and session.goes_on(now)
