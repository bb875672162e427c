"""An unknown user and a wrong password: the same words, and the same time."""

from __future__ import annotations

import statistics
import time
from typing import Any

import httpx
import pytest

from tests.attacks.world import NEW_PASSWORD, User, World
from tests.fixtures.access_mesh import SIMULATION

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAIRS = 400
MOST_SECONDS = 0.002
"""A hash costs that much at the least where it is made as it should be; a hash that is left out shows."""


async def login(world: World, username: str) -> tuple[httpx.Response, float]:
    """Tries a wrong password, and returns the answer and how long it took."""
    body = {"username": username, "password": NEW_PASSWORD, "environment": SIMULATION}
    began = time.perf_counter()
    answer = await world.way.http.post("/api/v1/auth/login", json=body)
    return answer, time.perf_counter() - began


def told(answer: httpx.Response) -> tuple[int, Any, list[str]]:
    """Returns what an answer tells, and in which headers."""
    return answer.status_code, answer.json(), sorted(answer.headers)


async def test_an_unknown_user_is_answered_as_a_wrong_password_is(world: World) -> None:
    """Word by word, also for who is not there in this world, and for a name in other letters."""
    known, _ = await login(world, world.victim.name)
    assert known.status_code == httpx.codes.UNAUTHORIZED, known.text
    for name in ("nobody", world.victim.name[:-1] + "-", world.victim.name.upper()):
        unknown, _ = await login(world, name)
        assert told(unknown) == told(known), name


@pytest.mark.long
async def test_an_unknown_user_takes_as_long_as_a_wrong_password(world: World) -> None:
    """The medians of many pairs, one right after the other: what a busy machine does to one it does to both."""
    differences = []
    for turn in range(PAIRS):
        names = (world.victim.name, f"nobody-{turn}")
        order = names if turn % 2 else names[::-1]
        seconds = {name: (await login(world, name))[1] for name in order}
        differences.append(seconds[names[0]] - seconds[names[1]])
    assert abs(statistics.median(differences)) < MOST_SECONDS, statistics.quantiles(differences)
    assert (await world.login(User(world.victim.name))).token
