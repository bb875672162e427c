"""The environment of an account is asked for once, and known ever after."""

from __future__ import annotations

import pytest

from services.kernel.errors import CodedError, unavailable
from services.order.pipeline.environments import KeptEnvironments
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
