"""API keys: made, listed, exchanged, revoked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.identity.domain.api_key import ApiKey, canonical_networks
from services.identity.domain.caller import Caller
from services.identity.domain.secrets import API_KEY, TOKEN_BYTES, token_hash, token_text
from services.identity.domain.user import wrong_credentials
from services.identity.domain.values import Proof, Scope
from services.identity.pipeline.ports import Means
from services.identity.pipeline.sessions import Issued, Issuer
from services.identity.pipeline.stores import ApiKeyStore, RefusalStore, UserStore
from services.identity.pipeline.throttling import Throttle
from services.kernel.errors import CodedError, ErrorKind, invalid_field, not_found


@dataclass(frozen=True, slots=True)
class KeyWish:
    """A key to make."""

    name: str
    scopes: Sequence[Scope]
    networks: Sequence[str]
    expires_at: datetime | None


class ApiKeys:
    """Keeps API keys."""

    def __init__(
        self,
        store: ApiKeyStore,
        users: UserStore,
        issuer: Issuer,
        throttle: Throttle,
        refusals: RefusalStore,
        means: Means,
        *,
        most_keys: int,
    ) -> None:
        self._store, self._users, self._issuer, self._throttle = store, users, issuer, throttle
        self._refusals = refusals
        self._clock, self._identifiers, self._random = means.clock, means.identifiers, means.random
        self._most_keys = most_keys

    async def create(self, caller: Caller, wish: KeyWish) -> tuple[ApiKey, str]:
        """Makes a key, and returns it with its secret.

        Raises:
            CodedError: INVALID_FIELD; LIMIT_REACHED.
        """
        caller.require_login()
        now = self._clock.now()
        if wish.expires_at is not None and wish.expires_at <= now:
            raise invalid_field("expires_at", "must be in the future")
        key = ApiKey(
            self._identifiers.new_id(),
            caller.user.user_id,
            wish.name,
            tuple(sorted(wish.scopes)),
            canonical_networks(wish.networks),
            now,
            wish.expires_at,
        )
        secret = token_text(API_KEY, self._random(TOKEN_BYTES))
        if not await self._store.insert(key, token_hash(secret), self._most_keys, now):
            text = f"there are {self._most_keys} API keys; revoke one first"
            raise CodedError(ErrorKind.PRECONDITION, "LIMIT_REACHED", text)
        return key, secret

    async def page(self, caller: Caller, after: str, limit: int, *, revoked: bool) -> Sequence[ApiKey]:
        """Returns the caller's keys by id, after an id."""
        caller.require_login()
        return await self._store.page(caller.user.user_id, after, limit, revoked=revoked)

    async def revoke(self, caller: Caller, api_key_id: str) -> ApiKey:
        """Revokes a key of the caller's.

        Raises:
            CodedError: UNKNOWN_API_KEY.
        """
        caller.require_login()
        key = await self._store.revoke(caller.user.user_id, api_key_id, self._clock.now())
        if key is None:
            raise not_found("UNKNOWN_API_KEY", "there is no API key of that id")
        return key

    async def exchange(self, secret: str, address: str) -> Issued:
        """Returns an access token for a key, which ends no later than the key.

        Raises:
            CodedError: INVALID_CREDENTIALS, whatever is wrong; TOO_MANY_ATTEMPTS.
        """
        async with self._throttle.attempt(address):
            key = await self._store.by_secret(token_hash(secret))
            user = None if key is None else await self._users.by_id(key.user_id)
            good = key is not None and key.good(self._clock.now()) and key.allows(address)
            if key is None or user is None or user.disabled or not good:
                key_id, environment = "" if key is None else key.api_key_id, None if user is None else user.environment
                await self._refusals.refused("api_key", key_id, environment, "INVALID_CREDENTIALS")
                raise wrong_credentials()
        await self._store.used(key.api_key_id, address, self._clock.now())
        return self._issuer.issue(user, key.api_key_id, key.scopes, (Proof.KEY,), key.expires_at)
