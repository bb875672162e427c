"""The methods by which compliance reads and verifies who changed what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError

from ordermesh.event.v1 import audit_record_pb2
from ordermesh.identity.v1 import audit_pb2, audit_service_pb2_grpc
from services.identity.domain.caller import Caller
from services.identity.domain.values import Role, Scope
from services.identity.pipeline.auditing import AuditReading, AuditVerifier, Chained, Wanted
from services.identity.servicer.desk import Desk
from services.kernel.errors import invalid_field, not_found
from services.mesh.interceptors.base import Context
from services.mesh.times import span
from services.mesh.tokens import PageTokens, filters_of

_PAGE: Final = 100
_AT_ONCE: Final = 10_000
_AFTER_ALL: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class AuditServicer(audit_service_pb2_grpc.AuditServiceServicer):
    """Tells the audit."""

    desk: Desk
    chain: AuditReading
    verifier: AuditVerifier

    async def ListAuditRecords(
        self, request: audit_pb2.ListAuditRecordsRequest, context: Context
    ) -> audit_pb2.ListAuditRecordsResponse:
        """Lists records, the last first."""
        caller = await self._reader()
        at_or_after, before = span(request)
        wanted = Wanted(
            caller.user.environment,
            request.user_id,
            request.entity_type,
            request.entity_id,
            request.account_id,
            request.source,
            request.request_id,
            at_or_after,
            before,
        )
        tokens, size = PageTokens(filters_of(request)), request.page_size or _PAGE
        found = await self.chain.page(wanted, _position(tokens.read(request.page_token)), size + 1)
        entries = [_entry(each) for each in found[:size]]
        token = tokens.make(str(entries[-1].record.sequence)) if len(found) > size else ""
        return audit_pb2.ListAuditRecordsResponse(entries=entries, next_page_token=token)

    async def GetAuditRecord(
        self, request: audit_pb2.GetAuditRecordRequest, context: Context
    ) -> audit_pb2.GetAuditRecordResponse:
        """Tells one record."""
        caller = await self._reader()
        found = await self.chain.get(request.sequence, caller.user.environment)
        if found is None:
            raise not_found("UNKNOWN_AUDIT_RECORD", "there is no record in that place")
        entry = _entry(found)
        entry.content = found.content
        return audit_pb2.GetAuditRecordResponse(entry=entry)

    async def VerifyAudit(
        self, request: audit_pb2.VerifyAuditRequest, context: Context
    ) -> audit_pb2.VerifyAuditResponse:
        """Verifies a part of the chain."""
        await self._reader()
        known = bytes.fromhex(request.after_hash) or None
        verified = await self.verifier.verify(
            request.after_sequence, known, request.limit or _AT_ONCE, order_log=request.order_log
        )
        fault = verified.fault
        return audit_pb2.VerifyAuditResponse(
            fault=None
            if fault is None
            else audit_pb2.AuditFault(
                sequence=fault.sequence, kind=audit_pb2.AuditFault.Kind.ValueType(fault.kind), text=fault.text
            ),
            verified_sequence=verified.sequence,
            verified_hash=verified.hash.hex(),
            last_sequence=verified.last_sequence,
            sealed_sequence=verified.sealed_sequence,
            unreadable_sequences=verified.unreadable,
        )

    async def _reader(self) -> Caller:
        caller = await self.desk.caller()
        caller.require_scope(Scope.READ)
        caller.require_role(Role.COMPLIANCE, Role.ADMIN)
        return caller


def _entry(chained: Chained) -> audit_pb2.AuditEntry:
    try:
        record = audit_record_pb2.AuditRecord.FromString(chained.content)
    except DecodeError:
        # Somebody has changed it: the rest of the page is told all the same, and the verification names it.
        record = audit_record_pb2.AuditRecord(unreadable=chained.content)
    return audit_pb2.AuditEntry(record=record, previous_hash=chained.previous_hash.hex(), hash=chained.hash.hex())


def _position(read: tuple[str, ...] | None) -> int:
    if read is None:
        return _AFTER_ALL
    # Anybody can make up a token.
    if not read[0].isdecimal() or int(read[0]) > _AFTER_ALL:
        raise invalid_field("page_token", "is none of this list")
    return int(read[0])
