"""The first users of an installation, so that somebody can log in: an admin, and a trader to try things with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from services.identity.domain.secrets import RECOVERY_BYTES, recovery_text
from services.identity.domain.values import Environment, Role
from services.identity.pipeline.ports import RandomBytes
from services.identity.pipeline.stores import UserStore
from services.identity.pipeline.users import Users, UserWish


@dataclass(frozen=True, slots=True)
class FirstUser:
    """A user to make at the first start. An empty password: one is made up."""

    username: str
    role: Role
    account_ids: Sequence[str] = ()
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class MadeUser:
    """A user who was made now, with the password that nobody can tell later."""

    username: str
    role: Role
    password: str = field(repr=False)


class Teller(Protocol):
    """Tells passwords that were made up, once the users are there: not too early, and never too late."""

    async def prepare(self, made: Sequence[MadeUser]) -> None:
        """Keeps what is to be told, before the users are made."""
        ...

    async def tell(self) -> None:
        """Tells it."""
        ...

    async def withdraw(self) -> None:
        """Forgets it: another process has made users."""
        ...


class NoTeller:
    """Tells nobody: the passwords were given."""

    async def prepare(self, made: Sequence[MadeUser]) -> None:
        """Keeps nothing."""

    async def tell(self) -> None:
        """Tells nothing."""

    async def withdraw(self) -> None:
        """Forgets nothing."""


async def make_first_users(
    users: Users,
    store: UserStore,
    random: RandomBytes,
    environment: Environment,
    wishes: Sequence[FirstUser],
    teller: Teller,
) -> Sequence[MadeUser]:
    """Makes users in an environment that has none, all or none of them, and returns them.

    Whoever starts the mesh shows their passwords once. Of several processes that start at once, one makes them.

    Raises:
        CodedError: INVALID_FIELD, for a password that may not be one.
    """
    if not wishes or await store.any_of(environment):
        return ()
    made = [
        MadeUser(wish.username, wish.role, wish.password or recovery_text(random(RECOVERY_BYTES))) for wish in wishes
    ]
    stored = [
        await users.made_of(
            environment, UserWish(wish.username, each.password, roles=(wish.role,), account_ids=wish.account_ids)
        )
        for wish, each in zip(wishes, made, strict=True)
    ]
    await teller.prepare(made)
    if not await store.insert_first(environment, stored):
        await teller.withdraw()
        return ()
    await teller.tell()
    return made
