"""Records of what was refused to somebody who may be another than they say."""

from __future__ import annotations

from services.identity.domain.values import Environment
from services.mesh.audit import Change
from services.storage.audit_log import AuditNotes


class PostgresRefusalStore:
    """Records them in the audit log."""

    def __init__(self, notes: AuditNotes) -> None:
        self._notes = notes

    async def refused(self, entity_type: str, entity_id: str, environment: Environment | None, reason: str) -> None:
        """Records a refusal; of an entity that is not known neither id nor environment."""
        await self._notes.note(Change(entity_type, entity_id, environment=environment or 0, refused=reason))
