"""Health and readiness of the mesh, from components that are made well or unwell."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from ordermesh.system.v1 import component_pb2, system_service_pb2
from services.kernel.errors import CodedError, ErrorKind, unavailable
from services.system.config import SystemSettings
from services.system.domain.health import ORDER_PATH, Component, State, complaint
from services.system.pipeline import Mesh
from services.system.servicer import SystemServicer

TIMEOUT_SECONDS = 0.05


@dataclass
class FakeProbe:
    """A component that answers what it is told."""

    says: str = ""
    fails: bool = False
    hangs: bool = False

    async def ask(self) -> str:
        if self.hangs:
            await asyncio.Event().wait()
        if self.fails:
            raise unavailable("SERVICE_UNAVAILABLE", "it does not answer")
        return self.says


@dataclass
class FakeMetrics:
    """Metrics that are there, or not."""

    text: str | None

    async def read(self) -> str:
        if self.text is None:
            raise unavailable("SERVICE_UNAVAILABLE", "it does not answer")
        return self.text


def mesh(**probes: FakeProbe) -> Mesh:
    """A mesh of these components, whose clock gives each answer a quarter of a second."""
    times = iter(range(1000))
    return Mesh(probes, {}, timeout_seconds=TIMEOUT_SECONDS, now=lambda: next(times) / 4)


async def test_every_component_is_asked_and_named_in_order() -> None:
    """A component is serving, not serving, or unreachable: because it fails or because it takes too long."""
    found = await mesh(
        risk=FakeProbe(),
        order=FakeProbe(says="it says NOT_SERVING"),
        redis=FakeProbe(fails=True),
        engine=FakeProbe(hangs=True),
    ).components()

    assert [(component.name, component.state, component.text) for component in found] == [
        ("engine", State.UNREACHABLE, "no answer within 0.05 s"),
        ("order", State.NOT_SERVING, "it says NOT_SERVING"),
        ("redis", State.UNREACHABLE, "it does not answer"),
        ("risk", State.SERVING, ""),
    ]
    assert [component.latency_seconds is None for component in found] == [True, False, True, False]


def test_a_complaint_names_what_is_down() -> None:
    """All serving is no complaint."""
    assert complaint([Component("order", State.SERVING)]) == ""
    assert complaint([Component("order", State.NOT_SERVING), Component("redis", State.UNREACHABLE)]) == (
        "order is not serving, redis is unreachable"
    )


async def test_health_answers_all_components() -> None:
    """When all are serving, the answer lists them with how long they took."""
    servicer = SystemServicer(mesh(order=FakeProbe()))

    answer = await servicer.GetHealth(system_service_pb2.GetHealthRequest(), None)
    assert [component.name for component in answer.components] == ["order"]
    assert answer.components[0].latency.nanos == 250_000_000


async def test_health_fails_with_the_whole_list() -> None:
    """One component down fails the call, and the detail still holds every component."""
    servicer = SystemServicer(mesh(order=FakeProbe(), redis=FakeProbe(fails=True)))

    with pytest.raises(CodedError) as failure:
        await servicer.GetHealth(system_service_pb2.GetHealthRequest(), None)
    assert (failure.value.kind, failure.value.reason) == (ErrorKind.UNAVAILABLE, "COMPONENT_DOWN")
    (report,) = failure.value.details
    assert isinstance(report, component_pb2.ComponentReport)
    assert [(component.name, component.state) for component in report.components] == [
        ("order", component_pb2.COMPONENT_STATE_SERVING),
        ("redis", component_pb2.COMPONENT_STATE_UNREACHABLE),
    ]


async def test_readiness_is_the_order_paths() -> None:
    """Orders can be placed while Redis is down, and not while the engine is."""
    well = {name: FakeProbe() for name in ORDER_PATH}
    ready = SystemServicer(mesh(**well, redis=FakeProbe(fails=True)))
    answer = await ready.GetReadiness(system_service_pb2.GetReadinessRequest(), None)
    assert {component.name for component in answer.components} == ORDER_PATH

    unready = SystemServicer(mesh(**{**well, "engine": FakeProbe(fails=True)}))
    with pytest.raises(CodedError):
        await unready.GetReadiness(system_service_pb2.GetReadinessRequest(), None)


async def test_every_shard_of_the_order_service_counts() -> None:
    """There are orders that need the second one: the mesh is not ready without it."""
    well = {name: FakeProbe() for name in (*ORDER_PATH, "order-1")}
    answer = await SystemServicer(mesh(**well)).GetReadiness(system_service_pb2.GetReadinessRequest(), None)
    assert {component.name for component in answer.components} == {*ORDER_PATH, "order-1"}

    unready = SystemServicer(mesh(**{**well, "order-1": FakeProbe(fails=True)}))
    with pytest.raises(CodedError, match="order-1 is unreachable"):
        await unready.GetReadiness(system_service_pb2.GetReadinessRequest(), None)


def test_shards_are_asked_by_their_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of the list is the component `order` itself."""
    for name in ("ENGINE", "ORDER", "RISK", "BROKER", "PORTFOLIO", "MARKETDATA", "IDENTITY"):
        monkeypatch.setenv(f"ORDERMESH_{name}_ADDRESS", f"{name.lower()}:1")
    monkeypatch.setenv("ORDERMESH_POSTGRES_URL", "postgresql://x")
    monkeypatch.setenv("ORDERMESH_REDIS_URL", "redis://x")
    assert "order-1" not in dict(SystemSettings.load().grpc_components())
    monkeypatch.setenv("ORDERMESH_ORDER_SHARD_ADDRESSES", "order:1, order-b:2,order-c:3")
    monkeypatch.setenv("ORDERMESH_ORDER_SHARD_METRICS_ADDRESSES", "order:4,order-b:5")
    settings = SystemSettings.load()
    found = dict(settings.grpc_components())
    assert (found["order"], found["order-1"], found["order-2"]) == ("order:1", "order-b:2", "order-c:3")
    assert [each for each in settings.metrics_endpoints() if each[0] == "order-1"] == [
        ("order-1", "order-b:5", "/metrics")
    ]


async def test_metrics_are_one_text() -> None:
    """The answer is a plain body of Prometheus text, whoever is silent."""
    whole = Mesh({}, {"order": FakeMetrics("x 1"), "risk": FakeMetrics(None)}, timeout_seconds=TIMEOUT_SECONDS)

    answer = await SystemServicer(whole).GetMetrics(system_service_pb2.GetMetricsRequest(), None)
    assert answer.body.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert b'x{service="order"} 1' in answer.body.data
    assert b'up{service="risk"} 0' in answer.body.data
