"""How each kind of component says that it serves."""

from collections.abc import Callable, Sequence

import grpc
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.embedded.errors import NotReadyError

PROBE_SECONDS = 2.0


def connect(
    address: str, credentials: grpc.ChannelCredentials | None = None, options: Sequence[tuple[str, str | int]] = ()
) -> grpc.aio.Channel:
    """Return a channel of its own; without credentials it is not encrypted."""
    # Not shared: a shared one would wait out its reconnect backoff.
    options = [*options, ("grpc.use_local_subchannel_pool", 1)]
    if credentials is None:
        return grpc.aio.insecure_channel(address, options=options)
    return grpc.aio.secure_channel(address, credentials, options=options)


async def grpc_serves(address: str, credentials: Callable[[], grpc.ChannelCredentials] | None = None) -> None:
    """Raise `NotReadyError` unless the gRPC server at `address` says SERVING (grpc.health.v1).

    Credentials are asked for at each probe: those of before may have ended.
    """
    async with connect(address, None if credentials is None else credentials()) as channel:
        try:
            answer = await health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=PROBE_SECONDS
            )
        except grpc.aio.AioRpcError as error:
            raise NotReadyError(f"{address}: {error.details()}") from error
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
        raise NotReadyError(f"{address}: {status}")


def http_client(address: str) -> httpx.AsyncClient:
    """Return a client of what listens at `host:port`, or at the socket `unix:path`."""
    path = address.removeprefix("unix:")
    if path == address:
        return httpx.AsyncClient(base_url=f"http://{address}", timeout=PROBE_SECONDS, trust_env=False)
    transport = httpx.AsyncHTTPTransport(uds=path)
    return httpx.AsyncClient(base_url="http://localhost", timeout=PROBE_SECONDS, transport=transport)


async def http_serves(address: str, path: str) -> None:
    """Raise `NotReadyError` unless a path of what listens at an address answers with success."""
    try:
        async with http_client(address) as client:
            answer = await client.get(path)
    except httpx.TransportError as error:
        raise NotReadyError(f"{address}{path}: {error}") from error
    if not answer.is_success:
        raise NotReadyError(f"{address}{path}: {answer.status_code}")
