"""Usernames and passwords: one throttle and one hash, whoever asks."""

from __future__ import annotations

from services.identity.domain.throttle import account_key
from services.identity.domain.user import User, canonical_password, canonical_username, wrong_credentials
from services.identity.domain.values import Environment
from services.identity.pipeline.ports import Passwords
from services.identity.pipeline.stores import RefusalStore, UserStore
from services.identity.pipeline.throttling import Throttle


class Credentials:
    """Checks passwords. A user who is not there costs what one with a wrong password does: one hash."""

    def __init__(self, users: UserStore, passwords: Passwords, throttle: Throttle, refusals: RefusalStore) -> None:
        self._users, self._passwords, self._throttle, self._refusals = users, passwords, throttle, refusals

    async def check(self, environment: Environment, username: str, password: str, address: str) -> User:
        """Returns the user of a name and a password.

        Raises:
            CodedError: INVALID_CREDENTIALS, whatever is wrong; TOO_MANY_ATTEMPTS.
        """
        name, plain = canonical_username(username), canonical_password(password)
        async with self._throttle.attempt(address, _key(environment, name)):
            user = await self._users.by_name(environment, name)
            good = await self._passwords.verify(user.password_hash if user is not None else None, plain)
            if user is None or not good or user.disabled:
                await self._refused(environment, "" if user is None else user.user_id)
                raise wrong_credentials()
        if self._passwords.outdated(user.password_hash):
            await self._users.rehash(user.user_id, user.password_hash, await self._passwords.hash(plain))
        return user

    async def check_again(self, user: User, password: str, address: str) -> None:
        """Checks the password of a caller who is known.

        Raises:
            CodedError: INVALID_CREDENTIALS; TOO_MANY_ATTEMPTS.
        """
        async with self._throttle.attempt(address, _key(user.environment, user.username)):
            if not await self._passwords.verify(user.password_hash, canonical_password(password)):
                await self._refused(user.environment, user.user_id)
                raise wrong_credentials()

    async def _refused(self, environment: Environment, user_id: str) -> None:
        # The name is not recorded: people type passwords where names belong.
        await self._refusals.refused("user", user_id, environment, "INVALID_CREDENTIALS")

    async def hashed(self, password: str) -> str:
        """Returns the hash of a new password."""
        return await self._passwords.hash(canonical_password(password))


def _key(environment: Environment, username: str) -> bytes:
    return account_key("account", environment.value, username)
