"""Serves the audit log of a service to IdentityService."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from ordermesh.event.v1 import audit_log_service_pb2, audit_log_service_pb2_grpc
from services.mesh.server import Server

_MOST = 1_000


class AuditRecords(Protocol):
    """The audit log of a service."""

    async def read_after(self, sequence: int, limit: int) -> tuple[str, Sequence[tuple[int, bytes]]]:
        """Returns the incarnation of the log, and places and records after a place, oldest first."""
        ...


class AuditLogServicer(audit_log_service_pb2_grpc.AuditLogServiceServicer):
    """Reads the log for whoever chains it."""

    def __init__(self, records: AuditRecords) -> None:
        self._records = records

    async def ReadAuditLog(
        self, request: audit_log_service_pb2.ReadAuditLogRequest, context: Any
    ) -> audit_log_service_pb2.ReadAuditLogResponse:
        """Reads records after a sequence."""
        epoch, found = await self._records.read_after(request.after_sequence, request.limit or _MOST)
        records = [
            audit_log_service_pb2.LoggedAuditRecord(sequence=sequence, record=record) for sequence, record in found
        ]
        return audit_log_service_pb2.ReadAuditLogResponse(records=records, epoch=epoch)


def serve_audit_log(server: Server, records: AuditRecords) -> None:
    """Serves the audit log of a service."""
    server.add(audit_log_service_pb2_grpc.add_AuditLogServiceServicer_to_server, AuditLogServicer(records))
