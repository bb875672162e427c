"""How many attempts somebody has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.identity.domain.throttle import Attempts, Rule, account_key, address_key
from services.identity.domain.values import Environment
from services.identity.pipeline.credentials import Credentials
from services.identity.pipeline.throttling import Rules, Throttle
from services.kernel.errors import CodedError, exhausted
from tests.fakes.clock import FakeClock
from tests.fakes.identity_stores import FakeAttempts, FakePasswords, FakeRefusals, FakeUsers, done, user

RULE = Rule(free=3, first_seconds=1, most_seconds=60, forget_seconds=3600)
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def test_pauses_double_up_to_the_longest() -> None:
    """None for the first attempts, then 1, 2, 4 … 60 seconds."""
    pauses = [RULE.pause(count) for count in range(1, 12)]
    assert pauses[:2] == [None, None]
    assert [each.total_seconds() for each in pauses[2:] if each] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert RULE.pause(10**9) == timedelta(seconds=60)


@given(st.lists(st.tuples(st.floats(0, 4000), st.booleans()), max_size=60))
def test_nobody_has_more_attempts_than_the_rule_allows(steps: list[tuple[float, bool]]) -> None:
    """However they are timed: in each hour the free ones, and those that the pauses leave room for."""
    attempts, now, failed = Attempts(), NOW, list[datetime]()
    for seconds, good in steps:
        now += timedelta(seconds=seconds)
        if attempts.wait_seconds(now):
            continue
        before, attempts = attempts, attempts.made(RULE, now)
        if good:
            attempts = attempts.taken_back()
            assert attempts.count <= before.count
            continue
        failed.append(now)
        gaps = [later - earlier for earlier, later in pairwise(failed)]
        row = 0
        for gap in reversed(gaps):
            if gap >= timedelta(seconds=RULE.forget_seconds):
                break
            row += 1
        if row >= RULE.free:
            assert gaps[-1] >= timedelta(seconds=1)


def test_keys_of_addresses_and_names() -> None:
    """Of IPv6 the network counts; a key shows nothing of what it is of."""
    assert address_key("2001:db8::1") == address_key("2001:db8::ffff:1") != address_key("2001:db8:0:1::1")
    assert address_key("192.0.2.1") != address_key("192.0.2.2")
    assert address_key("") != address_key("192.0.2.1")
    assert account_key("a", "bc") != account_key("ab", "c")
    assert b"secret" not in account_key("secret")


class World:
    """Credentials over stores in memory."""

    def __init__(self) -> None:
        self.clock, self.attempts, self.passwords = FakeClock(), FakeAttempts(), FakePasswords()
        self.refusals = FakeRefusals()
        self.users = FakeUsers(user("ann"), user("off", disabled=True))
        self.throttle = Throttle(self.attempts, Rules(RULE, Rule(1000, 1, 60, 3600)), self.clock)
        self.credentials = Credentials(self.users, self.passwords, self.throttle, self.refusals)

    def reason(self, name: str, password: str) -> str:
        """Returns how a login is answered; empty when it is good."""
        try:
            done(self.credentials.check(Environment.SIMULATION, name, password, "192.0.2.1"))
        except CodedError as error:
            return error.reason
        return ""


@pytest.mark.parametrize(
    ("name", "password", "reason"),
    [
        ("ann", "ann", ""),
        ("ANN", "ann", ""),
        ("ann", "wrong", "INVALID_CREDENTIALS"),
        ("nobody", "nobody", "INVALID_CREDENTIALS"),
        ("off", "off", "INVALID_CREDENTIALS"),
        ("off", "wrong", "INVALID_CREDENTIALS"),
    ],
)
def test_each_login_costs_one_hash(name: str, password: str, reason: str) -> None:
    """Whoever logs in, and whether they are known: time tells nothing."""
    world = World()
    assert world.reason(name, password) == reason
    assert world.passwords.operations == 1


def test_a_refused_attempt_costs_no_hash_and_a_good_login_begins_anew() -> None:
    """The account's failures are forgotten when its user logs in."""
    world = World()
    assert [world.reason("ann", "wrong") for _ in range(4)] == ["INVALID_CREDENTIALS"] * 3 + ["TOO_MANY_ATTEMPTS"]
    assert world.passwords.operations == 3
    world.clock.advance(timedelta(seconds=1))
    assert world.reason("ann", "ann") == ""
    assert [world.reason("ann", "wrong") for _ in range(3)] == ["INVALID_CREDENTIALS"] * 3


def test_what_was_not_decided_does_not_count() -> None:
    """A hash that nobody had time for says nothing about the password."""
    world = World()
    world.passwords.failing = exhausted("OVERLOADED", "too many", retry_after_seconds=1)
    assert [world.reason("ann", "ann") for _ in range(5)] == ["OVERLOADED"] * 5
    world.passwords.failing = None
    assert world.reason("ann", "ann") == ""
    assert {each.count for each in world.attempts.attempts.values()} == {0}


def test_letters_are_the_same_however_they_are_composed() -> None:
    """An e with an accent typed as one character or as two."""
    world = World()
    composed: Any = user("eve", password_hash="hash of caf\u00e9")
    world.users.users["eve"] = composed
    assert world.reason("eve", "cafe\u0301") == ""
