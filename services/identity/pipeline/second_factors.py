"""The second factor: begun, confirmed, asked for, removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.identity.domain import totp
from services.identity.domain.caller import Caller
from services.identity.domain.secrets import RECOVERY_BYTES, RECOVERY_CODES, recovery_hash, recovery_text
from services.identity.domain.throttle import account_key
from services.identity.domain.user import User
from services.identity.pipeline.credentials import Credentials
from services.identity.pipeline.ports import Means
from services.identity.pipeline.stores import RefusalStore, SecondFactorStore
from services.identity.pipeline.throttling import Throttle
from services.kernel.errors import CodedError, precondition, unauthenticated


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What an authenticator is told."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


class SecondFactors:
    """Keeps second factors, and checks their codes."""

    def __init__(
        self,
        store: SecondFactorStore,
        credentials: Credentials,
        throttle: Throttle,
        refusals: RefusalStore,
        means: Means,
        *,
        issuer: str,
    ) -> None:
        self._store, self._credentials, self._throttle, self._refusals = store, credentials, throttle, refusals
        self._clock, self._random, self._issuer = means.clock, means.random, issuer

    async def enroll(self, caller: Caller, password: str, address: str) -> Enrolled:
        """Begins to add a second factor.

        Raises:
            CodedError: INVALID_CREDENTIALS; SECOND_FACTOR_MISMATCH; TOO_MANY_ATTEMPTS.
        """
        caller.require_login()
        await self._credentials.check_again(caller.user, password, address)
        secret = self._random(totp.SECRET_BYTES)
        if not await self._store.enroll(caller.user.user_id, secret):
            raise _mismatch("there is a second factor; remove it first")
        uri = totp.otpauth_uri(secret, self._issuer, caller.user.username)
        return Enrolled(totp.secret_text(secret), uri)

    async def confirm(self, caller: Caller, code: str, address: str) -> Sequence[str]:
        """Adds the second factor that was begun, and returns the recovery codes.

        Raises:
            CodedError: INVALID_CODE; SECOND_FACTOR_MISMATCH; TOO_MANY_ATTEMPTS.
        """
        caller.require_login()
        user_id = caller.user.user_id
        async with self._throttle.attempt(address, _key(user_id)):
            secret = await self._store.secret(user_id, confirmed=False)
            if secret is None:
                raise _mismatch("no second factor was begun")
            step = totp.matching_step(secret, code, self._clock.now())
            if step is None:
                raise await self._wrong_code(caller.user)
            codes, hashes = self._recovery(user_id)
            if not await self._store.confirm(user_id, step, hashes, self._clock.now()):
                raise _mismatch("no second factor was begun")
            return codes

    async def check(self, user: User, code: str, address: str) -> None:
        """Uses up a code of a user's.

        Raises:
            CodedError: INVALID_CODE; TOO_MANY_ATTEMPTS.
        """
        async with self._throttle.attempt(address, _key(user.user_id)):
            if not await self._spend(user.user_id, code):
                raise await self._wrong_code(user)

    async def renew_recovery(self, caller: Caller, code: str, address: str) -> Sequence[str]:
        """Replaces the recovery codes, and returns the new ones.

        Raises:
            CodedError: INVALID_CODE; SECOND_FACTOR_MISMATCH; TOO_MANY_ATTEMPTS.
        """
        self._require(caller)
        await self.check(caller.user, code, address)
        codes, hashes = self._recovery(caller.user.user_id)
        await self._store.replace_recovery(caller.user.user_id, hashes)
        return codes

    async def disable(self, caller: Caller, password: str, code: str, address: str) -> None:
        """Removes the second factor.

        Raises:
            CodedError: INVALID_CREDENTIALS; INVALID_CODE; SECOND_FACTOR_MISMATCH; TOO_MANY_ATTEMPTS.
        """
        self._require(caller)
        await self._credentials.check_again(caller.user, password, address)
        await self.check(caller.user, code, address)
        await self._store.remove(caller.user.user_id, self._clock.now())

    async def _wrong_code(self, user: User) -> CodedError:
        await self._refusals.refused("second_factor", user.user_id, user.environment, "INVALID_CODE")
        return _wrong_code()

    async def _spend(self, user_id: str, code: str) -> bool:
        secret = await self._store.secret(user_id, confirmed=True)
        if secret is None:
            return False
        if len(code) == totp.DIGITS:
            step = totp.matching_step(secret, code, self._clock.now())
            return step is not None and await self._store.spend_step(user_id, step)
        return await self._store.spend_recovery(user_id, recovery_hash(user_id, code))

    def _recovery(self, user_id: str) -> tuple[list[str], list[bytes]]:
        codes = [recovery_text(self._random(RECOVERY_BYTES)) for _ in range(RECOVERY_CODES)]
        return codes, [recovery_hash(user_id, code) for code in codes]

    @staticmethod
    def _require(caller: Caller) -> None:
        caller.require_login()
        if not caller.user.second_factor:
            raise _mismatch("there is no second factor")


def _key(user_id: str) -> bytes:
    return account_key("code", user_id)


def _wrong_code() -> CodedError:
    return unauthenticated("INVALID_CODE", "the code is wrong, has passed, or was used before")


def _mismatch(text: str) -> CodedError:
    return precondition("SECOND_FACTOR_MISMATCH", text)
