"""The audit logs of services: of others over gRPC, and of this one out of its own store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import grpc

from ordermesh.event.v1 import audit_log_service_pb2, audit_log_service_pb2_grpc
from ordermesh.order.v1 import order_log_service_pb2, order_log_service_pb2_grpc
from services.identity.domain.audit_chain import LogDigest
from services.kernel.errors import unavailable
from services.storage.audit_log import AuditLog

SERVICES: Final = ("ordermesh.event.v1.AuditLogService", "ordermesh.order.v1.OrderLogService")
_TIMEOUT_SECONDS: Final = 5.0


class RemoteAuditLog:
    """The log of another service."""

    def __init__(self, name: str, channel: grpc.aio.Channel) -> None:
        self.name = name
        self._stub: Any = audit_log_service_pb2_grpc.AuditLogServiceStub(channel)

    async def read_after(self, sequence: int, limit: int) -> tuple[str, Sequence[tuple[int, bytes]]]:
        """Returns the epoch, and places and records after a place.

        Raises:
            CodedError: The service does not answer.
        """
        request = audit_log_service_pb2.ReadAuditLogRequest(after_sequence=sequence, limit=limit)
        answer = await self._stub.ReadAuditLog(request, timeout=_TIMEOUT_SECONDS)
        return answer.epoch, [(each.sequence, each.record) for each in answer.records]


class RemoteOrderLog:
    """The order log, which OrderService keeps; None: it is not known where that is."""

    def __init__(self, channel: grpc.aio.Channel | None) -> None:
        self._stub: Any = None if channel is None else order_log_service_pb2_grpc.OrderLogServiceStub(channel)

    async def digest(self, told: LogDigest) -> tuple[str, int]:
        """Returns digest and count of a part of it as it is now.

        Raises:
            CodedError: OrderService does not answer.
        """
        if self._stub is None:
            raise unavailable("SERVICE_UNAVAILABLE", "it is not known here where OrderService is")
        request = order_log_service_pb2.DigestOrderLogRequest(
            shard=told.shard, after_sequence=told.after_sequence, last_sequence=told.last_sequence
        )
        answer = await self._stub.DigestOrderLog(request, timeout=_TIMEOUT_SECONDS)
        return answer.sha256, answer.count


class OwnAuditLog:
    """The log of this service."""

    def __init__(self, name: str, log: AuditLog) -> None:
        self.name, self._log = name, log

    async def read_after(self, sequence: int, limit: int) -> tuple[str, Sequence[tuple[int, bytes]]]:
        """Returns the epoch, and places and records after a place."""
        return await self._log.read_after(sequence, limit)
