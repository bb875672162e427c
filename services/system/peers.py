"""How each kind of component is asked."""

from __future__ import annotations

import asyncio
import http.client
import socket
from collections.abc import Callable
from http import HTTPStatus

from grpc_health.v1 import health_pb2, health_pb2_grpc
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.kernel.errors import CodedError, unavailable
from services.mesh.client import Channel
from services.storage.database import Database

_SERVING = health_pb2.HealthCheckResponse.SERVING


class GrpcProbe:
    """A service that speaks `grpc.health.v1`."""

    def __init__(self, channel: Channel) -> None:
        self._stub = health_pb2_grpc.HealthStub(channel)

    async def ask(self) -> str:
        """Returns nothing when it is serving, else what it says."""
        try:
            status = (await self._stub.Check(health_pb2.HealthCheckRequest())).status
        except CodedError as error:
            # Callers outside read this; gRPC's own text holds addresses of the inside.
            raise unavailable("SERVICE_UNAVAILABLE", f"it does not answer ({error.kind.value})") from error
        return "" if status == _SERVING else f"it says {health_pb2.HealthCheckResponse.ServingStatus.Name(status)}"


class PostgresProbe:
    """Postgres, through a pool of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ask(self) -> str:
        """Returns nothing: a database that answers is serving."""
        try:
            await self._database.ping()
        except CodedError:
            # The pooled connection may be from before a restart; the pool has dropped it, and the next is new.
            await self._database.ping()
        return ""


class RedisProbe:
    """Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def ask(self) -> str:
        """Returns nothing: a Redis that answers is serving."""
        try:
            await self._redis.execute_command("PING")  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        except (RedisError, OSError) as error:
            # The error's own text may hold the URL.
            raise unavailable("SERVICE_UNAVAILABLE", f"it does not answer ({type(error).__name__})") from None
        return ""


class HttpMetrics:
    """Prometheus text over HTTP."""

    def __init__(self, address: str, path: str, timeout_seconds: float) -> None:
        self._address = address
        self._path = path
        self._timeout_seconds = timeout_seconds

    async def read(self) -> str:
        """Returns the text."""
        return await asyncio.to_thread(self._read)

    def _read(self) -> str:
        connection = _connection(self._address, self._timeout_seconds)
        try:
            connection.request("GET", self._path)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise unavailable("SERVICE_UNAVAILABLE", f"{self._address}: {error}") from error
        finally:
            connection.close()
        if response.status != HTTPStatus.OK:
            raise unavailable("SERVICE_UNAVAILABLE", f"{self._address} answers {response.status}")
        return body.decode(errors="replace")


def _connection(address: str, timeout_seconds: float) -> http.client.HTTPConnection:
    path = address.removeprefix("unix:")
    if path != address:
        return _SocketConnection(path, timeout_seconds)
    return http.client.HTTPConnection(address, timeout=timeout_seconds)


class _SocketConnection(http.client.HTTPConnection):
    """HTTP at a socket of this machine."""

    def __init__(self, path: str, timeout_seconds: float) -> None:
        super().__init__("localhost", timeout=timeout_seconds)
        self._path = path

    def connect(self) -> None:
        """Connects to the path in place of a host."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class OwnMetrics:
    """The metrics of this very process, without a detour over HTTP."""

    def __init__(self, text: Callable[[], str]) -> None:
        self._text = text

    async def read(self) -> str:
        """Returns the text."""
        return self._text()
