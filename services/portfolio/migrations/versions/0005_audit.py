"""The audit log: who changed what."""

from alembic import op

from services.storage import audit_log

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Makes its tables."""
    for statement in audit_log.CREATE:
        op.execute(statement)
