"""Many inputs made by hypothesis, each tried on the mesh in the loop that its connections belong to."""

from __future__ import annotations

import asyncio
import logging
import os
import traceback
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
_MOST_ROUNDS: Final = 50
"""Of inputs that are made, until as many as are asked for count: few requests break a contract of two fields."""
_MOST_FAILURES: Final = 50
_MOST_TOLD: Final = 3_000
# What fails is told as it was made, and the others are tried all the same: to make it smaller would take thousands of
# calls.
_many = settings(database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))

_log: Final = logging.getLogger(__name__)
"""Tells what fails at once; `-o log_cli=true` shows it."""

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
    failures: list[str] = []

    async def outcomes(batch: list[T]) -> int:
        told = await asyncio.gather(*map(tried, batch), return_exceptions=True)
        failed = [_text(each) for each in told if isinstance(each, BaseException)]
        failures.extend(failed)
        for text in failed:
            _log.warning("%s: %s", kind, text)
        return sum(each is not False for each in told)

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
            if len(made) == TOGETHER and len(failures) < _MOST_FAILURES:
                flush()

        attack()
        flush()
        return done, came

    for number in range(_MOST_ROUNDS):
        done, came = await asyncio.to_thread(one_round, f"{kind}{number}{_seed()}", most - counted)
        missing, counted = most - counted, counted + done
        if counted >= most or came < missing or failures:
            break
    if kind:
        tally[kind] += counted
        _log.warning("%s: %d inputs, %d failed", kind, counted, len(failures))
    assert counted or failures, f"nothing was tried: {kind}"
    assert not failures, f"{len(failures)} of {counted} failed:\n" + "\n".join(failures[:_MOST_FAILURES])
    return counted


def _text(error: BaseException) -> str:
    """Returns what an error tells, and below which line."""
    [*_, last] = traceback.extract_tb(error.__traceback__)
    return f"{last.name}:{last.lineno}: {type(error).__name__}: {error}"[:_MOST_TOLD]


def _seed() -> str:
    return os.urandom(8).hex() if _EXPLORE else ""
