"""Users, second factors, sessions, API keys, attempts, signing keys."""

from alembic import op

revision = "0001"
down_revision = None

_CREATE = (
    """
    create table users (
        user_id uuid primary key,
        environment smallint not null,
        username text not null,
        display_name text not null,
        email text not null,
        roles smallint[] not null,
        account_ids text[] not null,
        password_hash text not null,
        password_version integer not null,
        disabled boolean not null,
        version integer not null,
        created_at timestamptz not null,
        updated_at timestamptz not null,
        unique (environment, username)
    )
    """,
    """
    create table second_factor (
        user_id uuid primary key references users on delete cascade,
        sealed bytea not null,
        confirmed_at timestamptz,
        last_step bigint not null
    )
    """,
    """
    create table recovery_code (
        user_id uuid not null references users on delete cascade,
        code_hash bytea not null,
        primary key (user_id, code_hash)
    )
    """,
    """
    create table session (
        session_id uuid primary key,
        user_id uuid not null references users on delete cascade,
        second_factor boolean not null,
        address text not null,
        last_address text not null,
        client text not null,
        created_at timestamptz not null,
        refreshed_at timestamptz not null,
        expires_at timestamptz not null,
        most_at timestamptz not null,
        ended_at timestamptz
    )
    """,
    "create index session_by_user on session (user_id, session_id)",
    """
    create table refresh_token (
        token_hash bytea primary key,
        session_id uuid not null references session on delete cascade,
        used boolean not null
    )
    """,
    "create index refresh_token_by_session on refresh_token (session_id)",
    """
    create table challenge (
        challenge_hash bytea primary key,
        user_id uuid not null references users on delete cascade,
        password_version integer not null,
        client text not null,
        expires_at timestamptz not null
    )
    """,
    """
    create table api_key (
        api_key_id uuid primary key,
        user_id uuid not null references users on delete cascade,
        secret_hash bytea not null unique,
        name text not null,
        scopes smallint[] not null,
        networks text[] not null,
        created_at timestamptz not null,
        expires_at timestamptz,
        last_used_at timestamptz,
        last_address text not null,
        revoked_at timestamptz
    )
    """,
    "create index api_key_by_user on api_key (user_id, api_key_id)",
    """
    create table attempts (
        key bytea primary key,
        count integer not null,
        last_at timestamptz,
        blocked_until timestamptz
    )
    """,
    """
    create table signing_key (
        key_id text primary key,
        active_from timestamptz not null,
        sealed bytea not null
    )
    """,
)


def upgrade() -> None:
    """Makes the tables."""
    for statement in _CREATE:
        op.execute(statement)
