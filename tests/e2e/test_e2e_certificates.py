"""Certificates in a running mesh: nobody gets around the gateway without one, and none is seen to end."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterable
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.embedded.certificates import OPERATOR
from deploy.embedded.mesh import Mesh
from deploy.embedded.plan import services
from ordermesh.engine.v1 import order_entry_service_pb2, order_entry_service_pb2_grpc
from ordermesh.order.v1.order_pb2 import ORDER_STATUS_NEW
from ordermesh.risk.v1.trading_state_admin_pb2 import GetTradingStateRequest
from tests.fakes.certificates import FakeCompany
from tests.fixtures.trader import BUY, new_instrument, trader
from tests.fixtures.waiting import answered, eventually

pytestmark = [pytest.mark.mesh, pytest.mark.asyncio(loop_scope="session")]

ASK = health_pb2.HealthCheckRequest()


def parts(mesh: Mesh) -> list[str]:
    """Returns the parts that speak gRPC behind the gateway."""
    return ["engine", *(service.name for service in services() if service.name in mesh.local.names)]


async def serves(channel: grpc.aio.Channel) -> bool:
    """Tells whether a call is answered."""
    async with channel:
        try:
            await health_pb2_grpc.HealthStub(channel).Check(ASK, timeout=20)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            return False
    return True


def shown(mesh: Mesh, part: str) -> str:
    """Returns the number of the certificate that a part shows to a new connection."""
    authority = mesh.local.certificates.authority
    context = ssl.create_default_context(cafile=str(authority.certificate))
    context.load_cert_chain(str(authority.client(OPERATOR)))
    host, _, port = mesh.address(part).rpartition(":")
    with socket.create_connection((host, int(port))) as plain, context.wrap_socket(plain, server_hostname=host) as tls:
        told: dict[str, Any] = dict(tls.getpeercert() or {})
        assert tls.version() == "TLSv1.3"
    return str(told["serialNumber"])


async def all_shown(mesh: Mesh) -> dict[str, str]:
    """Returns the numbers of the certificates of all parts."""
    return {part: await asyncio.to_thread(shown, mesh, part) for part in parts(mesh)}


async def test_there_is_no_way_around_the_gateway_without_a_certificate(mesh: Mesh, tmp_path: Any) -> None:
    """Plain text, encryption without a certificate, and one of another authority end before anything is asked."""
    authority = mesh.local.certificates.authority.certificate.read_bytes()
    files = FakeCompany(tmp_path).service("broker").files
    for part in parts(mesh):
        address, options = mesh.address(part), [("grpc.use_local_subchannel_pool", 1)]
        assert not await serves(grpc.aio.insecure_channel(address, options=options)), part
        nothing = grpc.ssl_channel_credentials(authority)
        assert not await serves(grpc.aio.secure_channel(address, nothing, options=options)), part
        own = files.certificate.read_bytes()
        strange = grpc.ssl_channel_credentials(authority, own, own)
        assert not await serves(grpc.aio.secure_channel(address, strange, options=options)), part
        assert await serves(mesh.channel(part)), part


async def test_the_engine_is_for_its_peers_alone(mesh: Mesh) -> None:
    """The operator's certificate makes a connection and no more; another service's neither."""
    for name in (OPERATOR, "order", "gateway"):
        async with mesh.channel("engine", name) as channel:
            stub: Any = order_entry_service_pb2_grpc.OrderEntryServiceStub(channel)
            request = order_entry_service_pb2.QueryExecutionsRequest(participant="simulation/0")
            with pytest.raises(grpc.aio.AioRpcError) as failure:
                await stub.QueryExecutions(request)
            assert failure.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_certificates_are_replaced_while_everything_runs(mesh: Mesh) -> None:
    """Every part shows its new one without a start; orders go on meanwhile, and after a connection was lost."""
    async with trader(mesh) as someone:
        instrument = await new_instrument(someone)

        async def places() -> None:
            order = await someone.place(BUY, instrument, "1", "5")
            await someone.reports.until(order.order_id, ORDER_STATUS_NEW)

        await places()
        before = await all_shown(mesh)
        runners = mesh.supervisor.runners
        restarts = {part: runners[part].restarts for part in runners}
        await asyncio.to_thread(lambda: mesh.local.certificates.keep(renew=True))

        def replaced(now: dict[str, str]) -> bool:
            return all(now[part] != before[part] for part in before)

        await places()
        await eventually(lambda: all_shown(mesh), replaced)
        assert {part: runners[part].restarts for part in runners} == restarts
        await places()
        await mesh.kill("risk")
        await mesh.until_serving("risk")
        order = await eventually(lambda: _placed(someone, instrument), lambda placed: placed is not None)
        await someone.reports.until(order.order_id, ORDER_STATUS_NEW)
        # Other tests share this mesh: they begin when those who call RiskService have found out that it is back.
        state = GetTradingStateRequest(account_id=someone.account_id)
        await answered(lambda: someone.risk.GetTradingState(state))

        async def health() -> int:
            return (await someone.rest.get("/health")).status_code

        await eventually(health, lambda status: status == httpx.codes.OK)


async def _placed(someone: Any, instrument: str) -> Any:
    try:
        return await someone.place(BUY, instrument, "1", "5")
    except grpc.aio.AioRpcError:
        return None


def _secrets(mesh: Mesh) -> Iterable[str]:
    """Yields what nobody may read in a log: passwords of the stores, and keys as they are in their files."""
    yield mesh.local.postgres.password
    yield mesh.local.redis.password
    for path in mesh.local.directory.glob("*/*.key"):
        yield from (line for line in path.read_text().splitlines() if line and not line.startswith("-----"))
    for path in (*mesh.local.directory.glob("tls/**/*.pem"), *mesh.local.directory.glob("gateway/*.pem")):
        key, _, _ = path.read_text().partition("-----END PRIVATE KEY-----")
        yield from (line for line in key.splitlines() if "PRIVATE" in path.read_text() and not line.startswith("-----"))


async def test_no_secret_is_in_a_log(mesh: Mesh) -> None:
    """Nor in what tells others where the mesh is, nor among the words of any process."""
    secrets = sorted(set(_secrets(mesh)))
    assert len(secrets) > len(parts(mesh))
    logs = {path.name: path.read_text(errors="replace") for path in mesh.local.logs.iterdir()}
    assert set(logs) >= {f"{name}.log" for name in mesh.local.names}
    commands = {name: " ".join(runner.component.command.arguments) for name, runner in mesh.supervisor.runners.items()}
    run = {path.name: path.read_text() for path in mesh.local.run.glob("*.json")}
    for where, text in (logs | commands | run).items():
        assert not [secret[:6] for secret in secrets if secret in text], where
