"""The audit log of the service, and the chain of the records of all services."""

from alembic import op

from services.storage import audit_log, cursor

revision = "0002"
down_revision = "0001"

_CREATE = (
    """
    create table audit_record (
        sequence bigint primary key,
        content bytea not null,
        hash bytea not null,
        source text not null,
        source_epoch uuid not null,
        source_sequence bigint not null,
        at timestamptz not null,
        user_id text not null,
        request_id text not null,
        entity_type text not null,
        entity_id text not null,
        account_id text not null,
        environment smallint not null
    )
    """,
    # A record of a service is chained once. What was found out about its log has no place in it.
    """
    create unique index audit_record_by_source on audit_record (source, source_epoch, source_sequence)
    where source_sequence > 0
    """,
    "create index audit_record_by_user on audit_record (user_id, sequence) where user_id <> ''",
    "create index audit_record_by_entity on audit_record (entity_type, entity_id, sequence)",
    "create index audit_record_by_account on audit_record (account_id, sequence) where account_id <> ''",
    "create index audit_record_by_request on audit_record (request_id, sequence) where request_id <> ''",
    "create index audit_record_by_time on audit_record (at)",
    """
    create table audit_seal (
        sequence bigint not null,
        at timestamptz not null,
        sealed bytea not null,
        primary key (sequence, at)
    )
    """,
)


def upgrade() -> None:
    """Makes the tables."""
    appended = (*audit_log.append_only("audit_record"), *audit_log.append_only("audit_seal"))
    for statement in (*audit_log.CREATE, *cursor.CREATE, *_CREATE, *appended):
        op.execute(statement)
