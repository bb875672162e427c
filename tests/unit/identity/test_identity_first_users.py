"""The first users of an installation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from services.identity.domain.throttle import Rule
from services.identity.domain.user import User
from services.identity.domain.values import Environment, Role
from services.identity.first_users_file import FirstUsersFile
from services.identity.pipeline.credentials import Credentials
from services.identity.pipeline.first_users import FirstUser, MadeUser, make_first_users
from services.identity.pipeline.ports import Means
from services.identity.pipeline.throttling import Rules, Throttle
from services.identity.pipeline.users import Users
from services.kernel.errors import CodedError
from services.kernel.identifiers import UuidV7
from tests.fakes.clock import FakeClock
from tests.fakes.identity_stores import FakeAttempts, FakePasswords, FakeRefusals, FakeUsers, done, user

WISHES = (FirstUser("root", Role.ADMIN), FirstUser("demo", Role.TRADER, ("demo",), "a password of its own"))


class FakeTeller:
    """Keeps what was asked of it."""

    def __init__(self, store: FakeUsers) -> None:
        self.store, self.calls = store, list[str]()

    async def prepare(self, made: Sequence[MadeUser]) -> None:
        assert not any(each.username in self.store.users for each in made)
        self.calls.append("prepare")

    async def tell(self) -> None:
        assert self.store.users
        self.calls.append("tell")

    async def withdraw(self) -> None:
        self.calls.append("withdraw")


class LateUsers(FakeUsers):
    """A store into which another process has just put users."""

    async def any_of(self, environment: Environment) -> bool:
        return False

    async def insert_first(self, environment: Environment, users: Sequence[User]) -> bool:
        return False


def make(store: FakeUsers, *wishes: FirstUser) -> tuple[Sequence[MadeUser], list[str]]:
    """Makes users, and returns them with what the teller was asked."""
    clock = FakeClock()
    rule = Rule(1, 1, 1, 1)
    throttle = Throttle(FakeAttempts(), Rules(rule, rule), clock)
    means = Means(clock, UuidV7(clock), Random(1).randbytes)
    users = Users(
        store, Credentials(store, FakePasswords(), throttle, FakeRefusals()), throttle, means, registration=()
    )
    teller = FakeTeller(store)
    coroutine: Any = make_first_users(users, store, means.random, Environment.SIMULATION, wishes, teller)
    return done(coroutine), teller.calls


def test_they_are_made_with_passwords_given_or_made_up() -> None:
    """And told only once they are there."""
    store = FakeUsers()
    made, calls = make(store, *WISHES)
    assert [(each.username, each.role) for each in made] == [("root", Role.ADMIN), ("demo", Role.TRADER)]
    assert (len(made[0].password), made[1].password) == (19, "a password of its own")
    assert calls == ["prepare", "tell"]
    stored = {each.username: each for each in store.users.values()}
    assert stored["root"].password_hash == f"hash of {made[0].password}"
    assert stored["demo"].account_ids == ("demo",)
    assert made[0].password not in repr(made)


@pytest.mark.parametrize(
    ("store", "wishes", "calls"),
    [
        (FakeUsers(user("ann")), WISHES, []),
        (FakeUsers(), (), []),
        (LateUsers(), WISHES, ["prepare", "withdraw"]),
    ],
)
def test_nobody_is_made_where_there_are_users_or_nobody_is_wanted(
    store: FakeUsers, wishes: tuple[FirstUser, ...], calls: list[str]
) -> None:
    """Nor by the process that comes second."""
    before = dict(store.users)
    assert make(store, *wishes) == ((), calls)
    assert store.users == before


def test_a_password_that_may_not_be_one_stops_the_start() -> None:
    """Before anybody is made."""
    store = FakeUsers()
    with pytest.raises(CodedError, match="must not be the username"):
        make(store, WISHES[0], FirstUser("demo-trader-1", Role.TRADER, (), "Demo-Trader-1"))
    assert store.users == {}


async def test_the_file_is_whole_and_its_owners_or_not_there(tmp_path: Path) -> None:
    """What is not to be told leaves nothing behind."""
    path = tmp_path / "deep" / "users.json"
    teller = FirstUsersFile(path)
    made = [MadeUser("root", Role.ADMIN, "secret")]
    await teller.prepare(made)
    assert not path.exists()
    await teller.withdraw()
    assert list(path.parent.iterdir()) == []
    await teller.prepare(made)
    await teller.tell()
    assert [each.name for each in path.parent.iterdir()] == ["users.json"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == '[{"username": "root", "role": "admin", "password": "secret"}]'
