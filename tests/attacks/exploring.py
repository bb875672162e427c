"""Many inputs made by hypothesis, each tried on the mesh in the loop that its connections belong to."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

T = TypeVar("T")

INPUTS: Final = int(os.environ.get("INPUTS", "40"))
"""Of each test: few, ten thousand in `make attacks`."""
THOROUGH: Final = "INPUTS" in os.environ
"""Whether all that can be combined is."""
TOGETHER: Final = 8
"""What is tried at the same time."""
_EXPLORE: Final = os.environ.get("EXPLORE", "")
_MOST_ROUNDS: Final = 10
# What fails is told as it was made: to make it smaller would take thousands of calls.
_many = settings(database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))

tally: Counter[str] = Counter()
"""Inputs of each kind that were tried, for who runs the attacks."""


async def each_of(
    inputs: SearchStrategy[T], tried: Callable[[T], Awaitable[bool | None]], most: int = INPUTS, kind: str = ""
) -> int:
    """Tries as many inputs as are asked for; one for which False comes back does not count.

    Returns:
        How many were tried: fewer, if there are no more.
    """
    loop = asyncio.get_running_loop()
    counted = 0

    async def outcomes(batch: list[T]) -> int:
        return sum(told is not False for told in await asyncio.gather(*map(tried, batch)))

    def one_round(seed: str, missing: int) -> tuple[int, int]:
        made: list[T] = []
        done = came = 0

        def flush() -> None:
            nonlocal done
            batch = list(made)
            made.clear()
            done += asyncio.run_coroutine_threadsafe(outcomes(batch), loop).result()

        @hypothesis.seed(seed)
        @settings(_many, max_examples=missing)
        @given(inputs)
        def attack(each: T) -> None:
            nonlocal came
            came += 1
            made.append(each)
            if len(made) == TOGETHER:
                flush()

        attack()
        flush()
        return done, came

    for number in range(_MOST_ROUNDS):
        done, came = await asyncio.to_thread(one_round, f"{kind}{number}{_seed()}", most - counted)
        missing, counted = most - counted, counted + done
        if counted >= most or came < missing:
            break
    if kind:
        tally[kind] += counted
    return counted


def _seed() -> str:
    return os.urandom(8).hex() if _EXPLORE else ""
