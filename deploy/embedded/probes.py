"""How each kind of component says that it serves."""

import grpc
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.embedded.errors import NotReadyError

PROBE_SECONDS = 2.0


async def grpc_serves(address: str) -> None:
    """Raise `NotReadyError` unless the gRPC server at `address` says SERVING (grpc.health.v1)."""
    # A channel of its own: a shared one would wait out its reconnect backoff.
    async with grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        try:
            answer = await health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=PROBE_SECONDS
            )
        except grpc.aio.AioRpcError as error:
            raise NotReadyError(f"{address}: {error.details()}") from error
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
        raise NotReadyError(f"{address}: {status}")


async def http_serves(url: str) -> None:
    """Raise `NotReadyError` unless `url` answers with success."""
    try:
        async with httpx.AsyncClient(timeout=PROBE_SECONDS, trust_env=False) as client:
            answer = await client.get(url)
    except httpx.TransportError as error:
        raise NotReadyError(f"{url}: {error}") from error
    if not answer.is_success:
        raise NotReadyError(f"{url}: {answer.status_code}")
