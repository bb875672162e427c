"""Records of what was refused to somebody who may be another than they say."""

from __future__ import annotations

from services.identity.domain.values import Environment
from services.mesh.audit import Change, origin
from services.mesh.refusals import Refusals
from services.storage.audit_log import AuditNotes


class PostgresRefusalStore:
    """Records them in the audit log."""

    def __init__(self, notes: AuditNotes) -> None:
        self._notes = notes

    async def refused(self, entity_type: str, entity_id: str, environment: Environment | None, reason: str) -> None:
        """Records a refusal; of an entity that is not known neither id nor environment."""
        await self._notes.note(Change(entity_type, entity_id, environment=environment or 0, refused=reason))


class SessionRefusals:
    """Counts tokens of sessions that are over; the service records them with the calls that it refuses."""

    def __init__(self, refusals: Refusals) -> None:
        self._refusals = refusals

    def over(self, kind: str, session_id: str, environment: Environment) -> None:
        """Counts a token whose session, or API key, is good no more."""
        change = Change(kind, session_id, environment=environment, refused="INVALID_TOKEN", by=origin())
        self._refusals.count(change)
