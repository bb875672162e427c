"""`/health`, `/ready` and `/metrics`: the real SystemService behind a real Envoy."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.settings import Address
from gateway.tables import ROOT
from tests.fakes.gateway_upstream import Upstream
from tests.fixtures import http_clients
from tests.fixtures.waiting import blocking_eventually
from tests.integration.gateway.answers import detail, reason
from tests.integration.gateway.conftest import Gateway, settings_for

SERVICES = ("ORDER", "RISK", "BROKER", "PORTFOLIO", "MARKETDATA", "IDENTITY", "ENGINE")


@pytest.fixture
def services() -> Iterator[Upstream]:
    """A server that stands for every gRPC component, to be made unwell."""
    server = Upstream()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def system_port(services: Upstream, postgres_url: str, redis_url: str, tmp_path: Path) -> Iterator[int]:
    """The port of a SystemService that looks at real stores."""
    port_file = tmp_path / "port"
    environment = {
        **os.environ,
        **{f"ORDERMESH_{name}_ADDRESS": f"127.0.0.1:{services.port}" for name in SERVICES},
        "ORDERMESH_POSTGRES_URL": postgres_url,
        "ORDERMESH_REDIS_URL": redis_url,
        "ORDERMESH_ORDER_METRICS_ADDRESS": f"127.0.0.1:{services.port}",
        "ORDERMESH_SYSTEM_PORT_FILE": str(port_file),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "gen" / "python")]),
    }
    with (tmp_path / "system.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.system"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    try:
        blocking_eventually(port_file.exists, "SystemService serving", seconds=60)
        yield int(port_file.read_text(encoding="utf-8"))
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture
def system_gateway(services: Upstream, system_port: int, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway before them."""
    settings = settings_for(services.port)
    settings = settings_for(
        services.port, upstreams={**settings.upstreams, "system": Address("127.0.0.1", system_port)}
    )
    running = Gateway(tmp_path, settings)
    yield running
    running.stop()


def test_health_and_metrics_of_the_mesh(system_gateway: Gateway, services: Upstream) -> None:
    """All components serving is 200; one that is not makes it 503, with every component in the body all the same."""
    with http_clients.client(base_url=system_gateway.url, timeout=20) as http:
        blocking_eventually(lambda: http.get("/health").status_code == 200, "the mesh being healthy")
        names = [component["name"] for component in http.get("/health").json()["components"]]
        assert names == [
            "broker",
            "engine",
            "identity",
            "marketdata",
            "order",
            "portfolio",
            "postgres",
            "redis",
            "risk",
        ]
        assert http.get("/ready").status_code == 200

        metrics = http.get("/metrics")
        assert metrics.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert 'up{service="system"} 1' in metrics.text
        # What answers gRPC alone at the address for metrics cannot be read, and hides nobody else's.
        assert 'up{service="order"} 0' in metrics.text

        services.set_serving(serving=False)
        blocking_eventually(lambda: http.get("/health").status_code == 503, "the mesh being unhealthy")
        answer = http.get("/health")
        assert answer.json()["code"] == 14
        assert reason(answer) == "COMPONENT_DOWN"
        report = detail(answer, "ordermesh.system.v1.ComponentReport")
        assert report is not None
        states = {component["name"]: component["state"] for component in report["components"]}
        assert states["order"] == "COMPONENT_STATE_NOT_SERVING"
        assert states["postgres"] == states["redis"] == "COMPONENT_STATE_SERVING"
        assert http.get("/ready").status_code == 503
