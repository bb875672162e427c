"""The environment of an account is asked for once, and known ever after."""

from __future__ import annotations

import asyncio

import pytest

from services.kernel.errors import CodedError, unavailable
from services.mesh.access.environments import KeptEnvironments
from tests.fakes.access import LIVE, SIMULATION, FakeEnvironments


class Record:
    """What is on record."""

    def __init__(self) -> None:
        self.kept: dict[str, int] = {}
        self.away = False

    async def get(self, account_id: str) -> int | None:
        self._require()
        return self.kept.get(account_id)

    async def keep(self, account_id: str, environment: int) -> None:
        self._require()
        self.kept[account_id] = environment

    def _require(self) -> None:
        if self.away:
            raise unavailable("STORE_UNAVAILABLE", "the store is away")


@pytest.fixture
def record() -> Record:
    """An empty one."""
    return Record()


@pytest.fixture
def source() -> FakeEnvironments:
    """PortfolioService, with an account of each world."""
    return FakeEnvironments({"demo": SIMULATION, "real": LIVE})


async def test_a_process_that_starts_knows_what_the_one_before_was_told(
    record: Record, source: FakeEnvironments
) -> None:
    """With PortfolioService away; an account that nobody has asked for yet cannot be told."""
    before = KeptEnvironments(record, source)
    assert [await before.of(account_id) for account_id in ("demo", "real")] == [SIMULATION, LIVE]
    source.away = True
    after = KeptEnvironments(record, source)
    assert [await after.of(account_id) for account_id in ("demo", "real")] == [SIMULATION, LIVE]
    with pytest.raises(CodedError) as failure:
        await after.of("another")
    assert failure.value.reason == "SERVICE_UNAVAILABLE"


async def test_what_is_known_needs_neither(record: Record, source: FakeEnvironments) -> None:
    """The store and PortfolioService may be away."""
    environments = KeptEnvironments(record, source)
    await environments.of("demo")
    source.away = record.away = True
    assert await environments.of("demo") == SIMULATION


async def test_an_account_that_there_is_not_is_asked_for_again(record: Record, source: FakeEnvironments) -> None:
    """It may be opened later; nothing is on record until then."""
    environments = KeptEnvironments(record, source)
    assert await environments.of("new") is None
    assert record.kept == {}
    source.known = {"new": SIMULATION}
    assert await environments.of("new") == SIMULATION
    assert record.kept == {"new": SIMULATION}


async def test_without_the_store_it_is_told_and_kept_later(record: Record, source: FakeEnvironments) -> None:
    """The next call after the store is back puts it on record."""
    environments = KeptEnvironments(record, source)
    record.away = True
    assert await environments.of("demo") == SIMULATION
    record.away = False
    assert await environments.of("demo") == SIMULATION
    assert record.kept == {"demo": SIMULATION}


async def test_who_asks_together_asks_once(record: Record, source: FakeEnvironments) -> None:
    """Whichever of the calls is broken off, the others are told; so they are when it cannot be told."""
    environments, asked, answer = KeptEnvironments(record, source), [], asyncio.Event()

    async def slow(account_id: str) -> int | None:
        asked.append(account_id)
        await answer.wait()
        return await FakeEnvironments.of(source, account_id)

    source.of = slow  # type: ignore[method-assign]  # slower than the fake
    first, *others = (asyncio.ensure_future(environments.of("demo")) for _ in range(3))
    await asyncio.sleep(0)
    first.cancel()
    answer.set()
    assert await asyncio.gather(*others) == [SIMULATION, SIMULATION]
    assert asked == ["demo"]
    source.away = True
    failures = await asyncio.gather(*(environments.of("real") for _ in range(3)), return_exceptions=True)
    assert [getattr(failure, "reason", None) for failure in failures] == ["SERVICE_UNAVAILABLE"] * 3
    source.away = False
    assert await environments.of("real") == LIVE
    assert asked == ["demo", "real", "real"]
