"""Parameters, metrics and alerts through the service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from ordermesh.event.v1 import event_log_service_pb2, event_pb2
from ordermesh.risk.v1 import risk_alert_pb2, risk_parameters_pb2, risk_service_pb2
from ordermesh.type.v1 import risk_breach_pb2, stream_pb2
from services.kernel.errors import CodedError, ErrorKind
from services.risk.domain.alert import AlertKind
from tests.fakes.reserve_client import fill, reservation
from tests.fakes.risk_world import RiskWorld, risk_world


@pytest_asyncio.fixture
async def world() -> AsyncIterator[RiskWorld]:
    async with risk_world() as running:
        yield running


async def test_parameters_are_the_accounts_else_the_firms(world: RiskWorld) -> None:
    """An account's value holds before the firm's; what it leaves out is the firm's; zero is no limit."""
    firm = risk_parameters_pb2.RiskParameters(max_order_size="100", price_band_percent="10", max_daily_trades=7)
    await world.risk.UpdateRiskParameters(risk_service_pb2.UpdateRiskParametersRequest(parameters=firm))
    own = risk_parameters_pb2.RiskParameters(account_id="demo", max_order_size="5.50", max_daily_trades=0)
    changed = await world.risk.UpdateRiskParameters(risk_service_pb2.UpdateRiskParametersRequest(parameters=own))
    told = await world.risk.GetRiskParameters(risk_service_pb2.GetRiskParametersRequest(account_id="demo"))
    assert told.parameters == changed.parameters
    assert told.parameters.max_order_size == "5.5"
    assert not told.parameters.HasField("price_band_percent")
    assert told.effective.max_order_size == "5.5"
    assert told.effective.price_band_percent == "10"
    assert told.effective.max_daily_trades == 0
    assert told.effective.max_position_size == "0"
    assert told.effective.circuit_breaker_enabled
    async with world.stream() as stream:
        await stream.sync()
        assert (await stream.one(1, quantity="6")).breach.limit == "5.5"


async def test_parameters_change_by_version(world: RiskWorld) -> None:
    """A change of a version that is no longer the newest is refused; version 0 changes whatever there is."""

    async def update(version: int, size: str) -> int:
        parameters = risk_parameters_pb2.RiskParameters(account_id="demo", version=version, max_order_size=size)
        request = risk_service_pb2.UpdateRiskParametersRequest(parameters=parameters)
        return int((await world.risk.UpdateRiskParameters(request)).parameters.version)

    assert await update(0, "1") == 1
    assert await update(1, "2") == 2
    with pytest.raises(CodedError) as failure:
        await update(1, "3")
    assert (failure.value.kind, failure.value.reason) == (ErrorKind.ABORTED, "VERSION_MISMATCH")
    assert world.book.limits.parameters("demo").max_order_size == 2
    assert await update(0, "4") == 3


@pytest.mark.parametrize("value", ["-1", "1e3", "abc", "+1", ".5", "1."])
async def test_limit_that_is_no_decimal_is_refused(world: RiskWorld, value: str) -> None:
    """A limit that is no plain decimal is refused, naming the field; nothing changes."""
    parameters = risk_parameters_pb2.RiskParameters(account_id="demo", max_order_size=value)
    with pytest.raises(CodedError) as failure:
        await world.risk.UpdateRiskParameters(risk_service_pb2.UpdateRiskParametersRequest(parameters=parameters))
    assert failure.value.violations[0].field == "parameters.max_order_size"
    assert world.book.limits.parameters("demo").version == 0


async def test_parameters_need_their_message(world: RiskWorld) -> None:
    """An update without parameters is refused, naming the field."""
    with pytest.raises(CodedError) as failure:
        await world.risk.UpdateRiskParameters(risk_service_pb2.UpdateRiskParametersRequest())
    assert failure.value.violations[0].field == "parameters"


@pytest.mark.parametrize(
    ("call", "request_of"),
    [
        ("GetRiskParameters", risk_service_pb2.GetRiskParametersRequest),
        ("GetCircuitBreaker", risk_service_pb2.GetCircuitBreakerRequest),
        ("ResetCircuitBreaker", risk_service_pb2.ResetCircuitBreakerRequest),
        ("GetRiskMetrics", risk_service_pb2.GetRiskMetricsRequest),
    ],
)
async def test_unknown_account_is_told(world: RiskWorld, call: str, request_of: Any) -> None:
    """Whatever is asked of an account that does not exist fails with NOT_FOUND and UNKNOWN_ACCOUNT."""
    with pytest.raises(CodedError) as failure:
        await getattr(world.risk, call)(request_of(account_id="nobody"))
    assert (failure.value.kind, failure.value.reason) == (ErrorKind.NOT_FOUND, "UNKNOWN_ACCOUNT")


async def test_metrics_tell_exposure_and_use(world: RiskWorld) -> None:
    """Metrics tell position, open orders, the worst cases, the day, and how much of each limit is used."""
    world.limit(max_position_size="40", max_daily_loss="200", max_daily_trades=4)
    async with world.stream() as stream:
        await stream.sync()
        await stream.settle(fill(5, 1, world.clock, fee="1"))
        await stream.reserve(reservation(2), reservation(3, side=2, quantity="30"))
        world.aapl.quote("", "", "95")
        answer = await world.risk.GetRiskMetrics(risk_service_pb2.GetRiskMetricsRequest(account_id="demo"))
    metrics = answer.metrics
    [exposure] = metrics.exposures
    assert answer.as_of == 5
    assert (exposure.position, exposure.open_buy_quantity, exposure.open_sell_quantity) == ("10", "10", "30")
    assert (exposure.most_long, exposure.most_short, exposure.open_orders) == ("20", "-20", 2)
    assert (exposure.reference_price, exposure.position_value, exposure.day_profit) == ("95", "950", "-51")
    assert (metrics.day_trades, metrics.day_volume, metrics.open_orders) == (1, "10", 2)
    assert [(each.currency, each.profit) for each in metrics.day_profits] == [("USD", "-51")]
    assert {use.rule: (use.used, use.limit, use.used_percent) for use in metrics.limit_uses} == {
        risk_breach_pb2.RISK_RULE_MAX_POSITION_SIZE: ("20", "40", "50"),
        risk_breach_pb2.RISK_RULE_MAX_DAILY_LOSS: ("51", "200", "25.5"),
        risk_breach_pb2.RISK_RULE_MAX_DAILY_TRADES: ("3", "4", "75"),
    }


async def test_metrics_of_an_account_without_trades(world: RiskWorld) -> None:
    """An account that did nothing has empty metrics."""
    answer = await world.risk.GetRiskMetrics(risk_service_pb2.GetRiskMetricsRequest(account_id="other"))
    assert not answer.metrics.exposures
    assert answer.metrics.day_volume == "0"


async def test_refusals_are_folded(world: RiskWorld) -> None:
    """The first refusal is told at once; those that follow within a second come as one alert with their number."""
    world.limit(max_order_size="1")
    async with world.stream() as stream:
        await stream.sync()
        await stream.reserve(*(reservation(number) for number in range(50)))
        [first] = await world.told(1)
        world.clock.advance(timedelta(seconds=1))
        await world.watcher.look()
        _, folded = await world.told(2)
    assert (first.occurrences, first.order_id) == (1, "0")
    assert (folded.occurrences, folded.order_id) == (49, "49")


async def test_lowered_limit_is_told_once(world: RiskWorld) -> None:
    """A position over a limit that was lowered is told once, and again only after it was within it."""
    async with world.stream() as stream:
        await stream.sync()
        await stream.settle(fill(1, 1, world.clock))
        await stream.one(2, quantity="1")
    for limit in ("5", "5", "50", "5"):
        world.limit(max_position_size=limit)
        await world.watcher.look()
    alerts = await world.told(2)
    assert [alert.kind for alert in alerts] == [AlertKind.LIMIT_EXCEEDED] * 2
    assert alerts[0].text == "the position, open orders included, is 11 units; the limit is 5 units"


async def many_alerts(world: RiskWorld, count: int, account_id: str = "demo") -> None:
    """Makes alerts, one for each instrument and rule."""
    world.limit(account_id, max_order_size="1")
    already = len(world.store.alerts)
    async with world.stream() as stream:
        await stream.sync()
        for number in range(count):
            await stream.one(f"{account_id}{already}{number}", account_id=account_id)
            world.clock.advance(timedelta(seconds=2))
            await world.watcher.look()
    await world.told(already + count)


async def test_alerts_are_listed_in_pages(world: RiskWorld) -> None:
    """Alerts are listed newest first, filtered, in pages; a token of other filters is refused."""
    await many_alerts(world, 5)
    await many_alerts(world, 1, "other")
    first = await world.risk.ListAlerts(risk_service_pb2.ListAlertsRequest(account_id="demo", page_size=3))
    rest = await world.risk.ListAlerts(
        risk_service_pb2.ListAlertsRequest(account_id="demo", page_size=3, page_token=first.next_page_token)
    )
    assert [alert.sequence for alert in [*first.alerts, *rest.alerts]] == [5, 4, 3, 2, 1]
    assert not rest.next_page_token
    assert first.as_of == 6
    with pytest.raises(CodedError) as failure:
        await world.risk.ListAlerts(
            risk_service_pb2.ListAlertsRequest(account_id="other", page_token=first.next_page_token)
        )
    assert failure.value.reason == "INVALID_PAGE_TOKEN"
    tripped = risk_alert_pb2.RISK_ALERT_KIND_CIRCUIT_BREAKER_TRIPPED
    assert not (await world.risk.ListAlerts(risk_service_pb2.ListAlertsRequest(kinds=[tripped]))).alerts
    late = risk_service_pb2.ListAlertsRequest()
    getattr(late, "from").CopyFrom(first.alerts[0].time)
    assert [alert.sequence for alert in (await world.risk.ListAlerts(late)).alerts] == [6, 5]


async def test_alert_stream_has_snapshot_updates_and_resume(world: RiskWorld) -> None:
    """A stream begins with the newest alerts, tells each new one, and goes on from its token without loss or repeat."""
    await many_alerts(world, 2)
    call = world.risk.StreamAlerts(risk_service_pb2.StreamAlertsRequest(account_id="demo"))
    kinds = [(await call.read()) for _ in range(4)]
    assert [message.WhichOneof("item") for message in kinds] == [
        "subscribed",
        "snapshot_begin",
        "snapshot",
        "snapshot_end",
    ]
    assert [alert.sequence for alert in kinds[2].snapshot.alerts] == [1, 2]
    await many_alerts(world, 1, "other")
    await many_alerts(world, 1)
    update = (await call.read()).update
    assert [alert.sequence for alert in update.alerts] == [4]
    call.cancel()
    await many_alerts(world, 2)
    request = risk_service_pb2.StreamAlertsRequest(account_id="demo", resume_token=update.resume_token)
    resumed = world.risk.StreamAlerts(request)
    assert (await resumed.read()).subscribed.resumed
    told: list[int] = []
    async with asyncio.timeout(10):
        while len(told) < 2:
            told += [alert.sequence for alert in (await resumed.read()).update.alerts]
    assert told == [5, 6]
    world.draining.begin()
    away = await resumed.read()
    assert away.going_away.reason == stream_pb2.GOING_AWAY_REASON_DRAINING


async def test_alerts_are_read_as_events(world: RiskWorld) -> None:
    """The log of alerts is served as gapless events of its topic, each naming the one before."""
    await many_alerts(world, 3)
    answer = await world.events.ReadEvents(event_log_service_pb2.ReadEventsRequest(after_sequence=1))
    assert [(each.sequence, each.previous_sequence) for each in answer.events] == [(2, 1), (3, 2)]
    assert {each.topic for each in answer.events} == {event_pb2.TOPIC_RISK_LIMIT_EXCEEDED}
    assert answer.events[0].risk_alert.account_id == "demo"
    assert answer.last_sequence == 3
    other = event_log_service_pb2.ReadEventsRequest(topics=[event_pb2.TOPIC_ORDER_PLACED])
    assert not (await world.events.ReadEvents(other)).events


async def test_alerts_wait_for_a_store_that_is_away(world: RiskWorld) -> None:
    """Alerts that cannot be stored wait, and come in their order once the store is back."""
    world.limit(max_order_size="1")
    world.store.broken = True
    async with world.stream() as stream:
        await stream.sync()
        await stream.one(1)
        await stream.one(2, instrument="ESZ6.XCME")
    world.store.broken = False
    alerts = await world.told(2)
    assert [(alert.sequence, alert.order_id) for alert in alerts] == [(1, "1"), (2, "2")]
