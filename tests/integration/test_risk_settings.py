"""Parameters, circuit breakers and kill switches in Postgres, and what the audit says of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import pytest_asyncio

from ordermesh.event.v1.audit_record_pb2 import AuditRecord
from ordermesh.type.v1 import trading_pb2
from services.mesh.audit import Origin
from services.risk.domain.breach import Breach, Rule
from services.risk.domain.breaker import Breaker
from services.risk.domain.limits import Parameters, firm_of
from services.risk.domain.trading import KillSwitch, TradingState
from services.risk.pipeline.ports import SwitchSet
from services.risk.pipeline.trading import ITSELF
from services.risk.store.schema import SCHEMA
from services.risk.store.settings import FIRM_ID, PostgresSettingsStore
from services.storage.audit_log import AuditLog, AuditTrail
from services.storage.database import Database
from services.storage.migrations import migrate

NOW = datetime(2026, 1, 2, tzinfo=UTC)
LIVE = trading_pb2.ENVIRONMENT_LIVE
SOMEBODY = Origin("user-1", environment=LIVE)


@pytest_asyncio.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    await migrate(postgres_url, "risk", schema=SCHEMA)
    async with Database(postgres_url, SCHEMA) as made:
        yield made


@pytest.fixture
def store(database: Database) -> PostgresSettingsStore:
    return PostgresSettingsStore(database, AuditTrail("risk"))


async def records(database: Database) -> list[AuditRecord]:
    """Returns what the audit says."""
    _, rows = await AuditLog(database).read_after(0, 100)
    return [AuditRecord.FromString(record) for _, record in rows]


@pytest.mark.parametrize("by", [ITSELF, SOMEBODY])
async def test_what_is_the_firms_is_recorded_of_its_environment(
    store: PostgresSettingsStore, database: Database, by: Origin
) -> None:
    """Whoever has set it: else a stop among real money would be told to the simulation. It is of no account."""
    firm = firm_of(LIVE)
    switch = KillSwitch(firm).stopped(TradingState.HALTED, "", NOW, cancels=True)
    await store.save_switches([SwitchSet(switch, by)])
    assert await store.save_parameters(Parameters(firm, max_order_size=Decimal(5), version=1, updated_at=NOW))
    told = await records(database)
    assert [each.entity_type for each in told] == ["kill_switch", "risk_parameters"]
    assert {(each.entity_id, each.account_id, each.environment) for each in told} == {(FIRM_ID, "", LIVE)}
    assert (told[0].actor.user_id, told[0].actor.service) == (by.user_id, by.service)
    assert await store.load_switches() == [switch]


async def test_each_of_several_changes_is_recorded(store: PostgresSettingsStore, database: Database) -> None:
    """Stored in one transaction, each with what there was before it; the last is what the switch says."""
    first = KillSwitch("demo").stopped(TradingState.HALTED, "first", NOW, cancels=True)
    second = first.stopped(TradingState.REDUCING, "second", NOW, cancels=False)
    changes = [SwitchSet(first, SOMEBODY), SwitchSet(second, ITSELF)]
    await store.save_switches(changes)
    await store.save_switches(changes)  # the answer was lost
    assert await store.load_switches() == [second]
    told = await records(database)
    assert [each.new_value["text"] for each in told] == ["first", "second"]
    assert [each.actor.user_id for each in told] == [SOMEBODY.user_id, ""]
    assert not told[0].HasField("old_value")
    assert told[1].old_value["text"] == "first"


async def test_what_is_not_stored_is_not_recorded(store: PostgresSettingsStore, database: Database) -> None:
    """One that is stored at a later version stays."""
    tripped = Breaker("demo").trip(Breach(Rule.MAX_DAILY_LOSS), NOW)
    closed = tripped.reset("", NOW)
    stopped = KillSwitch("demo").stopped(TradingState.HALTED, "", NOW, cancels=True)
    resumed = stopped.resumed("", NOW)
    await store.save_breakers([closed])
    await store.save_breakers([tripped])
    await store.save_switches([SwitchSet(resumed, SOMEBODY)])
    await store.save_switches([SwitchSet(stopped, SOMEBODY)])
    parameters = Parameters("demo", version=1, updated_at=NOW)
    assert await store.save_parameters(parameters)
    assert not await store.save_parameters(replace(parameters, version=3))
    assert (await store.load_breakers(), await store.load_switches()) == ({"demo": closed}, [resumed])
    told = await records(database)
    assert [(each.entity_type, each.entity_id, each.account_id) for each in told] == [
        ("circuit_breaker", "demo", "demo"),
        ("kill_switch", "demo", "demo"),
        ("risk_parameters", "demo", "demo"),
    ]
