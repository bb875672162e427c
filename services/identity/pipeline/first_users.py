"""The first users of an installation, so that somebody can log in: an admin, and a trader to try things with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.identity.domain.secrets import RECOVERY_BYTES, recovery_text
from services.identity.domain.values import Environment, Role
from services.identity.pipeline.ports import RandomBytes, UserStore
from services.identity.pipeline.users import Users, UserWish
from services.kernel.errors import CodedError, ErrorKind


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


async def make_first_users(
    users: Users, store: UserStore, random: RandomBytes, environment: Environment, wishes: Sequence[FirstUser]
) -> Sequence[MadeUser]:
    """Makes users in an environment that has none, and returns them.

    Whoever starts the mesh shows their passwords once. Of several processes that start at once, one makes each user.

    Raises:
        CodedError: INVALID_FIELD, for a password that may not be one.
    """
    if await store.any_of(environment):
        return ()
    made = []
    for wish in wishes:
        password = wish.password or recovery_text(random(RECOVERY_BYTES))
        try:
            await users.make(
                environment, UserWish(wish.username, password, roles=(wish.role,), account_ids=wish.account_ids)
            )
        except CodedError as error:
            if error.kind is ErrorKind.ALREADY_EXISTS:
                continue
            raise
        made.append(MadeUser(wish.username, wish.role, password))
    return made
