"""Users: registered, made, changed; their profiles and passwords."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from services.identity.domain.caller import Caller
from services.identity.domain.user import User, canonical_username, check_password, wrong_credentials
from services.identity.domain.values import Environment, Role, Scope
from services.identity.pipeline.credentials import Credentials
from services.identity.pipeline.ports import Means
from services.identity.pipeline.stores import UserStore
from services.identity.pipeline.throttling import Throttle
from services.kernel.errors import CodedError, aborted, already_exists, invalid_field, not_found, permission


@dataclass(frozen=True, slots=True)
class UserWish:
    """A user to make."""

    username: str
    password: str = field(repr=False)
    display_name: str = ""
    email: str = ""
    roles: Sequence[Role] = (Role.TRADER,)
    account_ids: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Access:
    """What a user may do."""

    roles: Sequence[Role]
    account_ids: Sequence[str]
    disabled: bool


class Users:
    """Keeps users. Who asks sees those of their own environment alone."""

    def __init__(
        self,
        store: UserStore,
        credentials: Credentials,
        throttle: Throttle,
        means: Means,
        *,
        registration: Collection[Environment],
    ) -> None:
        self._store, self._credentials, self._throttle = store, credentials, throttle
        self._clock, self._identifiers, self._registration = means.clock, means.identifiers, registration

    async def register(self, environment: Environment, wish: UserWish, address: str) -> User:
        """Makes a user who asks for it.

        Raises:
            CodedError: PERMISSION_DENIED; INVALID_FIELD; ALREADY_EXISTS; TOO_MANY_ATTEMPTS.
        """
        if environment not in self._registration:
            text = f"users of the {environment.name.lower()} environment are made by an admin"
            raise permission("PERMISSION_DENIED", text)
        check_password(canonical_username(wish.username), wish.password)
        await self._throttle.count(address)
        return await self.make(environment, wish)

    async def create(self, caller: Caller, wish: UserWish) -> User:
        """Makes a user, as an admin.

        Raises:
            CodedError: PERMISSION_DENIED; INVALID_FIELD; ALREADY_EXISTS.
        """
        caller.require_login()
        caller.require_role(Role.ADMIN)
        return await self.make(caller.user.environment, wish)

    async def make(self, environment: Environment, wish: UserWish) -> User:
        """Makes a user.

        Raises:
            CodedError: INVALID_FIELD; ALREADY_EXISTS.
        """
        user = await self.made_of(environment, wish)
        if not await self._store.insert(user):
            raise already_exists("ALREADY_EXISTS", "the username is taken")
        return user

    async def made_of(self, environment: Environment, wish: UserWish) -> User:
        """Returns the user of a wish, who is not stored yet.

        Raises:
            CodedError: INVALID_FIELD.
        """
        username, now = canonical_username(wish.username), self._clock.now()
        check_password(username, wish.password)
        return User(
            self._identifiers.new_id(),
            environment,
            username,
            wish.display_name,
            wish.email,
            tuple(sorted(wish.roles)),
            tuple(sorted(wish.account_ids)),
            await self._credentials.hashed(wish.password),
            now,
            now,
        )

    async def get(self, caller: Caller, user_id: str) -> User:
        """Returns a user to who may see users.

        Raises:
            CodedError: PERMISSION_DENIED; UNKNOWN_USER.
        """
        caller.require_scope(Scope.READ)
        caller.require_role(Role.ADMIN, Role.COMPLIANCE)
        user = await self._store.by_id(user_id)
        if user is None or user.environment is not caller.user.environment:
            raise not_found("UNKNOWN_USER", "there is no user of that id")
        return user

    async def page(self, caller: Caller, after: str, limit: int) -> Sequence[User]:
        """Returns users by name, after a name, to who may see users."""
        caller.require_scope(Scope.READ)
        caller.require_role(Role.ADMIN, Role.COMPLIANCE)
        return await self._store.page(caller.user.environment, after, limit)

    async def update(self, caller: Caller, user_id: str, version: int, access: Access) -> User:
        """Changes what a user may do, as an admin.

        Raises:
            CodedError: PERMISSION_DENIED; UNKNOWN_USER; VERSION_MISMATCH.
        """
        caller.require_login()
        caller.require_role(Role.ADMIN)
        user = await self.get(caller, user_id)
        if user.user_id == caller.user.user_id and (access.disabled or Role.ADMIN not in access.roles):
            raise permission("PERMISSION_DENIED", "an admin cannot shut themselves out; another admin can")
        changed = replace(
            user,
            roles=tuple(sorted(access.roles)),
            account_ids=tuple(sorted(access.account_ids)),
            disabled=access.disabled,
        )
        return await self._save(user, changed, version)

    async def update_profile(self, caller: Caller, version: int, display_name: str, email: str) -> User:
        """Changes what is told of the caller.

        Raises:
            CodedError: PERMISSION_DENIED; VERSION_MISMATCH.
        """
        caller.require_login()
        return await self._save(caller.user, replace(caller.user, display_name=display_name, email=email), version)

    async def change_password(self, caller: Caller, current: str, new: str, address: str) -> int:
        """Changes the caller's password, and returns how many other sessions that has ended.

        Raises:
            CodedError: INVALID_CREDENTIALS; INVALID_FIELD; TOO_MANY_ATTEMPTS.
        """
        caller.require_login()
        user = caller.user
        check_password(user.username, new, "new_password")
        if new == current:
            raise invalid_field("new_password", "must not be the current one")
        await self._credentials.check_again(user, current, address)
        fresh = await self._credentials.hashed(new)
        now = self._clock.now()
        ended = await self._store.set_password(user.user_id, user.password_hash, fresh, caller.session_id, now)
        if ended is None:
            raise wrong_credentials()
        return ended

    async def _save(self, user: User, changed: User, version: int) -> User:
        if version not in (0, user.version):
            raise _moved_on(user)
        saved = replace(changed, version=user.version + 1, updated_at=self._clock.now())
        if not await self._store.update(saved):
            raise _moved_on(user)
        return saved


def _moved_on(user: User) -> CodedError:
    return aborted("VERSION_MISMATCH", "the user was changed meanwhile", version=str(user.version))
