"""The audit logs of services: of others over gRPC, and of this one out of its own store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import grpc

from ordermesh.event.v1 import audit_log_service_pb2, audit_log_service_pb2_grpc
from ordermesh.order.v1 import order_log_service_pb2, order_log_service_pb2_grpc
from services.identity.domain.audit_chain import LogDigest
from services.kernel.errors import CodedError, unavailable
from services.storage.audit_log import AuditLog

SERVICES: Final = ("ordermesh.event.v1.AuditLogService", "ordermesh.order.v1.OrderLogService")
_TIMEOUT_SECONDS: Final = 5.0


class _Any:
    """Processes of which any can tell what is asked: the shards of a service, which share a store."""

    def __init__(self, stubs: Sequence[Any]) -> None:
        self._stubs = list(stubs)

    async def ask(self, ask: Callable[[Any], Awaitable[Any]]) -> Any:
        """Asks one after another, beginning with the one that has answered last.

        Raises:
            CodedError: None answers; what the last of them has said.
        """
        failure = unavailable("SERVICE_UNAVAILABLE", "it is not known here where the service is")
        for stub in tuple(self._stubs):
            try:
                answer = await ask(stub)
            except CodedError as error:
                failure = error
                continue
            self._stubs.remove(stub)
            self._stubs.insert(0, stub)
            return answer
        raise failure


class RemoteAuditLog:
    """The log of another service."""

    def __init__(self, name: str, channels: Sequence[grpc.aio.Channel]) -> None:
        """Makes it.

        Args:
            name: The service.
            channels: To its processes, any of which tells the whole log.
        """
        self.name = name
        self._any = _Any([audit_log_service_pb2_grpc.AuditLogServiceStub(channel) for channel in channels])

    async def read_after(self, sequence: int, limit: int) -> tuple[str, Sequence[tuple[int, bytes]]]:
        """Returns the epoch, and places and records after a place.

        Raises:
            CodedError: The service does not answer.
        """
        request = audit_log_service_pb2.ReadAuditLogRequest(after_sequence=sequence, limit=limit)
        answer = await self._any.ask(lambda stub: stub.ReadAuditLog(request, timeout=_TIMEOUT_SECONDS))
        return answer.epoch, [(each.sequence, each.record) for each in answer.records]


class RemoteOrderLog:
    """The order log, which OrderService keeps: any of its shards tells those of all."""

    def __init__(self, channels: Sequence[grpc.aio.Channel]) -> None:
        self._any = _Any([order_log_service_pb2_grpc.OrderLogServiceStub(channel) for channel in channels])

    async def digest(self, told: LogDigest) -> tuple[str, int]:
        """Returns digest and count of a part of it as it is now.

        Raises:
            CodedError: OrderService does not answer.
        """
        request = order_log_service_pb2.DigestOrderLogRequest(
            shard=told.shard,
            after_sequence=told.after_sequence,
            last_sequence=told.last_sequence,
            version=told.version,
        )
        answer = await self._any.ask(lambda stub: stub.DigestOrderLog(request, timeout=_TIMEOUT_SECONDS))
        return answer.sha256, answer.count


class OwnAuditLog:
    """The log of this service."""

    def __init__(self, name: str, log: AuditLog) -> None:
        self.name, self._log = name, log

    async def read_after(self, sequence: int, limit: int) -> tuple[str, Sequence[tuple[int, bytes]]]:
        """Returns the epoch, and places and records after a place."""
        return await self._log.read_after(sequence, limit)
