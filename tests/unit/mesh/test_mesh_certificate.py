"""Who is let in by their certificate, and that certificates are replaced while everything runs."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from ordermesh.event.v1 import event_log_service_pb2 as log_pb
from ordermesh.event.v1 import event_log_service_pb2_grpc as log_rpc
from services.kernel.errors import CodedError
from services.mesh.certificate import Certificate, CertificateFiles, certificate_of, names_of
from services.mesh.client import Channels
from services.mesh.config import ConfigurationError
from services.order.config import OrderSettings
from services.system.config import SystemSettings
from tests.fakes.certificates import ENDED, SERVER, FakeCompany
from tests.fakes.mesh_servicers import Log
from tests.fixtures.serving import Serving, serving

ASK = log_pb.ReadEventsRequest()
REGISTER = log_rpc.add_EventLogServiceServicer_to_server


@pytest.fixture
def company(tmp_path: Path) -> FakeCompany:
    """The services of the mesh."""
    return FakeCompany(tmp_path / "ours")


async def answers(served: Serving, certificate: Certificate | None, name: str = SERVER) -> bool:
    """Tells whether a server answers a new client with this certificate, who calls it by this name."""
    channels = Channels(certificate=certificate, names={served.address: name}, timeout_seconds=10)
    try:
        stub: Any = log_rpc.EventLogServiceStub(channels.to(served.address))
        await stub.ReadEvents(ASK)
    except CodedError as error:
        if error.reason != "SERVICE_UNAVAILABLE":
            raise
        return False
    finally:
        await channels.close()
    return True


async def test_both_sides_must_be_of_the_mesh(company: FakeCompany, tmp_path: Path) -> None:
    """Plain text, certificates of another authority, and those that have ended make no connection."""
    strangers = FakeCompany(tmp_path / "strangers")
    async with serving(REGISTER, Log(), certificate=company.service(SERVER)) as served:
        assert await answers(served, company.service("risk"))
        assert await answers(served, company.client("desk"))
        assert not await answers(served, None)
        assert not await answers(served, strangers.service("risk"))
        assert not await answers(served, company.service("risk", ENDED))
        # Who shows one of another authority is refused also when they believe the server.
        own, others = company.service("risk"), strangers.service("risk")
        assert not await answers(served, Certificate(_files(others, own)))
        assert not await answers(served, own, name="broker")


def _files(shown: Certificate, believed: Certificate) -> CertificateFiles:
    return CertificateFiles(shown.files.certificate, shown.files.key, believed.files.authority)


async def test_a_server_shows_its_new_certificate_without_a_start(company: FakeCompany) -> None:
    """The next handshake has it; connections that there are go on."""
    async with serving(REGISTER, Log(), certificate=company.service(SERVER), as_=company.service("risk")) as served:
        stub: Any = log_rpc.EventLogServiceStub(served.channel)
        await stub.ReadEvents(ASK)
        company.service(SERVER, ENDED)
        await stub.ReadEvents(ASK)
        assert not await answers(served, company.service("risk"))
        company.service(SERVER)
        assert await answers(served, company.service("risk"))


async def test_a_client_whose_certificate_has_ended_connects_again_with_the_next(company: FakeCompany) -> None:
    """Stubs that were made before call by the new connection."""
    certificate = company.service("risk", ENDED)
    async with serving(REGISTER, Log(), certificate=company.service(SERVER), as_=certificate) as served:
        stub: Any = log_rpc.EventLogServiceStub(served.channel)
        with pytest.raises(CodedError, match="SERVICE_UNAVAILABLE"):
            await stub.ReadEvents(ASK)
        renewed = asyncio.Event()

        def renew() -> None:
            served.channels.renew()
            renewed.set()

        watching = asyncio.create_task(certificate.watch(renew, every_seconds=0.01))
        company.service("risk")
        async with asyncio.timeout(10):
            await renewed.wait()
        assert (await stub.ReadEvents(ASK)).last_sequence == 1
        watching.cancel()


class Waiting(Log):
    """Answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()

    async def ReadEvents(self, request: Any, context: Any) -> log_pb.ReadEventsResponse:  # noqa: N802 - the contract's name
        self.asked.set()
        await self.go_on.wait()
        return log_pb.ReadEventsResponse(last_sequence=1)


async def test_calls_in_progress_are_not_disturbed(company: FakeCompany) -> None:
    """The old connection lasts as long as they do."""
    log, certificate = Waiting(), company.service("risk")
    async with serving(REGISTER, log, certificate=company.service(SERVER), as_=certificate) as served:
        stub: Any = log_rpc.EventLogServiceStub(served.channel)
        before = asyncio.ensure_future(stub.ReadEvents(ASK))
        await log.asked.wait()
        company.service("risk")
        served.channels.renew()
        log.go_on.set()
        assert (await stub.ReadEvents(ASK)).last_sequence == (await before).last_sequence == 1


async def test_half_of_a_certificate_changes_nothing(company: FakeCompany, tmp_path: Path) -> None:
    """A certificate whose key is still to come, and files that are gone for a moment, are looked at again later."""
    first = company.service("risk").files
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.write_bytes(first.certificate.read_bytes())
    key.write_bytes(first.key.read_bytes())
    held = Certificate(CertificateFiles(certificate, key, first.authority))
    company.service("risk")
    certificate.write_bytes(first.certificate.read_bytes())
    assert held.refresh() == 0
    key.write_bytes(first.key.read_bytes())
    assert held.refresh() == held.refresh() == 1
    key.unlink()
    assert held.refresh() == 1


def test_a_certificate_that_cannot_be_used_stops_the_start(company: FakeCompany, tmp_path: Path) -> None:
    """In one line that says which, and nothing of the key."""
    files = company.service("risk").files
    missing = CertificateFiles(tmp_path / "nowhere.pem", files.key, files.authority)
    with pytest.raises(ConfigurationError, match=r"nowhere\.pem cannot be used"):
        Certificate(missing)
    other = CertificateFiles(files.certificate, company.service("order").files.key, files.authority)
    with pytest.raises(ConfigurationError, match="is not the key of"):
        Certificate(other)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of a service, without what others have said in it."""
    for name in [name for name in os.environ if name.startswith("ORDERMESH_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ORDERMESH_POSTGRES_URL", "postgresql://nobody@localhost/nothing")
    monkeypatch.setenv("ORDERMESH_REDIS_URL", "redis://localhost/0")
    return monkeypatch


def test_settings_have_all_three_files_or_none(environment: pytest.MonkeyPatch, company: FakeCompany) -> None:
    """And where callers are looked at, they are needed: nothing else says which service calls."""
    for name in ("MARKETDATA", "RISK", "BROKER", "PORTFOLIO"):
        environment.setenv(f"ORDERMESH_{name}_ADDRESS", "127.0.0.1:1")
    assert certificate_of(OrderSettings.load()) is None
    files = company.service("order").files
    environment.setenv("ORDERMESH_ORDER_TLS_CERTIFICATE_FILE", str(files.certificate))
    with pytest.raises(ConfigurationError, match="ORDERMESH_TLS_KEY_FILE is not set"):
        OrderSettings.load()
    environment.setenv("ORDERMESH_TLS_KEY_FILE", str(files.key))
    environment.setenv("ORDERMESH_TLS_AUTHORITY_FILE", str(files.authority))
    assert certificate_of(OrderSettings.load()) is not None
    environment.delenv("ORDERMESH_TLS_AUTHORITY_FILE")
    environment.delenv("ORDERMESH_TLS_KEY_FILE")
    environment.delenv("ORDERMESH_ORDER_TLS_CERTIFICATE_FILE")
    environment.setenv("ORDERMESH_ENFORCE_ACCESS", "true")
    with pytest.raises(ConfigurationError, match="no service could call this one"):
        OrderSettings.load()


def test_settings_say_who_is_where(environment: pytest.MonkeyPatch) -> None:
    """The name of the setting is the one that the certificate at the address must have."""
    told = {"ENGINE": 1, "ORDER": 2, "RISK": 3, "BROKER": 4, "PORTFOLIO": 5, "MARKETDATA": 6, "IDENTITY": 7}
    for name, port in told.items():
        environment.setenv(f"ORDERMESH_{name}_ADDRESS", f"127.0.0.1:{port}")
    environment.setenv("ORDERMESH_ORDER_SHARD_ADDRESSES", "127.0.0.1:2,127.0.0.1:8")
    environment.setenv("ORDERMESH_ORDER_METRICS_ADDRESS", "127.0.0.1:9")
    names = names_of(SystemSettings.load())
    expected = {f"127.0.0.1:{port}": name.lower() for name, port in told.items()} | {"127.0.0.1:8": "order"}
    assert {address: name for address, name in names.items() if not address.endswith(":0")} == expected
