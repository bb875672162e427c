"""Runs SystemService."""

from __future__ import annotations

from prometheus_client import generate_latest
from redis.asyncio import Redis

from ordermesh.system.v1 import system_service_pb2_grpc
from services.mesh.service import Service, run
from services.storage.database import Database, PoolOptions
from services.system.config import SystemSettings
from services.system.peers import GrpcProbe, HttpMetrics, OwnMetrics, PostgresProbe, RedisProbe
from services.system.pipeline import Mesh, MetricsSource, Probe
from services.system.public import public_services
from services.system.servicer import SystemServicer


async def main(service: Service[SystemSettings]) -> None:
    """Wires the probes; nothing needs to be up for this service to start."""
    settings = service.settings
    limit = settings.probe_seconds
    pool = PoolOptions(size=1, overflow=0, wait_seconds=limit, connect_seconds=limit)
    database = await service.enter(Database(settings.postgres_url.get_secret_value(), "public", pool))
    redis: Redis = Redis.from_url(settings.redis_url.get_secret_value(), socket_timeout=limit)
    service.on_close(redis.aclose)
    probes: dict[str, Probe] = {"postgres": PostgresProbe(database), "redis": RedisProbe(redis)}
    for name, address in settings.grpc_components():
        probes[name] = GrpcProbe(service.channels.to(address))
    sources: dict[str, MetricsSource] = {
        name: HttpMetrics(address, path, limit) for name, address, path in settings.metrics_endpoints()
    }
    sources["system"] = OwnMetrics(lambda: generate_latest(service.telemetry.registry).decode())
    servicer = SystemServicer(Mesh(probes, sources, timeout_seconds=limit))
    service.server.add(system_service_pb2_grpc.add_SystemServiceServicer_to_server, servicer)
    service.server.describe(public_services())


if __name__ == "__main__":
    run(SystemSettings, main)
